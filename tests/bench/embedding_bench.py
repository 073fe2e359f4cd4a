"""The built-in embedder against sentence-transformers as it comes, side by side in one run.

Both embed the same pieces of the packages that are installed here, in turns, so that whatever else the machine does
meets both; the ratio is the median of the rounds. Each runs in a process of its own with all processors.

    python -m tests.bench.embedding_bench [--texts 256] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from models.network import NetworkRules
from models.worker import Worker, WorkerSpec
from models.worker_loop import Buffers, Method
from rag.embedding.choices import BUILT_IN
from rag.embedding.embedders import Embedders
from rag.embedding.package import compute_threads, package_folder

CHARACTERS = 740  # about 185 tokens
QUESTION = "how is a file opened without following symbolic links"


def pieces(count: int) -> list[str]:
    """Texts of differing lengths around CHARACTERS, from the packages that are installed."""
    chance = random.Random(7)
    files = sorted(Path(sysconfig.get_paths()["purelib"]).glob("*/*.py"))
    chance.shuffle(files)
    found: list[str] = []
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        at = 0
        while at + 200 < len(text) and len(found) < count and at < 20_000:
            size = chance.randint(CHARACTERS // 2, CHARACTERS * 3 // 2)
            found.append(text[at : at + size])
            at += size
        if len(found) == count:
            break
    return found


class _Plain:
    """The other side's process: what its manual shows first."""

    def __init__(self) -> None:
        self._model: Any = None

    def load(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(params["threads"])
        self._model = SentenceTransformer(params["folder"], device="cpu")
        return None, ()

    def encode(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        began = time.perf_counter()
        vectors = self._model.encode(params["texts"], show_progress_bar=False)
        return time.perf_counter() - began, (np.ascontiguousarray(vectors, np.float32).tobytes(),)


def methods() -> Mapping[str, Method]:
    plain = _Plain()
    return {"load": plain.load, "encode": plain.encode}


def cpu_seconds(pid: int | None) -> float:
    """Processor time of a child so far: what a machine that is busy with other things tells the truth about."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def compare(texts: list[str], rounds: int, folder: Path) -> list[float]:
    """Prints what was measured; returns the ratio of each round."""
    embedders = Embedders(
        cache=folder / "cache",
        runtime=folder / "run",
        pidfiles=None,
        definitions=folder / "embedders.json",
        rules=lambda: NetworkRules(air_gapped=True),
    )
    spec = WorkerSpec("tests.bench.embedding_bench", "plain", folder)
    plain = await Worker.start(spec)
    try:
        await plain.call("load", {"folder": str(package_folder()), "threads": compute_threads()})
        figures = await embedders.measure()
        for figure in figures.runtimes:
            mark = "*" if figure.chosen else " "
            print(
                f"{mark} {figure.name:14} {figure.chunks_per_s:7.1f} chunks/s  cosine {figure.cosine:.5f}  "
                f"load {figure.load_ms:6.0f} ms  question {figure.query_ms:5.1f} ms  {figure.note}"
            )
        embedder: Any = await embedders.open(BUILT_IN)
        await embedder.embed_passages(texts[:16])
        ratios = []
        for number in range(rounds):
            spent = cpu_seconds(plain.pid)
            reply = await plain.call("encode", {"texts": texts})
            their_cpu = cpu_seconds(plain.pid) - spent
            theirs = np.frombuffer(reply.buffers[0], np.float32).reshape(len(texts), -1)
            spent, began = cpu_seconds(embedder.passages.pid), time.perf_counter()
            ours = await embedder.embed_passages(texts)
            seconds = time.perf_counter() - began
            own_cpu = cpu_seconds(embedder.passages.pid) - spent
            ratios.append(reply.value / seconds)
            same = float((ours * theirs).sum(1).mean())
            print(
                f"round {number + 1}: theirs {len(texts) / reply.value:6.1f}/s  ours {len(texts) / seconds:6.1f}/s  "
                f"ratio {ratios[-1]:.2f} (of processor time {their_cpu / own_cpu:.2f})  cosine {same:.5f}",
                flush=True,
            )
        await questions(embedder)
        return ratios
    finally:
        await plain.stop()
        await embedders.close()


async def questions(embedder: Any) -> None:
    """Prints how long questions take, alone and beside passages."""
    for name, texts in (("alone", []), ("beside passages", pieces(128))):
        await embedder.embed_query(QUESTION)
        work = asyncio.create_task(embedder.embed_passages(texts))
        times = []
        for _ in range(100):
            began = time.perf_counter()
            await embedder.embed_query(QUESTION)
            times.append((time.perf_counter() - began) * 1000)
        await work
        print(f"question {name}: p50 {statistics.median(times):.1f} ms, p95 {sorted(times)[94]:.1f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-least", type=float, default=4.0, help="the ratio below which this fails")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ratios = asyncio.run(compare(pieces(chosen.texts), chosen.rounds, Path(folder)))
    ratio = statistics.median(ratios)
    print(f"median ratio {ratio:.2f} (aim: {chosen.at_least})")
    return 0 if ratio >= chosen.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
