"""Indexing speed: Jackdaw, LangChain with Chroma, and LlamaIndex over the same files with the same embedding model.

    python -m tests.bench.index_bench [--folder F] [--megabytes 4] [--rounds 1] [--unchanged 20000]

Without a folder the files are a sample of documentation and source code of the packages installed here. Each contender
runs in its own process, one after the other, in turn; memory is the largest sum over its whole process tree (PSS). Then
a tree of `--unchanged` small files is indexed, looked at a second time, and one file in it is saved until it is found.
The others' packages are put into a folder of their own in the cache; they come from requirements-retrieval.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from desktop.paths import engine_cache
from rag.embedding.package import package_folder

REQUIREMENTS = Path(__file__).with_name("requirements-retrieval.txt")
PEERS = Path(__file__).with_name("index_peers.py")
CONTENDERS = {
    "LangChain + Chroma": "langchain",
    "LlamaIndex, 256": "llamaindex-256",
    "LlamaIndex": "llamaindex",  # reads the first quarter of each chunk: see index_peers.py
}
SUFFIXES = frozenset({".py", ".md", ".rst", ".txt"})
LARGEST_BYTES = 200_000
MIB = 1024 * 1024
LIMIT_S = 3600.0
NICE = 10  # that of our own workers: what else runs here must slow all of them alike


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one contender."""

    seconds: float
    chunks: int
    peak_bytes: int
    processor_s: float  # of all processes, with what they take to start
    more: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--megabytes", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--unchanged", type=int, default=20_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jdb-") as made:
        folder = Path(made)
        files = sample(chosen.folder or Path(sysconfig.get_path("purelib")), folder / "tree", chosen.megabytes)
        compare(folder, files, chosen.rounds)
        if chosen.unchanged:
            look_again(folder, chosen.unchanged)


def compare(folder: Path, files: Sequence[Path], rounds: int) -> None:
    """Every contender in turn over the same tree; prints medians and how many times as fast ours is."""
    python, model = peers_python(), package_folder()
    assert model is not None
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} files, {size / MIB:.1f} MiB of text; load {psutil.getloadavg()[0]:.1f}")
    ours = (sys.executable, "-m", "tests.bench.index_ours")
    found: dict[str, list[Measured]] = {name: [] for name in ("Jackdaw", *CONTENDERS)}
    for number in range(rounds):
        for name, runs in found.items():
            tree, store = str(folder / "tree"), folder / f"store {name} {number}"
            store.mkdir()
            words = (str(python), str(PEERS), CONTENDERS[name]) if name in CONTENDERS else ours
            runs.append(measure((*words, tree, str(store), *([str(model)] if name in CONTENDERS else []))))
            shutil.rmtree(store)
    fastest = statistics.median(one.seconds for one in found["Jackdaw"])
    print(f"{'':20}{'seconds':>9}{'files/s':>9}{'MB/s':>8}{'chunks':>8}{'peak MiB':>10}{'CPU s':>8}{'ours is':>10}")
    for name, runs in found.items():
        seconds = statistics.median(one.seconds for one in runs)
        peak = max(one.peak_bytes for one in runs) / MIB
        rates = f"{seconds:9.1f}{len(files) / seconds:9.1f}{size / 1e6 / seconds:8.2f}"
        used = statistics.median(one.processor_s for one in runs)
        print(f"{name:20}{rates}{runs[0].chunks:8}{peak:10.0f}{used:8.1f}{seconds / fastest:9.1f}×")
    assert found["Jackdaw"][0].more["files"] == len(files), found["Jackdaw"][0].more


def look_again(folder: Path, count: int) -> None:
    """A tree that has not changed, and one saved file in it."""
    tree = folder / "unchanged"
    for number in range(count):
        file = tree / f"d{number % 200}" / f"note{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Note {number}\n\nThis is about topic {number * 7 % 911}.\n")
    store = folder / "store again"
    store.mkdir()
    found = measure((sys.executable, "-m", "tests.bench.index_ours", str(tree), str(store), "--again"))
    saved = found.more["saved_s"]
    print(f"\n{count} small files from nothing: {found.seconds:.1f} s ({count / found.seconds:.0f} files/s)")
    print(f"second run over the unchanged tree: {found.more['unchanged_s']:.2f} s")
    print(f"one saved file is found after: median {statistics.median(saved):.2f} s, at most {max(saved):.2f} s")


def measure(argv: Sequence[str]) -> Measured:
    """Run one contender to its end, looking at the memory of its process tree meanwhile."""
    words = argv if argv[0] == sys.executable else ("nice", "-n", str(NICE), *argv)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    began, peak, ended = time.monotonic(), 0, (0, 0, resource.struct_rusage([0] * 16))
    while not ended[0]:
        time.sleep(0.2)
        peak = max(peak, tree_bytes(process.pid))
        if time.monotonic() - began > LIMIT_S:
            process.kill()
        ended = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    told = process.stdout.read()
    process.stdout.close()
    if process.returncode:
        sys.exit(f"{argv[-4:]} ended with {process.returncode}: {told[-2000:]}")
    row = json.loads(told.splitlines()[-1])
    return Measured(row["seconds"], row["chunks"], peak, ended[2].ru_utime + ended[2].ru_stime, row)


def tree_bytes(pid: int) -> int:
    """Memory of a process with all its children; what they share is counted once (PSS)."""
    total = 0
    try:
        root = psutil.Process(pid)
        for one in (root, *root.children(recursive=True)):
            with_shares = one.memory_full_info()
            total += getattr(with_shares, "pss", with_shares.rss)
    except psutil.Error:
        pass
    return total


def sample(source: Path, target: Path, megabytes: float) -> list[Path]:
    """Copy text files from all over `source`, as many as fit, always the same ones of the same installation."""
    files = sorted(texts(source))
    random.Random(4).shuffle(files)
    copied, left = [], int(megabytes * 1e6)
    for file in files:
        size = file.stat().st_size
        if size <= left:
            left -= size
            copied.append(target / file.relative_to(source))
            copied[-1].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied[-1])
    return copied


def texts(source: Path) -> Iterator[Path]:
    """Files that every contender can read as they are."""
    for folder, names, files in os.walk(source):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            file = Path(folder, name)
            if file.suffix in SUFFIXES and not file.is_symlink() and 200 < file.stat().st_size <= LARGEST_BYTES:
                try:
                    file.read_text("utf-8")
                except UnicodeDecodeError:
                    continue
                yield file


def peers_python() -> Path:
    """The interpreter of the folder with the others' packages, which is made when it is not there."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = engine_cache().parent / "bench" / f"retrieval-{wanted}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"installing {REQUIREMENTS.name} into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        site = next((folder / "lib").glob("python*")) / "site-packages"
        # Torch, sentence-transformers and Chroma are the same for all.
        (site / "project.pth").write_text(sysconfig.get_path("purelib"))
        words = (str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS))
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        (folder / "complete").touch()
    return python


if __name__ == "__main__":
    main()
