"""What a running index costs those who chat: time to first token and the port's slowest answers, indexing against idle.

Run with `make bench`, or `python -m tests.bench.busy_bench [--folder F]`. One service, one tree that takes long to
index; its collection is paused for the idle half of each round and goes on for the other, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sysconfig
import tempfile
from pathlib import Path

from desktop.client import Client
from desktop.paths import engine_cache
from desktop.wire_files import AddRoots, Collection, CollectionPatch, CollectionRules
from models.llamacpp import EngineBuild, find_build
from tests.bench.bench_models import half_billion_model, tiny_model
from tests.bench.contenders import LoadClient, Server, load_client, our_service
from tests.bench.rounds import percentile, ratio, row, verdict

TARGET = 1.25
STATE_TIMEOUT_S = 60.0
# A question as people ask it, long enough that its reading is most of the wait.
PROMPT = "Explain step by step how this is built, tested and released, and what may go wrong on the way. " * 12


async def main(rounds: int = 5, folder: Path | None = None, *, quick: bool = False) -> None:
    """Print medians and the ratios; `folder` None takes the packages of this environment."""
    build = find_build(engine_cache(), os.environ)
    tree = folder or Path(sysconfig.get_paths()["purelib"])
    print(f"  indexing {tree} meanwhile")
    for name, model, requests, tokens, clients in (
        ("one chat, half a billion weights", None if quick else half_billion_model(build), 2, 4, 1),
        ("port, tiny model, four clients", tiny_model(build), 25, 16, 4),
    ):
        if model is not None:
            await _compare(name, build, model, tree, rounds, requests, tokens, clients)


async def _compare(
    name: str, build: EngineBuild, model: Path, tree: Path, rounds: int, requests: int, tokens: int, clients: int
) -> None:
    first: dict[str, list[list[float]]] = {"idle": [], "indexing": []}
    with tempfile.TemporaryDirectory(prefix="jd-") as home:
        async with our_service(Path(home), model) as (server, client, _), load_client() as load:
            collection = await _begin(client, tree)
            await _load(load, server, requests, tokens, clients)  # nobody pays for what happens once
            for number in range(rounds):
                for state in ("idle", "indexing") if number % 2 else ("indexing", "idle"):
                    await _bring(client, collection, indexing=state == "indexing")
                    first[state].append(await _load(load, server, requests, tokens, clients))
            seen = await client.collection(collection.id)
            print(f"  {name}: {seen.files} files, {seen.chunks} chunks were indexed between the questions")
    _report(first)


async def _begin(client: Client, tree: Path) -> Collection:
    rules = CollectionRules(generated=True)
    added = await client.add_roots(AddRoots(collection="bench", paths=[str(tree)]))
    await client.change_collection(added.collection.id, CollectionPatch(rules=rules, watch=False))
    return added.collection


async def _bring(client: Client, collection: Collection, *, indexing: bool) -> None:
    """Pause or resume, and wait until it is so: a running index has to add chunks before anything is measured."""
    await client.change_collection(collection.id, CollectionPatch(paused=not indexing))
    before = (await client.collection(collection.id)).chunks
    async with asyncio.timeout(STATE_TIMEOUT_S):
        while True:
            now = await client.collection(collection.id)
            if now.state == "ready":
                raise RuntimeError("The tree was indexed before the bench was done; give a larger --folder.")
            if (indexing and now.chunks > before) or (not indexing and now.state == "paused"):
                return
            await asyncio.sleep(0.1)


async def _load(load: LoadClient, server: Server, requests: int, tokens: int, clients: int) -> list[float]:
    answer = await load.stream(server, clients=clients, requests=requests, tokens=tokens, prompt=PROMPT)
    return [float(value) for value in answer["first_ms"]]


def _report(first: dict[str, list[list[float]]]) -> None:
    for state, figures in first.items():
        print(row(f"first token, {state}", [value for round_ in figures for value in round_], "ms"))
    middles = {state: [statistics.median(round_) for round_ in figures] for state, figures in first.items()}
    print(verdict("first token, indexing / idle", ratio(middles["indexing"], middles["idle"]), TARGET, at_least=False))
    slow = {state: percentile([v for round_ in figures for v in round_], 0.99) for state, figures in first.items()}
    share = slow["indexing"] / slow["idle"]
    print(verdict("p99 of all first tokens, indexing / idle", share, TARGET, at_least=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.rounds, chosen.folder, quick=chosen.quick))
