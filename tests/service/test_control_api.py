"""The control API of a running service: what docs/control-api.md says, over its socket."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import stat
from pathlib import Path

import httpx
import pytest

from desktop.client import Client, ClientError, ServiceUnreachable
from desktop.service.control_api import CONTROL_ROUTES
from desktop.service.openapi import OPENAPI_PATH, openapi_document, plain_path
from desktop.wire import ChatPatch, Event, NewChat, SamplingParameters
from tests.service.running import RunningService

DOCS = Path(__file__).resolve().parents[2] / "docs" / "control-api.md"


def test_the_route_table_the_document_and_the_docs_agree() -> None:
    table = {(route.method, plain_path(route.path)) for route in CONTROL_ROUTES}
    described = openapi_document(CONTROL_ROUTES, "1")["paths"]
    listed = re.findall(r"^(GET|POST|PATCH|DELETE) (\S+)$", DOCS.read_text(), re.MULTILINE)

    assert {(method.upper(), path) for path, methods in described.items() for method in methods} == table
    assert set(listed) == table | {("GET", OPENAPI_PATH)}
    assert len(listed) == len(set(listed))


def test_every_reference_of_the_document_leads_somewhere(service: RunningService) -> None:
    document = service.use(lambda client: client.openapi())
    schemas = document["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert name in schemas
    assert "ErrorBody" in schemas


def test_health_and_status_tell_what_runs(service: RunningService) -> None:
    async def run(client: Client) -> None:
        health, status = await client.health(), await client.status()
        assert health.status in ("ok", "starting")
        assert health.port == status.port.number == service.port
        assert status.pid == service.process.pid
        assert status.home == str(service.paths.data)
        assert status.port.open
        assert status.port.bind == ["127.0.0.1", "::1"]
        assert status.memory.total_bytes > status.memory.available_bytes > 0
        assert status.cpu.threads >= 1
        assert [model.kind for model in status.models] == ["chat"]

    service.use(run)


def test_the_socket_is_its_owner_s_alone(service: RunningService) -> None:
    assert stat.S_IMODE(service.paths.control_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(service.paths.runtime.stat().st_mode) == 0o700


def test_a_key_is_made_listed_used_and_revoked(service: RunningService) -> None:
    async def run(client: Client) -> None:
        made = await client.new_key("an editor/with a slash")
        assert made.secret.startswith("jd-")
        listed = {key.name: key for key in await client.keys()}
        assert listed["an editor/with a slash"].revoked_at is None
        assert made.secret not in str(listed)
        with pytest.raises(ClientError) as error:
            await client.new_key("an editor/with a slash")
        assert (error.value.kind, error.value.status) == ("key_exists", 409)

        async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{service.port}") as port:
            headers = {"Authorization": f"Bearer {made.secret}"}
            assert (await port.get("/v1/models", headers=headers)).status_code == 200
            revoked = await client.revoke_key("an editor/with a slash")
            assert revoked.revoked_at is not None
            assert (await port.get("/v1/models", headers=headers)).status_code == 401

    service.use(run)


def test_settings_are_changed_checked_and_kept(service: RunningService) -> None:
    async def run(client: Client) -> None:
        before = await client.settings()
        after = await client.patch_settings({"theme": "dark", "idle_unload_s": 60})
        assert after == {**before, "theme": "dark", "idle_unload_s": 60}
        with pytest.raises(ClientError, match="idle_unlod_s") as error:
            await client.patch_settings({"idle_unlod_s": 1, "theme": "light"})
        assert (error.value.kind, error.value.status) == ("bad_setting", 400)
        assert "idle_unload_s" in error.value.hint
        assert await client.settings() == after
        await client.patch_settings({"theme": "system", "idle_unload_s": before["idle_unload_s"]})

    service.use(run)
    assert stat.S_IMODE(service.paths.settings.stat().st_mode) == 0o600


def test_chats_are_made_found_changed_deleted_and_restored(service: RunningService) -> None:
    async def run(client: Client) -> None:
        made = await client.new_chat(NewChat(title="Corvids of Europe", parameters=SamplingParameters(top_k=5)))
        assert made.parameters == SamplingParameters(top_k=5)
        assert [chat.id for chat in await client.chats("corv")] == [made.id]
        changed = await client.patch_chat(made.id, ChatPatch(title="Crows", pinned=True))
        assert (changed.title, changed.pinned, changed.parameters.top_k) == ("Crows", True, 5)
        assert await client.chats("corvids") == []
        await client.delete_chat(made.id)
        with pytest.raises(ClientError) as error:
            await client.chat(made.id)
        assert (error.value.kind, error.value.status) == ("chat_not_found", 404)
        assert (await client.restore_chat(made.id)).title == "Crows"
        await client.delete_chat(made.id)

    service.use(run)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "/jackdaw/v1/nothing", None, 404, "not_found"),
        ("DELETE", "/jackdaw/v1/status", None, 405, "http_error"),
        ("POST", "/jackdaw/v1/chats", b"{", 400, "bad_request"),
        ("POST", "/jackdaw/v1/chats", b'{"titel": "x"}', 400, "bad_request"),
        ("POST", "/jackdaw/v1/keys", b'{"name": ""}', 400, "bad_request"),
        ("PATCH", "/jackdaw/v1/settings", b"[]", 400, "bad_request"),
        ("POST", "/jackdaw/v1/jobs", b'{"kind": "dance"}', 400, "unknown_job"),
        ("GET", "/jackdaw/v1/jobs/none", None, 404, "job_not_found"),
        ("GET", "/jackdaw/v1/models/none", None, 404, "model_not_found"),
        ("POST", "/jackdaw/v1/models/none/load", None, 404, "model_not_found"),
        ("POST", "/jackdaw/v1/models/import", b'{"path": "relative.gguf"}', 400, "bad_path"),
        ("POST", "/jackdaw/v1/models/import", b'{"path": "/proc/version"}', 422, "bad_gguf"),
        ("DELETE", "/jackdaw/v1/keys/none", None, 404, "key_not_found"),
        ("GET", "/jackdaw/v1/events?since=x", None, 400, "bad_request"),
    ],
)
def test_errors_have_one_form(
    service: RunningService, method: str, path: str, body: bytes | None, status: int, kind: str
) -> None:
    async def run() -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(uds=os.fspath(service.paths.control_socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", trust_env=False) as http:
            return await http.request(method, path, content=body, headers={"content-type": "application/json"})

    response = asyncio.run(run())

    assert response.status_code == status
    assert set(response.json()["error"]) == {"kind", "message", "hint", "details"}
    assert response.json()["error"]["kind"] == kind


def test_a_mistake_in_a_request_is_named_without_repeating_what_was_sent(service: RunningService) -> None:
    async def run(client: Client) -> None:
        with pytest.raises(ClientError) as error:
            await client._json("POST", "/jackdaw/v1/chats", {"title": {"secret": "thought"}})
        assert "title" in error.value.message
        assert "thought" not in error.value.message + str(error.value.details)

    service.use(run)


def test_events_resume_where_they_were_left(service: RunningService) -> None:
    async def until(client: Client, since: int | None, count: int, ready: asyncio.Event) -> list[Event]:
        heard: list[Event] = []
        async with contextlib.aclosing(client.events(since)) as events:
            async for event in events:
                ready.set()
                if event.type == "chat":
                    heard.append(event)
                if len(heard) == count:
                    break
        return heard

    async def run(client: Client) -> None:
        ready = asyncio.Event()
        listening = asyncio.create_task(until(client, None, 1, ready))
        await asyncio.wait_for(ready.wait(), 10)  # the status of each second says that we are heard
        first = await client.new_chat()
        [created] = await asyncio.wait_for(listening, 10)
        assert created.data == {"action": "created", "id": first.id}

        second, third = await client.new_chat(), await client.new_chat()
        missed = await asyncio.wait_for(until(client, created.id, 2, asyncio.Event()), 10)
        assert [event.data["id"] for event in missed] == [second.id, third.id]
        assert created.id < missed[0].id < missed[1].id

    service.use(run)


def test_nobody_is_there_without_a_service(tmp_path: Path) -> None:
    async def run() -> None:
        async with Client(tmp_path / "none.sock") as client:
            with pytest.raises(ServiceUnreachable, match="No Jackdaw service is running"):
                await client.health()

    asyncio.run(run())


def test_a_window_is_raised_only_when_one_is_open(service: RunningService) -> None:
    async def raised() -> bool:
        async with service.client() as client:
            return await client.raise_window()

    assert not asyncio.run(raised())
    lock = os.open(service.paths.window_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        assert not asyncio.run(raised())
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert asyncio.run(raised())
    finally:
        os.close(lock)
