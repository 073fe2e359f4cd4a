"""A token through a whole session, with every failure on its way: it goes to the Hub, and is told to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from desktop.client import Client, ClientError
from desktop.paths import Paths
from desktop.wire_models import HubTokenRequest
from models.tokens import HubTokens
from tests.fake_hub import FakeHub
from tests.service.hub_rig import REPO, beside, ended, pulled
from tests.service.running import RunningService

TOKEN = "hf_plantedPlantedPlanted0123456789"
WRONG = "hf_revokedRevokedRevoked0123456789"
GATED = "acme/gated-GGUF"
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 403, "code": "GatedRepo", "on": "hub"},
    {"kind": "status", "status": 404, "code": "RepoNotFound", "on": "hub"},
    {"kind": "status", "status": 418, "on": "hub"},
    {"kind": "wrong_bytes", "on": "cdn"},
    {"kind": "other_commit", "on": "hub"},
    {"kind": "redirect", "on": "hub", "location": "file:///etc/passwd"},
]


@pytest.fixture
def hub(tiny_chat_gguf: Path, tiny_embedding_gguf: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.tokens[TOKEN] = "ada"
        hub.add_repo(REPO, {"tiny-F16.gguf": tiny_chat_gguf}, card="# Tiny")
        hub.add_repo(GATED, {"gated-F16.gguf": tiny_embedding_gguf}, gated="auto", granted=["ada"])
        yield hub


def processes(service: RunningService) -> str:
    """What every user of this machine may read of the service and its children, and what only its owner may."""
    here = psutil.Process(service.process.pid)
    return "\n".join(f"{one.cmdline()} {one.environ()}" for one in (here, *here.children(recursive=True)))


async def told(client: Client, what: Any) -> str:
    """An answer or a refusal, as text."""
    try:
        return str(await what)
    except ClientError as error:
        return f"{error} {error.hint} {error.details}"


@pytest.mark.accept(23)
@pytest.mark.accept(28)
@pytest.mark.accept(33)
def test_a_token_is_told_to_the_hub_alone(hub: FakeHub, home: Paths, engine_environ: dict[str, str]) -> None:
    said: list[str] = []

    async def listen(client: Client) -> None:
        async for event in client.events():
            said.append(event.model_dump_json())

    async def session(client: Client) -> None:
        listening = asyncio.create_task(listen(client))
        said.append(await told(client, client.set_hub_token(TOKEN)))  # no keyring, and no consent yet
        said.append(await told(client, client.set_hub_token(TOKEN + " \n\u202e", session_only=True)))
        said.append(await told(client, client.set_hub_token(WRONG, session_only=True)))
        said.extend([await told(client, ask) for ask in (client.hub_token(), client.hub_search("tiny"))])
        said.append(await told(client, client.hub_repo(GATED)))
        said.append((await pulled(client, repo=GATED)).model_dump_json())  # it is told that the token is not accepted
        said.append(await told(client, client.set_hub_token(TOKEN, session_only=True)))
        said.extend([await told(client, ask) for ask in (client.hub_repo(GATED), client.hub_card(REPO))])
        said.append(await told(client, client.hub_fit(GATED, "gated-F16.gguf")))
        for fault in FAULTS:
            hub.fault(path="gated-F16.gguf", **fault)
            job = await pulled(client, repo=GATED)
            assert job.state in ("failed", "paused"), (fault, job)
            said.append((await client.cancel_job(job.id)).model_dump_json())
            hub.mend()
        job = await pulled(client, repo=GATED)
        assert job.state == "done", job
        model = (await pulled(client, repo=REPO)).result
        assert model is not None
        await client.load_model(model["model"]["id"])
        said.append(processes(service))
        said.append(str([job.model_dump_json() for job in await client.jobs()]))
        said.append(str(await client.settings()))
        said.append(str(await client.status()))
        job = await client.start_job("convert", {"repo": REPO, "out_type": "f16"})
        said.append((await ended(client, job.id)).model_dump_json())
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening

    with beside(hub, home, engine_environ) as service:
        service.use(session)
        said.append(processes(service))
    said.append(service.said)
    assert {seen.token for seen in hub.seen("hub")} >= {TOKEN, WRONG}
    assert {seen.token for host in ("cdn", "stranger") for seen in hub.seen(host)} <= {""}
    assert len(said) > 40  # events came
    for secret in (TOKEN, WRONG):
        assert [text[:300] for text in said if secret in text] == []
        assert [path for path in home.data.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()] == []


@pytest.mark.accept(28)
def test_no_object_shows_the_token_it_holds() -> None:
    tokens = HubTokens()
    tokens.remember(TOKEN, session_only=True)
    for shown in (repr(tokens), str(tokens), repr(tokens.state()), repr(HubTokenRequest(token=TOKEN))):
        assert TOKEN not in shown
