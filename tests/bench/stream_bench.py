"""What our port costs: stream events/s and time to first token against a bare llama-server, side by side.

Run with `make bench`, or `python -m tests.bench.stream_bench`. Both servers run the same file with the same number of
slots and the same context; the load generator is a process of its own and the same for all.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop.paths import engine_cache
from models.llamacpp import EngineBuild, find_build
from tests.bench.bench_models import half_billion_model, tiny_model
from tests.bench.contenders import LoadClient, Server, bare_llama_server, bindings_server, load_client, our_service
from tests.bench.rounds import in_turn, percentile, ratio, row, verdict

SLOTS = 4


@dataclass(frozen=True, slots=True)
class Load:
    """How much one round asks: every client makes `requests` requests of `tokens` tokens."""

    clients: int
    requests: int
    tokens: int


TINY_LOADS = (Load(1, 6, 400), Load(8, 2, 400), Load(32, 1, 300))
HALF_LOADS = (Load(1, 1, 96), Load(8, 1, 48), Load(32, 1, 24))


@asynccontextmanager
async def pair(build: EngineBuild, model: Path, home: Path) -> AsyncIterator[tuple[Server, Server, Server]]:
    """Ours, llama-server as it comes, and llama-server with our child's very environment."""
    async with AsyncExitStack() as stack:
        ours, client, _ = await stack.enter_async_context(our_service(home, model, {"slots": SLOTS}))
        row_ = await client.model(ours.model)
        context = (row_.allocated_context or 0) * (row_.slots or SLOTS)
        arguments = ("-np", str(row_.slots or SLOTS), "-c", str(context), "--no-kv-unified")
        bare = await stack.enter_async_context(bare_llama_server(build, model, arguments))
        environ = child_environ(ours)
        same = await stack.enter_async_context(bare_llama_server(build, model, arguments, environ))
        yield ours, bare, same


def child_environ(ours: Server) -> dict[str, str]:
    """The thread settings our llama-server child runs with, read from the child itself."""
    for pid in ours.pids[1:]:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        found = dict(pair.decode().split("=", 1) for pair in pairs if b"=" in pair)
        if wanted := {k: v for k, v in found.items() if k.startswith(("GOMP_", "OMP_", "LD_PRELOAD"))}:
            return wanted
    return {}


async def events_per_s(client: LoadClient, server: Server, load: Load) -> float:
    answer = await client.stream(server, clients=load.clients, requests=load.requests, tokens=load.tokens)
    return float(answer["events"] / answer["seconds"])


async def throughput(
    client: LoadClient, servers: tuple[Server, ...], load: Load, rounds: int
) -> dict[str, list[float]]:
    names = ("Jackdaw", "llama-server", "llama-server, our thread settings")
    return await in_turn(
        {
            name: lambda server=server: events_per_s(client, server, load)  # type: ignore[misc]
            for name, server in zip(names, servers, strict=True)
        },
        rounds,
    )


async def first_tokens(client: LoadClient, servers: tuple[Server, ...], requests: int) -> list[list[float]]:
    """Milliseconds to the first event of each request, for each server; one request at a time, in turn."""
    found: list[list[float]] = [[] for _ in servers]
    for _ in range(requests):
        for server, times in zip(servers, found, strict=True):
            answer = await client.stream(server, clients=1, requests=1, tokens=4)
            times.extend(answer["first_ms"])
    return found


async def cost_per_event(client: LoadClient, server: Server, load: Load) -> dict[str, float]:
    """Microseconds of CPU per event in the service, in llama-server and in the load generator."""
    service, child = Server("", 0, "", "", server.pids[:1]), Server("", 0, "", "", server.pids[1:])
    before = service.cpu_s(), child.cpu_s()
    answer: dict[str, Any] = await client.stream(
        server, clients=load.clients, requests=load.requests, tokens=load.tokens
    )
    events = answer["events"]
    return {
        "service": (service.cpu_s() - before[0]) / events * 1e6,
        "llama-server": (child.cpu_s() - before[1]) / events * 1e6,
        "load generator": answer["cpu_s"] / events * 1e6,
    }


async def bench_model(build: EngineBuild, model: Path, loads: tuple[Load, ...], target: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="jdb-") as home:
        async with pair(build, model, Path(home)) as servers, load_client() as client:
            for server in servers:
                await client.stream(server, clients=2, requests=1, tokens=8)
            print(f"\n{model.name}: stream events/s, {SLOTS} slots")
            for load in loads:
                figures = await throughput(client, servers, load, rounds)
                print(f" {load.clients} clients")
                for name, values in figures.items():
                    print(row(name, values, "events/s"))
                print(verdict("Jackdaw / llama-server", ratio(figures["Jackdaw"], figures["llama-server"]), target))
                same = ratio(figures["Jackdaw"], figures["llama-server, our thread settings"])
                print(verdict("Jackdaw / same thread settings", same, target))
            await report_first_tokens(client, servers)
            costs = await cost_per_event(client, servers[0], loads[1])
            print(" where the time goes, microseconds of CPU per event at 8 clients")
            for name, value in costs.items():
                print(f"  {name:<42} {value:>9.1f} us")


async def report_first_tokens(client: LoadClient, servers: tuple[Server, ...]) -> None:
    ours, bare, same = await first_tokens(client, servers, 150)
    print(" time to first token, one request at a time")
    for name, times in (("Jackdaw", ours), ("llama-server", bare), ("llama-server, our thread settings", same)):
        print(f"  {name:<42} p50 {statistics.median(times):7.2f} ms   p95 {percentile(times, 0.95):7.2f} ms")
    print(verdict("added p50, ms", statistics.median(ours) - statistics.median(same), 2.0, at_least=False))
    print(verdict("added p95, ms", percentile(ours, 0.95) - percentile(same, 0.95), 5.0, at_least=False))


async def bench_bindings(build: EngineBuild, model: Path, rounds: int) -> None:
    """Against `python -m llama_cpp.server` at 8 clients; it serves one request at a time."""
    if importlib.util.find_spec("llama_cpp") is None:
        print("\npython -m llama_cpp.server: not installed here, not measured")
        return
    load = Load(8, 1, 64)
    with tempfile.TemporaryDirectory(prefix="jdb-") as home:
        async with (
            our_service(Path(home), model, {"slots": SLOTS}) as (ours, _, _),
            bindings_server(build, model, 2048) as theirs,
            load_client() as client,
        ):
            figures = await in_turn(
                {
                    "Jackdaw": lambda: events_per_s(client, ours, load),
                    "python -m llama_cpp.server": lambda: events_per_s(client, theirs, load),
                },
                rounds,
            )
    print(f"\n{model.name}: against python -m llama_cpp.server, 8 clients")
    for name, values in figures.items():
        print(row(name, values, "events/s"))
    print(verdict("Jackdaw / llama_cpp.server", ratio(figures["Jackdaw"], figures["python -m llama_cpp.server"]), 1.0))


async def main(rounds: int, *, quick: bool) -> None:
    build = find_build(engine_cache(), os.environ)
    print(f"engine: {build.label}, {build.bin_dir}")
    await bench_model(build, tiny_model(build), TINY_LOADS, 0.90, rounds)
    await bench_bindings(build, tiny_model(build), min(rounds, 3))
    if not quick:
        await bench_model(build, half_billion_model(build), HALF_LOADS, 0.98, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="only the tiny model")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.rounds, quick=chosen.quick))
