"""Generation speed on an idle machine and beside a program that keeps one processor busy.

No fixed thread setting is good at both. The sweep runs llama-server with each fixed setting, llama-server as it comes,
and the Jackdaw service, in turn, in both conditions; nobody is told which condition it is. OMP_WAIT_POLICY=ACTIVE is
not in the sweep: its threads never sleep, so a loaded model would keep all processors busy for ever.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from desktop.paths import engine_cache
from models.llamacpp import EngineBuild, find_build
from tests.bench.bench_models import half_billion_model
from tests.bench.contenders import LoadClient, Server, bare_llama_server, load_client, our_service
from tests.bench.rounds import in_turn, ratio, row, verdict

TOKENS = 64
TARGET = 0.95
AS_IT_COMES = "llama-server as it comes"


def fixed_settings(processors: int) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
    """The sweep: every thread count that makes sense here, with each way of waiting."""
    waits = {
        "default waiting": {},
        "passive waiting": {"OMP_WAIT_POLICY": "PASSIVE"},
        "short spin": {"GOMP_SPINCOUNT": "5000"},
    }
    counts = sorted({1, max(1, processors // 2), max(1, processors - 1), processors})
    sweep = {
        f"{count} threads, {wait}": (("-t", str(count)), environ)
        for count in counts
        for wait, environ in waits.items()
        if count > 1 or wait == "default waiting"  # one thread never waits for another
    }
    return {AS_IT_COMES: ((), {}), **sweep}


@asynccontextmanager
async def busy_processor() -> AsyncIterator[None]:
    """Another program that keeps one processor busy."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
    try:
        await asyncio.sleep(1.0)  # not a wait for anything: the condition is that it has been busy for a while
        yield
    finally:
        process.kill()
        await process.wait()


async def tokens_per_s(client: LoadClient, server: Server) -> float:
    """Generation alone: the time from the first event to the last."""
    answer = await client.stream(server, clients=1, requests=1, tokens=TOKENS)
    return float((answer["events"] - 1) / (answer["seconds"] - answer["first_ms"][0] / 1000))


async def condition(name: str, client: LoadClient, servers: Mapping[str, Server], rounds: int) -> None:
    figures = await in_turn(
        {label: lambda server=server: tokens_per_s(client, server) for label, server in servers.items()},  # type: ignore[misc]
        rounds,
    )
    print(f"\n{name}: tokens/s, {TOKENS} tokens a round")
    for label, values in figures.items():
        print(row(label, values, "tokens/s"))
    fixed = {label: values for label, values in figures.items() if label != "Jackdaw"}
    best = max(fixed, key=lambda label: statistics.median(fixed[label]))
    print(f"  best fixed setting here: {best}")
    print(verdict("Jackdaw / best fixed setting", ratio(figures["Jackdaw"], figures[best]), TARGET))
    print(verdict("Jackdaw / llama-server as it comes", ratio(figures["Jackdaw"], figures[AS_IT_COMES]), 1.0))


async def main(rounds: int) -> None:
    build: EngineBuild = find_build(engine_cache(), os.environ)
    model = half_billion_model(build)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"engine: {build.label}; model: {model.name}; {processors} processors")
    async with AsyncExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="jdb-"))
        servers: dict[str, Server] = {}
        ours, _, _ = await stack.enter_async_context(our_service(Path(home), model))
        servers["Jackdaw"] = ours
        for label, (arguments, environ) in fixed_settings(processors).items():
            servers[label] = await stack.enter_async_context(
                bare_llama_server(build, model, ("-c", "8192", *arguments), environ)
            )
        client = await stack.enter_async_context(load_client())
        for server in servers.values():
            await client.stream(server, clients=1, requests=1, tokens=8)
        await condition("idle", client, servers, rounds)
        async with busy_processor():
            await condition("beside a program that keeps one processor busy", client, servers, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
