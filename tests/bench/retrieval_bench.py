"""Retrieval against the common recipe: both index the same folders and are scored by the same program in one run.

    python -m tests.bench.retrieval_bench --folder FOLDER [--sets a,b] [--split dev] [--limit N] [--weights 0,0.5,1]

FOLDER holds the collections and the Python file that scores retrievers on them: `load(name, split)` gives their kind
and trees, `score_query(kind, query, results, tree, state)` the measures of one query. Ours is the real service in a
fresh home, indexed through its API and asked through the port's /v1/files/search. Differences are paired, query by
query; intervals are of 95 %, by the bootstrap. `--weights` also asks with given weights of the dense side, which shows
what the weight that each query is given by itself is worth.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import importlib.util
import json
import os
import random
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from desktop.client import Client
from desktop.wire_files import AddRoots
from tests.bench.common_recipe import CommonRecipe
from tests.bench.contenders import started_service
from tests.bench.rounds import percentile

INDEX_TIMEOUT_S = 3600
ROUNDS = 1000
# The main figures of each kind of collection.
MAIN = {
    "ir": ("ndcg@10", "recall@10"),
    "excerpt": ("recall@4000c", "recall@5", "excerpt_mrr@10"),
    "section": ("section_recall@5", "section_recall@10"),
    "code_loc": ("file_ndcg@10", "line_recall@8000c", "file_recall@5"),
    "page": ("page_ndcg@10", "page_recall@5"),
}


class Retriever(Protocol):
    """What is compared."""

    name: str

    def index(self, root: str) -> None: ...

    def query(self, text: str, k: int) -> list[dict[str, Any]]: ...


@dataclass(slots=True)
class Scores:
    """What one retriever came to on one collection; `measures` hold one value a query."""

    kind: str
    measures: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))
    index_s: float = 0.0
    query_ms: list[float] = field(default_factory=list)


class Ours:
    """The service: folders are added through its API, questions asked through its port."""

    name = "Jackdaw"

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Client, port: int, secret: str) -> None:
        self._loop, self._client = loop, client
        self._url = f"http://127.0.0.1:{port}/v1/files/search"
        self._headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        self._collection = ""
        self._trees = 0
        self.wishes: dict[str, Any] = {}  # what else is said in each question

    def index(self, root: str) -> None:
        """Add the folder as a collection of its own and wait until it is indexed."""
        self._trees += 1
        self._collection = f"tree {self._trees}"
        asyncio.run_coroutine_threadsafe(self._index(root), self._loop).result(INDEX_TIMEOUT_S)

    def query(self, text: str, k: int) -> list[dict[str, Any]]:
        """The passages as the scorer reads them."""
        body = json.dumps({"collection": self._collection, "query": text, "k": k} | self.wishes).encode()
        request = urllib.request.Request(self._url, data=body, headers=self._headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return [row_of(result) for result in json.loads(response.read())["results"]]

    async def _index(self, root: str) -> None:
        added = await self._client.add_roots(AddRoots(collection=self._collection, paths=[root]))
        async with asyncio.timeout(INDEX_TIMEOUT_S):
            while (await self._client.collection(added.collection.id)).state != "ready":
                await asyncio.sleep(0.05)


def row_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result of the API for the scorer: pages where there are any, else characters."""
    row = {"path": result["path"], "text": result["text"], "score": result["score"]}
    if result["page"] is not None:
        return row | {"unit": "page", "page": result["page"], "start": result["page"], "end": result["end_page"]}
    return row | {"unit": "char", "start": result["start_char"], "end": result["end_char"]}


def scorer_in(folder: Path) -> ModuleType:
    """The one program of the folder, imported."""
    (file,) = folder.glob("*.py")
    spec = importlib.util.spec_from_file_location("scorer", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of both: a collection, its split, how many passages, how many questions, and which weights."""

    name: str
    split: str | None
    k: int
    limit: int | None
    weights: tuple[float, ...] = ()


def score(scorer: ModuleType, order: Order, retriever: Retriever) -> dict[float | None, Scores]:
    """Index every tree of a collection and ask its questions, once as it comes and once with each weight."""
    kind, trees = scorer.load(order.name, order.split)
    weights = (None, *(order.weights if isinstance(retriever, Ours) else ()))
    found: dict[float | None, Scores] = {weight: Scores(kind) for weight in weights}
    for tree in trees:
        with tempfile.TemporaryDirectory(prefix="jdb-") as root:
            tree.write(root)
            began = time.perf_counter()
            retriever.index(root)
            found[None].index_s += time.perf_counter() - began
            for weight, scores in found.items():
                if isinstance(retriever, Ours):
                    retriever.wishes = {} if weight is None else {"dense_weight": weight}
                _ask(scorer, tree, order, retriever, scores)
    return found


def _ask(scorer: ModuleType, tree: Any, order: Order, retriever: Retriever, scores: Scores) -> None:
    state: dict[str, Any] = {"lines": {}, "cache": {}, "tok": {}}
    for query in tree.queries[: order.limit]:
        began = time.perf_counter()
        results = retriever.query(query["question"], order.k)
        scores.query_ms.append((time.perf_counter() - began) * 1e3)
        for measure, value in scorer.score_query(scores.kind, query, results, tree, state).items():
            scores.measures[measure].append(value)


def interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % interval of the mean."""
    chance = random.Random(1)
    means = sorted(statistics.fmean(chance.choices(values, k=len(values))) for _ in range(ROUNDS))
    return (means[int(0.975 * ROUNDS)] - means[int(0.025 * ROUNDS)]) / 2


def table(name: str, ours: Scores, recipe: Scores | None) -> Iterator[str]:
    """Lines of one collection: its main figures, ours beside the recipe's."""
    speed = f"index {ours.index_s:.0f} s, query p50 {percentile(ours.query_ms, 0.5):.0f} ms"
    other = "" if recipe is None else f"; recipe {recipe.index_s:.0f} s, {percentile(recipe.query_ms, 0.5):.0f} ms"
    yield f"{name} ({len(ours.query_ms)} questions; {speed}{other})"
    for measure in MAIN[ours.kind]:
        if not (values := ours.measures.get(measure)):
            continue
        mean = statistics.fmean(values)
        line = f"  {measure:<20} {mean:.4f} ±{interval(values):.4f}"
        if recipe is not None:
            base = recipe.measures[measure]
            gains = [one - two for one, two in zip(values, base, strict=True)]
            ratio = mean / max(statistics.fmean(base), 1e-9)
            line += f"   recipe {statistics.fmean(base):.4f} ±{interval(base):.4f}"
            line += f"   gain {statistics.fmean(gains):+.4f} ±{interval(gains):.4f}   ratio {ratio:.3f}"
        yield line


def by_weight(found: Mapping[float | None, Scores]) -> Iterator[str]:
    """Lines of the main figures with each given weight of the dense side."""
    for weight, scores in found.items():
        if weight is not None:
            figures = (
                f"{measure} {statistics.fmean(scores.measures[measure]):.4f}"
                for measure in MAIN[scores.kind]
                if scores.measures.get(measure)
            )
            yield f"    dense weight {weight:.2f}   " + "   ".join(figures)


@contextlib.contextmanager
def our_port() -> Iterator[Ours]:
    """The service in a fresh home, on a thread of its own, since the scorer asks and waits."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="bench-loop", daemon=True)
    thread.start()

    def run(call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, loop).result()

    stack = contextlib.AsyncExitStack()
    with tempfile.TemporaryDirectory(prefix="jd-") as home:
        try:
            started = started_service(Path(home), {"files_on_port": True})
            _, port, client, _ = run(stack.enter_async_context(started))
            yield Ours(loop, client, port, run(client.new_key("bench")).secret)
        finally:
            run(stack.aclose())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sets", default="", help="comma-separated; all folders with a meta.json otherwise")
    parser.add_argument("--split")
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--limit", type=int, help="questions of each tree")
    parser.add_argument("--weights", default="", help="weights of the dense side to ask with besides")
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--out", type=Path, help="where all measures go as JSON")
    chosen = parser.parse_args()
    scorer = scorer_in(chosen.folder)
    names = [name for name in chosen.sets.split(",") if name] or sorted(
        path.parent.name for path in chosen.folder.glob("*/meta.json")
    )
    weights = tuple(float(weight) for weight in chosen.weights.split(",") if weight)
    print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    found: dict[str, dict[str, dict[str, float]]] = {}
    recipe = None if chosen.ours_only else CommonRecipe()
    with our_port() as ours:
        for name in names:
            order = Order(name, chosen.split, chosen.k, chosen.limit, weights)
            all_ours = score(scorer, order, ours)
            mine = all_ours[None]
            base = None if recipe is None else score(scorer, order, recipe)[None]
            print("\n".join((*table(name, mine, base), *by_weight(all_ours))), flush=True)
            found[name] = {
                who: {measure: statistics.fmean(values) for measure, values in each.measures.items()}
                for who, each in (("jackdaw", mine), ("recipe", base))
                if each is not None
            }
    if recipe is not None:
        recipe.close()
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
