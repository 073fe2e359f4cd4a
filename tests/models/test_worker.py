"""Workers: calls with buffers, failures told apart, a death explained, and the jail around them."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

import tests
from models.child import Jail
from models.jail.state import jail_state
from models.worker import Worker, WorkerDied, WorkerFailed, WorkerSpec

METHODS = "tests.models.worker_methods"
OURS = Path(tests.__file__).parent.parent


def spec(folder: Path, **changes: object) -> WorkerSpec:
    return WorkerSpec(module=METHODS, name="test worker", folder=folder, **changes)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_values_and_buffers_come_back_as_they_went(tmp_path: Path) -> None:
    worker = await Worker.start(spec(tmp_path))
    try:
        params, buffers = {"text": "höher \ud800", "many": list(range(9))}, [b"", b"abc", bytes(3_000_000)]
        reply = await worker.call("echo", params, buffers)
        assert reply.value == params
        assert [bytes(buffer) for buffer in reply.buffers] == buffers
        replies = await asyncio.gather(*(worker.call("echo", {"n": n}) for n in range(50)))
        assert [reply.value["n"] for reply in replies] == list(range(50))
    finally:
        await worker.stop()


@pytest.mark.anyio
async def test_what_a_function_raises_is_told_and_the_worker_goes_on(tmp_path: Path) -> None:
    worker = await Worker.start(spec(tmp_path))
    try:
        with pytest.raises(WorkerFailed) as failed:
            await worker.call("fail")
        assert (failed.value.kind, failed.value.message, failed.value.details) == (
            "ValueError",
            "not like this",
            {"limit": 7},
        )
        assert (await worker.call("echo", {"still": "here"})).value == {"still": "here"}
    finally:
        await worker.stop()


@pytest.mark.anyio
async def test_a_death_ends_every_call_with_its_reason(tmp_path: Path) -> None:
    worker = await Worker.start(spec(tmp_path))
    calls = [asyncio.create_task(worker.call("die")), asyncio.create_task(worker.call("echo"))]
    for call in calls:
        with pytest.raises(WorkerDied) as died:
            await call
        assert died.value.ending.signal_name == "SIGSEGV"
        assert "about to die" in died.value.log_tail
    with pytest.raises(WorkerDied):
        await worker.call("echo")
    assert not worker.alive


@pytest.mark.anyio
async def test_a_hung_call_times_out_and_the_worker_can_be_killed(tmp_path: Path) -> None:
    worker = await Worker.start(spec(tmp_path))
    await worker.call("echo")
    with pytest.raises(TimeoutError):
        await worker.call("sleep", {"seconds": 60}, timeout_s=0.2)
    assert (await worker.kill()).asked


@pytest.mark.anyio
async def test_too_much_memory_is_an_answer(tmp_path: Path) -> None:
    worker = await Worker.start(spec(tmp_path, data_limit_bytes=256 * 1024**2))
    try:
        with pytest.raises(WorkerFailed) as failed:
            await worker.call("greedy", {"bytes": 1024**3})
        assert failed.value.kind == "MemoryError"
    finally:
        await worker.stop()


@pytest.mark.anyio
async def test_a_jailed_worker_reaches_neither_files_nor_network(tmp_path: Path) -> None:
    if (state := await jail_state()).level != "sandboxed":
        pytest.skip(state.sentence)
    secret, folder = tmp_path / "secret", tmp_path / "home"
    secret.write_text("s", encoding="utf-8")
    folder.mkdir()
    worker = await Worker.start(spec(folder, jail=Jail(read=(OURS,))))
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            tries = {"secret": str(secret), "out": str(tmp_path / "out"), "port": server.getsockname()[1]}
            assert (await worker.call("touch", tries)).value == []
    finally:
        await worker.stop()
