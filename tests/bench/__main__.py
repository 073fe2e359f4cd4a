"""`make bench`: every benchmark, one after the other; ratios measured side by side, none can fail a build."""

from __future__ import annotations

import argparse
import asyncio
import platform

import psutil

from tests.bench import (
    download_bench,
    fit_bench,
    ladder_bench,
    search_bench,
    start_bench,
    stream_bench,
    tuning_bench,
    window_bench,
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the tiny model only, without the thread sweep")
    chosen = parser.parse_args()
    memory = psutil.virtual_memory().total / 2**30
    print(f"{platform.processor() or platform.machine()}, {psutil.cpu_count()} processors, {memory:.0f} GiB")
    print(f"load before the benches: {psutil.getloadavg()[0]:.2f}; medians, each thing once a round, in turn")
    print("\n=== the port ===")
    asyncio.run(stream_bench.main(chosen.rounds, quick=chosen.quick))
    if not chosen.quick:
        print("\n=== threads ===")
        asyncio.run(tuning_bench.main(chosen.rounds))
    print("\n=== downloads ===")
    asyncio.run(download_bench.main(chosen.rounds, quick=chosen.quick))
    print("\n=== what fits, and how fast: predicted / real ===")
    asyncio.run(fit_bench.main(quick=chosen.quick))
    print("\n=== a quantization ladder, made and measured ===")
    asyncio.run(ladder_bench.main(quick=chosen.quick))
    print("\n=== searching files ===")
    asyncio.run(search_bench.main((10_000,) if chosen.quick else search_bench.SIZES))
    print("\n=== the window ===")
    start_bench.main(chosen.rounds)
    window_bench.report(window_bench.measure(10_000, 10.0))


if __name__ == "__main__":
    main()
