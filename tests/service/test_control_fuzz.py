"""Whatever is said to the control API: a refusal in its own form, never a failure of the service, which stays well."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from desktop.client import Client
from desktop.paths import find_paths
from desktop.service.control_api import CONTROL_ROUTES
from desktop.service.control_route import ControlRoute
from desktop.settings import FIELDS
from desktop.wire import NewChat, Wire
from desktop.wire_files import AddRoots
from tests.fake_hub import FakeHub
from tests.service.hub_rig import REPO, beside
from tests.service.running import RunningService, eventually_async

BODIES = int(os.environ.get("JACKDAW_FUZZ_BODIES", "120"))
# They end the service, prove the engine for minutes, stream without end or open a window.
LEFT_OUT = {"/jackdaw/v1/stop", "/jackdaw/v1/doctor", "/jackdaw/v1/events", "/jackdaw/v1/window"}
ROUTES = [route for route in CONTROL_ROUTES if route.path not in LEFT_OUT]
KINDS = (
    *("download", "scan", "convert", "quantize", "split", "merge", "measure", "merge_duplicates", "adapter", "bench"),
    *("index", "embed"),
)
OPTIONS = (
    *("repo", "variant", "files", "revision", "accept_change", "folders", "path", "out_type", "name", "model", "to"),
    *(
        "imatrix",
        "keep_embeddings",
        "keep_output",
        "measure",
        "models",
        "source",
        "text",
        "prompts",
        "sha256",
        "method",
    ),
    *("base", "max_bytes"),
    *("collection", "embedder", "full"),
)
IDS = [
    *("..", "../..", "../../../etc/passwd", "%2e%2e%2f", "..\\..\\x", "/etc/passwd", "a\x00b", "\n", " ", "-1", "0"),
    *("9" * 400, "a" * 5000, "\u202e\u200b", "\ud7ff\U0001f4a5", "'; DROP TABLE models; --", "~", "*", "con", "C:\\x"),
]
TEXTS = [
    *(
        "",
        "x",
        "acme/tiny-GGUF",
        "acme/none",
        "../../etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "/dev/tty",
        "/proc/self/mem",
    ),
    *(
        "/nonexistent/x.gguf",
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
        "nan",
        "-0",
        "\x00",
        "\n",
        "a" * 5000,
        "🐦" * 50,
    ),
    *("Q4_K_M", "F16", "neutral", "main", "f" * 64, "q8_0", "-c", "--mmproj", "9" * 400, "\u202e", "{}", "hf_x y"),
]


Known = tuple[RunningService, dict[str, str]]


@pytest.fixture
def fuzzed(shared: Known) -> Iterator[Known]:
    """Nothing of a test goes on after it: its jobs are over, and the service's connections to the Hub ended."""
    yield shared

    async def calm(client: Client) -> None:
        for job in await client.jobs():
            await client.cancel_job(job.id)

        async def quiet() -> bool:
            return all(job.state not in ("pending", "running") for job in await client.jobs())

        assert await eventually_async(quiet, 30)
        for air_gapped in (True, False):
            await client.patch_settings({"air_gapped": air_gapped})

    shared[0].use(calm)


@pytest.fixture(scope="module")
def shared(
    engine_environ: dict[str, str], tiny_embedding_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Known]:
    """A service with a model, a chat, a file, and a Hub with one repository; and the ids that mean something to it."""
    papers = tmp_path_factory.mktemp("papers")
    (papers / "paper.md").write_text("Paper is made of wood.\n")
    with tempfile.TemporaryDirectory(prefix="jd-") as root, FakeHub() as hub:
        hub.add_repo(REPO, {"tiny-F16.gguf": tiny_embedding_gguf})
        paths = find_paths(Path(root))
        paths.create()

        async def fill(client: Client) -> dict[str, str]:
            model, chat = await client.import_model(tiny_embedding_gguf), await client.new_chat(NewChat())
            await client.attach(chat.id, [papers])
            papers_id = (await client.add_roots(AddRoots(collection="papers", paths=[os.fspath(papers)]))).collection.id
            return {"model_id": model.id, "chat_id": chat.id, "collection_id": str(papers_id)}

        with beside(hub, paths, engine_environ) as service:
            yield service, service.use(fill)


def strange(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON, mostly of the kind that breaks things."""
    kind = chance.randrange(8 if depth < 3 else 6)
    if kind == 0:
        return chance.choice([None, True, False])
    if kind == 1:
        return chance.choice([0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**300, chance.randrange(-9, 9999)])
    if kind == 2:
        return chance.choice([0.5, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf")])
    if kind < 6:
        return chance.choice(TEXTS)
    if kind == 6:
        return [strange(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice([*OPTIONS, *TEXTS]): strange(chance, depth + 1) for _ in range(chance.randrange(4))}


def names_of(route: ControlRoute) -> list[str]:
    """The fields a body of this route may have."""
    if route.body is dict:
        return sorted(set(FIELDS) - {"hub_endpoint", "air_gapped"})
    assert isinstance(route.body, type) and issubclass(route.body, Wire)
    return list(route.body.model_fields)


def body_for(route: ControlRoute, chance: random.Random) -> bytes:
    """Bytes that are no JSON now and then, else an object with fields this route knows and values it does not."""
    if chance.random() < 0.08:
        return chance.choice([b"", b"\xff\xfe", b"[]", b"null", b"{", b"[" * 50_000, b'{"a":' * 5000, b"1e999", b'"x"'])
    body = {name: strange(chance) for name in names_of(route) if chance.random() < 0.6}
    if route.path.endswith("/jobs") and chance.random() < 0.9:
        options = {name: strange(chance) for name in OPTIONS if chance.random() < 0.15}
        body = {"kind": chance.choice(KINDS), "options": options}
    if chance.random() < 0.1:
        body[chance.choice(TEXTS)] = strange(chance)
    return json.dumps(body).encode()


def escaped(text: str) -> str:
    """As one part of a path; our client would walk up a plain "..", and ask for another route."""
    return quote(text, safe="").replace(".", "%2e")


def path_for(route: ControlRoute, chance: random.Random, known: dict[str, str]) -> str:
    """The path with ids that attack, or with known ones where nothing is removed or started by them."""
    path = route.path
    for part in [text for text in route.path.split("/") if text.startswith("{")]:
        name = part.strip("{}").removesuffix(":path")
        harmless = route.method != "DELETE" and not route.path.endswith(("/load", "/ask"))
        real = known.get(name, "") if harmless and chance.random() < 0.6 else ""
        raw = chance.random() < 0.1
        path = path.replace(part, chance.choice(["%ff", "%00", "%"]) if raw else escaped(real or chance.choice(IDS)))
    wished = [name for name in route.query if chance.random() < 0.6]
    return path + "?" * bool(wished) + "&".join(f"{name}={quote(chance.choice(TEXTS))}" for name in wished)


def asked(fuzzed: Known, route: ControlRoute, times: int) -> None:
    service, known = fuzzed
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    uds = httpx.HTTPTransport(uds=os.fspath(service.paths.control_socket))
    with httpx.Client(transport=uds, base_url="http://jackdaw", timeout=30, trust_env=False) as client:
        for _ in range(times):
            path = path_for(route, chance, known)
            content = body_for(route, chance) if route.body is not None else None
            headers = {"content-type": "application/json"} if content is not None else {}
            said = client.request(route.method, path, content=content, headers=headers)
            told = (seed, route.method, path[:300], (content or b"")[:2000], said.status_code, said.text[:500])
            # 501 to 507 are answers as well: no such engine, a Hub that cannot be reached, a disk without room.
            assert said.status_code != 500, told
            if said.status_code >= 400 and said.headers.get("content-type") == "application/json":
                assert said.json()["error"]["message"].endswith((".", "?")), told


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.body is not None], ids=lambda route: f"{route.method} {route.path}"
)
def test_no_body_breaks_a_route(fuzzed: Known, route: ControlRoute) -> None:
    asked(fuzzed, route, BODIES)


def test_no_id_and_no_query_breaks_a_route(fuzzed: Known) -> None:
    for route in ROUTES:
        if route.body is None and (route.query or "{" in route.path):
            asked(fuzzed, route, BODIES // 4)


def test_the_service_is_well_after_all_that(fuzzed: Known) -> None:
    service, known = fuzzed

    async def run(client: Client) -> None:
        assert (await client.health()).status == "ok"
        assert known["model_id"] in [model.id for model in await client.models()]

    service.use(run)
    assert service.process.poll() is None
