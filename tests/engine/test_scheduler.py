"""Loading on first use, keeping, evicting, unloading and crashing, with the real llama-server."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.paths import Paths
from engine.errors import EngineBusy, EngineCrashLoop, EngineStopped, LoadFailed, OutOfMemory
from engine.fit import plan_for, shape_of
from engine.llama_server import Patience
from engine.types import LoadedModel
from models.errors import ModelNotFound
from models.gguf import read_header
from tests.engine.rig import QUICK, SMALL, Rig, alive, chat, library_model, rig, stub_engine, until

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest):
    """The service runs on uvloop where it is installed; both start children in their own way."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
async def loading(home: Paths, engine_bin: Path, tiny_chat_gguf: Path):
    """A rig with three names for the same tiny chat model."""
    models = {name: library_model(name, tiny_chat_gguf) for name in ("a", "b", "c")}
    async with rig(home, engine_bin, models) as made:
        yield made


def needed(loading: Rig) -> int:
    return plan_for(shape_of(read_header(loading.models["a"].path)), SMALL, 1).needed_bytes


async def test_a_model_loads_answers_and_unloads_without_a_trace(loading: Rig) -> None:
    scheduler, runtime = loading.scheduler, loading.paths.runtime
    async with scheduler.hold("a") as server:
        status, answer = await server.upstream.json("POST", "/v1/chat/completions", chat("hi"))
        now = scheduler.state("a")
        key = next(runtime.glob("llama-*.key"))
        key_text, key_mode = key.read_text().strip(), key.stat().st_mode & 0o777
        command = Path(f"/proc/{server.pid}/cmdline").read_text()
        socket_mode = server.socket_path.stat().st_mode & 0o777
        notes = list(loading.paths.children.iterdir())
    await scheduler.unload("a")

    assert (status, answer["usage"]["completion_tokens"], answer["model"]) == (200, 4, "a")
    assert (now.state, now.allocated_context, now.slots, now.busy_slots, now.queued) == ("ready", 512, 2, 1, 0)
    assert now.rss_bytes > 1_000_000
    assert (len(key_text), key_mode, socket_mode & 0o077) == (64, 0o600, 0)
    assert key_text not in command
    assert "/llama-server" in command
    assert len(notes) == 1
    assert loading.states("a") == ["queued", "loading", "ready", "stopping", "unloaded"]
    assert [change.fraction for change in loading.changes if change.fraction is not None][-1] == 1.0
    assert not alive(server.pid)
    assert sorted(path.name for path in runtime.iterdir()) == ["children", "work"]
    assert list(loading.paths.children.iterdir()) == []


async def test_many_callers_at_once_load_it_once(loading: Rig) -> None:
    async def use() -> int:
        async with loading.scheduler.hold("a") as server:
            return server.pid

    pids = await asyncio.gather(*(use() for _ in range(20)))

    assert len(set(pids)) == 1
    assert loading.states("a").count("loading") == 1


async def test_two_models_run_at_once_when_they_fit(loading: Rig) -> None:
    async with loading.scheduler.hold("a") as first, loading.scheduler.hold("b") as second:
        answers = await asyncio.gather(
            *(server.upstream.json("POST", "/v1/chat/completions", chat("hi")) for server in (first, second))
        )
    assert [status for status, _ in answers] == [200, 200]
    assert first.pid != second.pid


async def test_every_slot_keeps_the_promised_context_at_the_same_time(loading: Rig) -> None:
    async with loading.scheduler.hold("a") as server:
        assert server.allocated_context == 512
        long = chat("x" * 440, max_tokens=30, ignore_eos=True)  # one token per byte: about 480 with the template
        answers = await asyncio.gather(
            *(server.upstream.json("POST", "/v1/chat/completions", long) for _ in range(server.slots))
        )
    for status, answer in answers:
        assert status == 200
        assert answer["usage"]["prompt_tokens"] > 440
        assert answer["usage"]["completion_tokens"] == 30


async def test_the_least_recently_used_idle_model_makes_room(loading: Rig) -> None:
    loading.budget = int(2.2 * needed(loading))
    for name in ("a", "b", "a"):
        async with loading.scheduler.hold(name):
            pass

    async with loading.scheduler.hold("c"):
        assert {model.model_id: model.state for model in loading.scheduler.snapshot()} == {
            "a": "ready",
            "b": "unloaded",
            "c": "ready",
        }


async def test_a_model_in_use_is_never_evicted_and_the_refusal_has_the_numbers(loading: Rig) -> None:
    loading.budget = int(2.2 * needed(loading))
    async with loading.scheduler.hold("a"), loading.scheduler.hold("b"):
        with pytest.raises(OutOfMemory) as refused:
            async with loading.scheduler.hold("c"):
                pass

    assert refused.value.holders == ("a", "b")
    assert refused.value.needed_bytes == needed(loading)
    assert 0 < refused.value.free_bytes < needed(loading)
    assert "a and b hold the rest" in refused.value.message
    assert loading.pids("c") == set()  # nothing was started for it
    assert loading.scheduler.state("c").error == refused.value.message


async def test_an_idle_model_is_unloaded(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    settings = replace(QUICK, idle_s=0.3)
    async with rig(home, engine_bin, {"a": library_model("a", tiny_chat_gguf)}, settings) as loading:
        async with loading.scheduler.hold("a") as server:
            await asyncio.sleep(0.5)  # longer than the idle time: holding is what keeps it
            assert server.ready
        await until(lambda: loading.scheduler.state("a").state == "unloaded")
    assert not alive(server.pid)


async def test_unloading_waits_for_holders_and_newcomers_wait_for_it(loading: Rig) -> None:
    scheduler = loading.scheduler
    async with scheduler.hold("a") as first:
        unloading = asyncio.create_task(scheduler.unload("a"))
        await until(lambda: scheduler.state("a").state == "stopping")
        newcomer = asyncio.create_task(scheduler.load("a"))
        status, _ = await first.upstream.json("POST", "/v1/chat/completions", chat("still here"))
        assert status == 200
        assert not unloading.done()
    await unloading
    again = await newcomer

    assert again.state == "ready"
    assert again.pid != first.pid


async def test_a_caller_who_leaves_does_not_break_the_load_of_others(loading: Rig) -> None:
    states: list[LoadedModel] = []

    async def use(on_state=None) -> int:
        async with loading.scheduler.hold("a", on_state) as server:
            return server.pid

    leaving, staying = asyncio.create_task(use(states.append)), asyncio.create_task(use())
    await until(lambda: any(state.state == "loading" for state in states))
    leaving.cancel()

    assert await staying in loading.pids("a")
    assert len(loading.pids("a")) == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_load_nobody_waits_for_any_more_is_finished_and_kept_warm(loading: Rig) -> None:
    task = asyncio.create_task(loading.scheduler.load("a"))
    await until(lambda: loading.scheduler.state("a").state == "loading")
    task.cancel()

    await until(lambda: loading.scheduler.state("a").state == "ready")
    assert loading.scheduler.state("a").queued == 0


async def test_beyond_slots_and_queue_the_engine_is_busy(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    settings = replace(QUICK, queue_limit=1)
    async with rig(home, engine_bin, {"a": library_model("a", tiny_chat_gguf)}, settings) as loading:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(loading.scheduler.hold("a"))
            now = loading.scheduler.state("a")
            with pytest.raises(EngineBusy) as busy:
                async with loading.scheduler.hold("a"):
                    pass
        async with loading.scheduler.hold("a"):
            after = loading.scheduler.state("a")

    assert (now.busy_slots, now.queued) == (2, 1)
    assert 1 <= busy.value.retry_after_s <= 60
    assert (after.busy_slots, after.queued) == (1, 0)


@pytest.mark.accept(37)
async def test_kill_9_of_the_child_is_explained_and_the_next_request_works(loading: Rig) -> None:
    async with loading.scheduler.hold("a") as server:
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(EngineStopped):
            await server.upstream.json("POST", "/v1/chat/completions", chat("hi"))
        error = await server.why()
        await until(lambda: loading.scheduler.state("a").state == "failed")
        told = loading.scheduler.state("a")

    async with loading.scheduler.hold("a") as anew:
        status, _ = await anew.upstream.json("POST", "/v1/chat/completions", chat("hi"))

    assert isinstance(error, EngineStopped)
    assert (error.exit_code, error.signal_name) == (None, "SIGKILL")
    assert told.error == error.message == "a: llama-server was killed by SIGKILL while the model was in use."
    assert any("listening" in line for line in error.log_tail)
    assert status == 200
    assert loading.scheduler.state("a").error == ""


async def test_a_child_that_hangs_is_noticed_and_replaced(home: Paths, engine_bin: Path, tiny_chat_gguf: Path) -> None:
    patience = Patience(grace_s=0.3, health_interval_s=0.1, health_timeout_s=1.0, health_failures=2)
    models = {"a": library_model("a", tiny_chat_gguf)}
    async with rig(home, engine_bin, models, replace(QUICK, patience=patience)) as loading:
        async with loading.scheduler.hold("a") as server:
            os.kill(server.pid, signal.SIGSTOP)
            error = await server.why(timeout_s=30)
        async with loading.scheduler.hold("a") as anew:
            assert await anew.healthy(10)

    assert isinstance(error, EngineStopped)
    assert "hung" in error.message
    assert not alive(server.pid)


def without_tensor(source: Path, target: Path) -> Path:
    """A copy whose header is valid and names a tensor no engine looks for in place of one it needs."""
    data = source.read_bytes()
    assert data.count(b"blk.1.ffn_up.weight") == 1
    target.write_bytes(data.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight"))
    return target


@pytest.mark.accept(37)
async def test_a_file_the_engine_refuses_ends_in_a_crash_loop_that_stops(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path
) -> None:
    broken = library_model("a", without_tensor(tiny_chat_gguf, home.data / "broken.gguf"))
    async with rig(home, engine_bin, {"a": broken}, replace(QUICK, first_backoff_s=0.001)) as loading:
        for _ in range(6):
            with pytest.raises(LoadFailed, match=r"did not load: tensor 'blk.1.ffn_up.weight' not found") as failed:
                async with loading.scheduler.hold("a"):
                    pass
        started = loading.pids("a")
        with pytest.raises(EngineCrashLoop) as loop:
            async with loading.scheduler.hold("a"):
                pass
        assert loading.pids("a") == started
        with pytest.raises(LoadFailed):  # a person may try at any time
            await loading.scheduler.load("a")

        assert failed.value.exit_code == 1
        assert any("ffn_up" in line for line in loading.scheduler.log_lines("a"))
    assert 500 < loop.value.retry_after_s <= 600


async def test_an_unknown_model_is_not_found(loading: Rig) -> None:
    with pytest.raises(ModelNotFound):
        async with loading.scheduler.hold("nowhere"):
            pass
    assert loading.scheduler.state("nowhere").state == "unloaded"


async def test_closing_ends_children_that_are_held(loading: Rig) -> None:
    async with loading.scheduler.hold("a") as server:
        await loading.scheduler.close()
        assert not alive(server.pid)
    with pytest.raises(EngineStopped):
        async with loading.scheduler.hold("a"):
            pass


async def test_a_load_that_does_not_move_is_given_up(home: Paths, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    engine = stub_engine(tmp_path / "bin", "echo starting; exec sleep 600\n")
    settings = replace(QUICK, patience=Patience(stall_s=0.5, grace_s=0.3))
    async with rig(home, engine, {"a": library_model("a", tiny_chat_gguf)}, settings) as loading:
        with pytest.raises(LoadFailed, match="nothing moved") as failed:
            async with loading.scheduler.hold("a"):
                pass
    assert failed.value.log_tail == ("starting",)


async def test_unloading_breaks_off_a_load(home: Paths, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    engine = stub_engine(tmp_path / "bin", "echo starting; exec sleep 600\n")
    async with rig(home, engine, {"a": library_model("a", tiny_chat_gguf)}) as loading:
        waiting = asyncio.create_task(loading.scheduler.load("a"))
        await until(lambda: loading.scheduler.state("a").state == "loading")
        await loading.scheduler.unload("a")
        with pytest.raises(EngineStopped, match="unloaded while it was loading"):
            await waiting
        assert loading.scheduler.state("a").state == "unloaded"
        assert list(loading.paths.children.iterdir()) == []


async def test_out_of_memory_while_loading_evicts_and_tries_once_more(
    home: Paths, tmp_path: Path, engine_bin: Path, tiny_chat_gguf: Path
) -> None:
    # The first start of each model named "greedy" dies as llama.cpp does when a buffer cannot be had.
    engine = stub_engine(
        tmp_path / "bin",
        f"""
case "$*" in *"--alias greedy"*)
    echo "$*" >> {tmp_path}/starts
    if [ "$(wc -l < {tmp_path}/starts)" = 1 ]; then
        echo "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 3221225472" >&2
        exit 1
    fi;;
esac
exec {engine_bin}/llama-server "$@"
""",
    )
    models = {name: library_model(name, tiny_chat_gguf) for name in ("idle", "greedy")}
    async with rig(home, engine, models, replace(QUICK, wishes=replace(SMALL, context=None, slots=None))) as loading:
        await loading.scheduler.load("idle")
        after = await loading.scheduler.load("greedy")
        assert after.state == "ready"
        assert loading.scheduler.state("idle").state == "unloaded"
    first, second = (tmp_path / "starts").read_text().splitlines()
    assert "--ctx-size 16384 --parallel 4" in first
    assert "--ctx-size 2048 --parallel 1" in second


async def test_out_of_memory_twice_is_told_with_the_numbers(home: Paths, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    script = "echo 'alloc_tensor_range: failed to allocate CPU buffer of size 9663676416'; exit 1\n"
    engine = stub_engine(tmp_path / "bin", script)
    async with rig(home, engine, {"a": library_model("a", tiny_chat_gguf)}) as loading:
        with pytest.raises(OutOfMemory) as failed:
            await loading.scheduler.load("a")
        assert loading.states("a") == ["queued", "loading", "failed"]
    assert failed.value.needed_bytes == 9663676416
    assert "9.7 GB" in failed.value.message
    assert loading.suspects == []


async def test_a_crash_while_loading_marks_the_file_suspect(home: Paths, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    engine = stub_engine(tmp_path / "bin", "kill -SEGV $$\n")
    async with rig(home, engine, {"a": library_model("a", tiny_chat_gguf)}) as loading:
        with pytest.raises(LoadFailed, match="SIGSEGV"):
            await loading.scheduler.load("a")
    assert loading.suspects == [("a", "The engine crashed while loading it (SIGSEGV).")]


async def test_a_file_that_loads_after_all_is_suspect_no_more(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path
) -> None:
    model = replace(library_model("a", tiny_chat_gguf), suspect="The engine crashed while loading it (SIGILL).")
    async with rig(home, engine_bin, {"a": model}) as loading:
        await loading.scheduler.load("a")
        assert loading.suspects == [("a", "")]
