"""Our download against `hf download` from the same local server: time, and peak memory of the process.

Run with `make bench`, or `python -m tests.bench.download_bench`. Both are processes of their own, measured from start
to end, with an empty target each time; the server is a third one, its files in the page cache for both. What differs
on purpose: ours checks every sha256 and brings the files to the disk before they have their names, `hf download`
(plain HTTP, as HF_HUB_DISABLE_XET=1 makes it) does neither.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.rounds import in_turn, percentile, ratio, row, verdict

MB = 1_000_000
# name → (number of files, bytes of each)
SIZES = {"one file of 1 GB": (1, 1000 * MB), "4 files of 64 MB": (4, 64 * MB), "40 files of 200 kB": (40, 200_000)}
QUICK_SIZES = {"one file of 100 MB": (1, 100 * MB), "40 files of 200 kB": (40, 200_000)}
TARGET_RATIO = 1.0  # at least as fast
LIMIT_S = 300.0


@dataclass
class Contender:
    """One way to fetch a repository; remembers what its processes needed."""

    argv: list[str]
    environ: dict[str, str]
    scratch: Path
    expected_bytes: int
    peak_mib: list[float] = field(default_factory=list)

    async def measure(self) -> float:
        """Seconds of one run into a fresh folder."""
        target = Path(tempfile.mkdtemp(dir=self.scratch))
        argv = [part.replace("TARGET", str(target)) for part in self.argv]
        environ = {**self.environ, "HF_HOME": str(target / "hf")}
        began = time.monotonic()
        process = subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = await asyncio.to_thread(os.wait4, process.pid, 0)
        took_s = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{argv[0]} ended with {process.returncode}"
        fetched = sum(path.stat().st_size for path in target.rglob("*") if path.is_file() and not path.is_symlink())
        assert fetched >= self.expected_bytes, f"{argv[0]} fetched {fetched} bytes"
        self.peak_mib.append(usage.ru_maxrss / 1024)
        shutil.rmtree(target)
        return took_s


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The fake Hub in a process of its own; yields its endpoint."""
    argv = [sys.executable, "-m", "tests.fake_hub", str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().rsplit(maxsplit=1)[-1]
    finally:
        process.terminate()
        process.wait()


def write_repo(folder: Path, files: int, size: int) -> None:
    """Random bytes, which nothing on the way could pack; no two files are alike: `hf` fetches those once."""
    folder.mkdir(parents=True)
    for number in range(files):
        with (folder / f"part-{number:02}.gguf").open("wb") as file:
            for at in range(0, size, MB):  # in small pieces: a child's peak memory starts with that of its parent
                file.write(os.urandom(min(MB, size - at)))


async def compare(name: str, files: int, size: int, rounds: int) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="jd-bench-"))
    try:
        write_repo(scratch / "hub" / "bench" / "model", files, size)
        with served(scratch / "hub") as endpoint:
            await _compare(name, endpoint, scratch, files * size, rounds)
    finally:
        shutil.rmtree(scratch)


async def _compare(name: str, endpoint: str, scratch: Path, total_bytes: int, rounds: int) -> None:
    environ = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    hf = [str(Path(sys.executable).with_name("hf")), "download", "bench/model"]
    ours = [sys.executable, "-m", "tests.bench.download_bench", "--fetch", endpoint, "TARGET"]
    contenders = {
        "Jackdaw": Contender(ours, environ, scratch, total_bytes),
        "hf download": Contender(hf, environ, scratch, total_bytes),
    }
    await contenders["Jackdaw"].measure()  # brings the server's files and both programs into the page cache
    await contenders["hf download"].measure()
    for contender in contenders.values():
        contender.peak_mib.clear()
    figures = await in_turn({each: contender.measure for each, contender in contenders.items()}, rounds)
    print(f"\n{name}, process from start to end")
    for each, seconds in figures.items():
        print(row(each, [total_bytes / second / MB for second in seconds], "MB/s"))
        print(row("  peak memory", contenders[each].peak_mib, "MiB"))
    print(verdict("hf download's time / ours", ratio(figures["hf download"], figures["Jackdaw"]), TARGET_RATIO))
    slow = percentile(figures["Jackdaw"], 0.9)
    print(f"  ours took {statistics.median(figures['Jackdaw']):.2f} s, nine of ten within {slow:.2f} s")


def fetch_here(endpoint: str, target: Path) -> None:
    """What the process under measurement does: ask what is there, fetch all of it."""
    from models.download import DownloadSpec, RemoteFile, fetch
    from models.network import Network, NetworkRules
    from models.progress import Cancel

    network = Network(lambda: NetworkRules(endpoint=endpoint))
    with network.client() as client:
        about = json.loads(client.get(f"{endpoint}/api/models/bench/model?blobs=true").read())
    files = tuple(
        RemoteFile(one["rfilename"], one["size"], one["lfs"]["sha256"]) for one in about["siblings"] if "lfs" in one
    )
    spec = DownloadSpec("bench/model", about["sha"], files, target)
    asyncio.run(fetch(spec, network, lambda: None, lambda progress: None, Cancel()))


async def main(rounds: int, *, quick: bool = False) -> None:
    for name, (files, size) in (QUICK_SIZES if quick else SIZES).items():
        await asyncio.wait_for(compare(name, files, size, rounds), LIMIT_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fetch", nargs=2, metavar=("ENDPOINT", "TARGET"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.fetch:
        fetch_here(chosen.fetch[0], Path(chosen.fetch[1]))
    else:
        asyncio.run(main(chosen.rounds, quick=chosen.quick))
