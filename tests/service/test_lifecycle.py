"""The service as a process: one per folder, ended gently or killed, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from desktop.client import AskDelta, AskEnd, AskEvent, Client, ServiceUnreachable
from desktop.launch import ensure_service, find_service
from desktop.paths import Paths, find_paths
from desktop.wire import AskRequest, ChatPatch, NewChat, SamplingParameters
from desktop.wire_files import AddRoots, FilesDoctorRequest, SearchRequest
from tests.service.files_rig import ended
from tests.service.running import CHECKOUT, RunningService, answer, eventually, running

SECRET = "correct-horse-battery-staple-77131"
LONG = NewChat(parameters=SamplingParameters(max_tokens=25_000, temperature=0, seed=1))


@pytest.fixture
def fresh_home() -> Iterator[Paths]:
    """A folder that no one has prepared: the service makes everything itself."""
    root = Path(tempfile.mkdtemp(prefix="jd-"))
    yield find_paths(root / "data")
    shutil.rmtree(root)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.accept(34)
def test_a_killed_service_loses_at_most_a_second_and_starts_clean(
    home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path
) -> None:
    service = RunningService(home, environ=engine_environ)
    try:
        service.wait_until_listening()

        async def until_killed(client: Client) -> tuple[str, str]:
            await client.import_model(endless_chat_gguf)
            chat = await client.new_chat(NewChat(parameters=SamplingParameters(max_tokens=25_000, temperature=0)))
            text, before, began, killed_after = "", "", time.monotonic(), 2.5
            with pytest.raises(ServiceUnreachable):
                async for event in client.ask(chat.id, AskRequest(content="write for ever")):
                    if isinstance(event, AskDelta):
                        text += event.content
                        before = text if time.monotonic() - began < killed_after - 1.1 else before
                        if time.monotonic() - began > killed_after:
                            service.process.kill()
            return chat.id, before

        chat_id, before = service.use(until_killed)
        children = [
            psutil.Process(int(file.stem)) for file in home.children.glob("*.json") if psutil.pid_exists(int(file.stem))
        ]
        service.process.wait()
        eventually(lambda: gone(children), 5.0)
    finally:
        service.close()

    with running(home, environ=engine_environ) as again:

        async def look(client: Client) -> None:
            question, partial = (await client.chat(chat_id)).messages
            assert question.content == "write for ever"
            assert (question.state, partial.state) == ("complete", "interrupted")
            assert partial.content.startswith(before)
            assert partial.error
            chat = await client.patch_chat(chat_id, ChatPatch(parameters=SamplingParameters(max_tokens=8)))
            assert (await answer(client, chat.id, "and now?", partial.id)).state == "complete"

        again.use(look)

    check = sqlite3.connect(home.database)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
    assert not list(home.children.iterdir())
    assert not list(home.runtime.glob("llama-*"))


@pytest.mark.accept(37)
def test_a_killed_engine_fails_the_answer_and_the_next_one_works(
    home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path
) -> None:
    with running(home, environ=engine_environ) as service:

        async def run(client: Client) -> None:
            await client.import_model(endless_chat_gguf)
            chat = await client.new_chat(LONG)
            events: list[AskEvent] = []
            async for event in client.ask(chat.id, AskRequest(content="write a lot")):
                if isinstance(event, AskDelta) and not any(isinstance(item, AskDelta) for item in events):
                    for child in await asyncio.to_thread(service.children):
                        child.kill()
                events.append(event)
            end = events[-1]
            assert isinstance(end, AskEnd)
            assert end.message.state == "failed"
            assert "SIGKILL" in end.message.error
            assert end.message.content == "".join(event.content for event in events if isinstance(event, AskDelta))
            await client.patch_chat(chat.id, ChatPatch(parameters=SamplingParameters(max_tokens=8)))
            again = await answer(client, chat.id, "again")
            assert (again.state, again.error) == ("complete", "")

        service.use(run)


def test_the_context_is_counted_exactly_while_the_model_is_loaded(
    home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path
) -> None:
    async def run(client: Client) -> None:
        await client.import_model(tiny_chat_gguf)
        chat = (await client.new_chat(NewChat(parameters=SamplingParameters(max_tokens=8)))).id
        first = await answer(client, chat, "hello")
        model = await client.model(first.model)
        counted = await client.context(chat, "and a draft")
        assert counted.exact
        assert counted.allocated_context == model.allocated_context
        sent = await answer(client, chat, "and a draft", first.id)
        assert sent.usage is not None
        assert counted.prompt_tokens == sent.usage.prompt_tokens
        # As when an earlier message is edited: what stands after its place does not count.
        again = await client.context(chat, "and a draft", first.id)
        assert again.prompt_tokens == counted.prompt_tokens
        assert first.usage is not None
        assert (await client.context(chat, "hello", None)).prompt_tokens == first.usage.prompt_tokens

        await client.unload_model(first.model)
        estimated = await client.context(chat, "and a draft")
        assert (estimated.exact, estimated.allocated_context) == (False, None)
        assert estimated.prompt_tokens is not None
        assert estimated.prompt_tokens > 0

    with running(home, environ=engine_environ) as service:
        service.use(run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_gracefully_mid_answer(
    home: Paths, engine_environ: dict[str, str], endless_chat_gguf: Path, number: signal.Signals
) -> None:
    service = RunningService(home, environ=engine_environ)
    try:
        service.wait_until_listening()

        async def run(client: Client) -> list[AskEvent]:
            await client.import_model(endless_chat_gguf)
            chat = await client.new_chat(NewChat(parameters=SamplingParameters(max_tokens=25_000, temperature=0)))
            events = []
            async for event in client.ask(chat.id, AskRequest(content="write for ever")):
                if isinstance(event, AskDelta) and not any(isinstance(item, AskDelta) for item in events):
                    service.process.send_signal(number)
                events.append(event)
            return events

        end = service.use(run)[-1]
        assert isinstance(end, AskEnd)
        assert end.message.state == "interrupted"
        assert end.message.content
        assert service.process.wait(15) == 0
    finally:
        service.close()
    assert not home.control_socket.exists()
    assert not home.runtime_file.exists()
    assert not list(home.children.iterdir())
    assert not home.database.with_name("jackdaw.db-wal").exists()


def test_the_stop_route_ends_the_service(home: Paths, engine_environ: dict[str, str]) -> None:
    with running(home, environ=engine_environ) as service:
        service.use(lambda client: client.stop())
        assert service.process.wait(15) == 0


def test_a_second_service_ends_at_once_and_touches_nothing(home: Paths, engine_environ: dict[str, str]) -> None:
    with running(home, environ=engine_environ) as service:
        before = {path: path.stat().st_mtime_ns for path in (home.lock, home.runtime_file, home.control_socket)}
        second = subprocess.run(
            [sys.executable, "-m", "desktop", "serve", "--home", str(home.data), "--port", "0"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert second.returncode == 3
        assert str(service.process.pid) in second.stderr
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert service.use(lambda client: client.health()).port == service.port


@pytest.mark.accept(26)
def test_of_five_services_at_once_exactly_one_wins(
    home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("The heron nests behind the old windmill.")

    async def index(client: Client) -> None:
        added = await client.add_roots(AddRoots(paths=[str(tmp_path)]))
        assert (await ended(client, added.job_id)).state == "done"

    async def index_is_sound(client: Client) -> None:
        assert (await client.files_doctor(FilesDoctorRequest(deep=True))).findings == []
        (hit,) = (await client.search_files(SearchRequest(query="Where does the heron nest?", k=1))).results
        assert hit.path == "note.txt"

    services = [RunningService(home, environ=engine_environ) for _ in range(5)]
    try:
        eventually(lambda: sum(service.process.poll() is None for service in services) == 1, 60)
        winner = next(service for service in services if service.process.poll() is None)
        assert sorted(service.process.returncode for service in services if service is not winner) == [3, 3, 3, 3]
        winner.wait_until_listening()
        assert winner.use(lambda client: client.status()).pid == winner.process.pid
        kept = winner.use(lambda client: client.import_model(tiny_chat_gguf)).id
        winner.use(index)
    finally:
        for service in services:
            service.close()
    with running(home, environ=engine_environ) as again:
        assert [model.id for model in again.use(lambda client: client.models())] == [kept]
        again.use(index_is_sound)
    with contextlib.closing(sqlite3.connect(home.database)) as check:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def open_to_others(folder: Path) -> list[str]:
    """Everything in the folder, itself included, whose mode is not 0600, or 0700 for a folder."""
    modes = {path: path.lstat().st_mode for path in (folder, *folder.rglob("*"))}
    return [
        f"{path} has {stat.filemode(mode)}"
        for path, mode in modes.items()
        if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600)
    ]


def planted(home: Paths, secrets: list[str]) -> list[str]:
    """Where one of the secrets stands in a file of the data folder."""
    return [
        f"{secret} in {path}"
        for path in home.data.rglob("*")
        if path.is_file()
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ]


@pytest.mark.accept(23)
@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_after_a_session_everything_is_the_owner_s_and_no_secret_is_written(
    fresh_home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path, umask: int
) -> None:
    secrets = [SECRET, "hf_" + SECRET.replace("-", "")]
    environ = {**engine_environ, "OPENAI_API_KEY": secrets[0], "HF_TOKEN": secrets[1]}
    argv: list[str] = []
    with running(fresh_home, environ=environ, umask=umask) as service:

        async def session(client: Client) -> None:
            await client.import_model(tiny_chat_gguf)
            made = await client.new_key("editor")
            secrets.append(made.secret)
            chat = await client.new_chat(NewChat(parameters=SamplingParameters(max_tokens=8)))
            assert (await answer(client, chat.id, "hello")).state == "complete"
            await client.patch_settings({"theme": "dark"})
            for child in await asyncio.to_thread(service.children):
                argv.append(" ".join(child.cmdline()))
                assert SECRET not in str(child.environ())

        service.use(session)
        while_open = open_to_others(fresh_home.data)
        sockets = [path.name for path in fresh_home.runtime.glob("*.sock")]
        log = (fresh_home.logs / "service.log").read_text()
        said = service.said
        running_secrets = planted(fresh_home, secrets)

    assert while_open == []
    assert open_to_others(fresh_home.data) == []
    assert len(sockets) == 2  # the control socket and that of the engine were looked at
    assert running_secrets == []
    assert planted(fresh_home, secrets) == []
    assert argv
    for secret in secrets:
        assert secret not in log + said + " ".join(argv)
    assert "hello" not in log


@pytest.mark.accept(35)
def test_a_taken_port_is_explained_and_taken_once_it_is_free(home: Paths, engine_environ: dict[str, str]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        service = RunningService(home, "--port", str(port), environ=engine_environ)
        try:
            eventually(home.control_socket.exists, 30)
            eventually(lambda: service.use(lambda client: client.status()).port.problem, 10)
            status = service.use(lambda client: client.status())
            assert not status.port.open
            assert status.port.number == port
            assert str(os.getpid()) in status.port.problem
            assert service.use(lambda client: client.health()).status == "degraded"
            holder.close()
            eventually(lambda: service.use(lambda client: client.status()).port.open, 15)
            service.wait_until_listening()
            assert service.port == port
            assert service.use(lambda client: client.status()).port.problem == ""
        finally:
            service.close()


def test_a_service_that_is_missing_is_started_in_the_background_once(
    home: Paths, engine_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in engine_environ.items():
        monkeypatch.setenv(name, value)
    home.settings.write_text("version = 1\nport = 0\n")

    async def run() -> int:
        clients = await asyncio.gather(*(ensure_service(home) for _ in range(3)))
        try:
            pids = {(await client.status()).pid for client in clients}
            assert len(pids) == 1
            await clients[0].stop()
            return pids.pop()
        finally:
            for client in clients:
                await client.aclose()

    pid = asyncio.run(run())
    eventually(lambda: not psutil.pid_exists(pid), 15)
    eventually(lambda: not home.control_socket.exists())


def test_a_service_asked_for_while_the_last_one_ends_is_a_new_one(
    home: Paths, engine_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in engine_environ.items():
        monkeypatch.setenv(name, value)
    home.settings.write_text("version = 1\nport = 0\n")

    async def stop_hearing(client: Client) -> list[str]:
        heard, events = [], client.events()
        with pytest.raises(ServiceUnreachable):
            async for event in events:
                if not heard:
                    await client.stop()
                heard.append(f"{event.type} {event.data.get('action', '')}")
        return heard

    async def run() -> None:
        async with await ensure_service(home) as first:
            pid = (await first.status()).pid
            assert (await stop_hearing(first))[-1] == "service stopping"
            async with await ensure_service(home) as second:
                assert (await second.status()).pid != pid
                await second.stop()

    asyncio.run(run())
    eventually(lambda: not home.control_socket.exists())
    with pytest.raises(ServiceUnreachable):
        asyncio.run(find_service(home))


def test_a_service_that_cannot_start_says_why(home: Paths, engine_environ: dict[str, str]) -> None:
    home.settings.write_text("prot = 1\n")

    async def run() -> None:
        with pytest.raises(ServiceUnreachable, match="prot"):
            await ensure_service(home)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bind", "0.0.0.0"], "--allow-remote"),
        (["--bind", "0.0.0.0", "--allow-remote"], "key"),
        (["--bind", "x"], "x"),
    ],
)
@pytest.mark.accept(5)
def test_listening_beyond_this_machine_needs_to_be_said_twice(home: Paths, options: list[str], said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "desktop", "serve", "--home", str(home.data), "--port", "0", *options],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    assert said in ended.stderr


def test_what_runs_is_noted_for_scripts(home: Paths, engine_environ: dict[str, str]) -> None:
    with running(home, environ=engine_environ) as service:
        note = json.loads(home.runtime_file.read_text())
        assert (note["pid"], note["port"]) == (service.process.pid, service.port)
        assert json.loads(home.lock.read_text())["pid"] == service.process.pid
