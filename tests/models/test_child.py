"""Child processes: what they print, how they end, what they may know, and that none outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from models.child import Child, ChildSpec, Ending, clean_environment, spawn
from models.child_environment import SET_IN_ALL
from models.errors import BinaryMissing
from models.orphans import ProcessMark, mark_process, reap_orphans, write_pidfile

pytestmark = pytest.mark.anyio

SECRETS = (
    *(
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
    ),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "MY_SECRET", "SOME_KEY"),
    *(
        "LLAMA_ARG_HOST",
        "LLAMA_API_KEY",
        "AIP_MODE",
        "GGML_CUDA_DEBUG",
        "CHROMA_SERVER_HOST",
        "PYTHONPATH",
        "LD_PRELOAD",
    ),
    *("LD_LIBRARY_PATH", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "JACKDAW_HOME"),
)


def script(code: str, tmp_path: Path, **fields: object) -> ChildSpec:
    """A child that runs `code` in Python."""
    environment = clean_environment(os.environ, home=tmp_path)
    return ChildSpec(
        argv=(sys.executable, "-I", "-u", "-c", code), name="child", cwd=tmp_path, environment=environment, **fields
    )


async def started(code: str, tmp_path: Path, **fields: object) -> Child:
    """A child whose code prints "up" when it is where the test wants it; returns once it has."""
    lines: list[str] = []
    child = await spawn(script(code, tmp_path, on_line=lines.append, **fields))
    await until(lambda: "up" in lines)
    return child


async def until(condition, timeout_s: float = 20.0) -> None:
    import asyncio

    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    return mark_process(pid) is not None


async def test_lines_come_clean_and_bounded(tmp_path: Path) -> None:
    lines: list[str] = []
    code = (
        r"import sys; print('one'); print('\x1b[31mred\x1b[0m\x07'); print('x' * 300000); print('err', file=sys.stderr)"
    )
    child = await spawn(script(code + r"; sys.stdout.write('no end')", tmp_path, on_line=lines.append))

    ending = await child.wait()

    assert ending == Ending("child", 0, None, asked=False)
    assert lines[:2] == ["one", "red"]
    assert {"err", "no end"} <= set(lines)
    assert max(len(line) for line in lines) == 4096


async def test_a_line_may_end_with_another_byte(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys; sys.stdout.write('[1]2.5,[2]3.5,'); sys.stdout.flush(); print('end')"

    await (await spawn(script(code, tmp_path, on_line=lines.append, line_ends=b"\n,"))).wait()

    assert lines == ["[1]2.5", "[2]3.5", "end"]


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel groups no sessions")
async def test_a_child_that_gives_way_does_so_as_a_session_too(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import os; print(os.nice(0)); print(open('/proc/self/autogroup').read())"
    await (await spawn(script(code, tmp_path, on_line=lines.append, nice=7))).wait()
    assert lines[0] == "7"
    assert lines[1].endswith(" nice 7")


async def test_exit_code_and_signal_are_told_apart(tmp_path: Path) -> None:
    failed = await (await spawn(script("raise SystemExit(7)", tmp_path))).wait()
    killed = await (await spawn(script("import os; os.kill(os.getpid(), 11)", tmp_path))).wait()

    assert (failed.exit_code, failed.signal_name, failed.crashed) == (7, None, False)
    assert failed.sentence == "child exited with code 7."
    assert (killed.exit_code, killed.signal_name, killed.crashed) == (None, "SIGSEGV", True)
    assert killed.sentence == "child was killed by SIGSEGV."


async def test_a_child_that_ignores_sigterm_is_killed_with_all_it_started(tmp_path: Path) -> None:
    code = (
        "import os, signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN);"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "open('grandchild', 'w').write(str(p.pid)); print('up'); time.sleep(600)"
    )
    child = await started(code, tmp_path)
    grandchild = int((tmp_path / "grandchild").read_text())

    ending = await child.stop(grace_s=0.2)

    assert ending.signal_name == "SIGKILL"
    assert ending.asked
    assert not ending.crashed
    await until(lambda: not alive(grandchild))


async def test_a_stopped_child_still_ends_gently(tmp_path: Path) -> None:
    child = await started("import time; print('up'); time.sleep(600)", tmp_path)
    os.kill(child.pid, signal.SIGSTOP)

    ending = await child.stop(grace_s=10)

    assert ending.signal_name == "SIGTERM"


async def test_farewell_reaches_a_child_that_watches_its_input(tmp_path: Path) -> None:
    code = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('up'); sys.exit(int(sys.stdin.readline()))"
    child = await started(code, tmp_path, hold_stdin=True, farewell=b"42\n")

    ending = await child.stop(grace_s=10)

    assert ending.exit_code == 42


async def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    spec = ChildSpec(argv=("/nowhere/llama-server",), name="x", cwd=tmp_path, environment={})
    with pytest.raises(BinaryMissing, match="/nowhere/llama-server"):
        await spawn(spec)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.accept(33)
async def test_the_child_knows_no_secret_and_keeps_no_core(tmp_path: Path) -> None:
    planted = {name: f"planted-{index}" for index, name in enumerate(SECRETS)}
    planted |= {"CUDA_VISIBLE_DEVICES": "0,1", "ROCR_VISIBLE_DEVICES": "planted secret", "LANG": "en_GB.UTF-8"}
    environment = clean_environment(planted, home=tmp_path, extra={"OMP_WAIT_POLICY": "PASSIVE"})
    lines: list[str] = []
    code = "import time; print('up'); time.sleep(600)"
    argv = (sys.executable, "-I", "-u", "-c", code)
    child = await spawn(ChildSpec(argv=argv, name="c", cwd=tmp_path, environment=environment, on_line=lines.append))
    await until(lambda: "up" in lines)

    proc = Path(f"/proc/{child.pid}")
    seen = dict(item.split("=", 1) for item in (proc / "environ").read_text().split("\0") if item)
    limits, status = (proc / "limits").read_text(), (proc / "status").read_text()
    await child.stop()

    assert len(SECRETS) == 25
    assert "planted" not in str(seen)
    assert seen.items() >= SET_IN_ALL.items()
    assert {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "ANONYMIZED_TELEMETRY": "False",
    }.items() <= seen.items()
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["OMP_WAIT_POLICY"]) == ("0,1", "PASSIVE")
    assert (seen["LANG"], seen["HOME"], seen["TMPDIR"]) == ("en_GB.UTF-8", str(tmp_path), str(tmp_path))
    assert next(line for line in limits.splitlines() if "core" in line).split()[4:6] == ["0", "0"]
    assert next(line for line in limits.splitlines() if "open files" in line).split()[3:5] == ["1024", "1024"]
    assert "NoNewPrivs:\t1" in status


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts the heap on Linux only")
async def test_the_data_limit_stops_a_heap_that_grows(tmp_path: Path) -> None:
    child = await spawn(script("b = bytearray(900 << 20)", tmp_path, data_limit_bytes=256 << 20))
    assert (await child.wait()).exit_code == 1


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux; elsewhere the reaper ends them")
async def test_kill_9_of_the_parent_takes_the_child_along(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, sys
from pathlib import Path
from models.child import ChildSpec, spawn
async def main():
    argv = (sys.executable, "-c", "import time; time.sleep(600)")
    child = await spawn(ChildSpec(argv=argv, name="c", cwd=Path({str(tmp_path)!r}), environment={{}}))
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()

    await until(lambda: not alive(pid), timeout_s=5)


async def test_pidfile_and_leftovers_go_with_the_child(tmp_path: Path) -> None:
    notes = tmp_path / "children"
    notes.mkdir()
    socket = tmp_path / "x.sock"
    socket.touch()
    child = await started("import time; print('up'); time.sleep(600)", tmp_path, pidfiles=notes, leftovers=(socket,))
    assert [path.name for path in notes.iterdir()] == [f"{child.pid}.json"]
    assert (notes / f"{child.pid}.json").stat().st_mode & 0o777 == 0o600

    await child.stop()

    assert list(notes.iterdir()) == []
    assert not socket.exists()


@pytest.fixture
def sleeper():
    """A process that only sleeps, in a group of its own as our children are."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as process:
        yield process
        process.kill()


def test_the_reaper_ends_what_a_killed_service_left(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    notes = tmp_path / "children"
    notes.mkdir()
    ours, foreign = tmp_path / "llama-1.sock", tmp_path / "far" / "away"
    foreign.parent.mkdir()
    ours.touch()
    foreign.touch()
    mark = mark_process(sleeper.pid)
    assert mark is not None
    write_pidfile(notes, mark, "llama-server", (ours, foreign))

    reports = reap_orphans(notes)

    assert sleeper.wait(timeout=5) == -signal.SIGTERM
    assert reports == [f"llama-server (process {sleeper.pid}) had outlived its service and was ended."]
    assert not ours.exists()
    assert foreign.exists()  # not in our runtime folder, whatever the note says
    assert list(notes.iterdir()) == []


@pytest.mark.parametrize("changed", [{"start": 1.0}, {"boot": "another boot"}])
def test_the_reaper_spares_a_process_that_only_has_the_same_number(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], changed: dict[str, object]
) -> None:
    mark = mark_process(sleeper.pid)
    assert mark is not None
    fields = {"pid": mark.pid, "start": mark.start, "boot": mark.boot} | changed
    write_pidfile(tmp_path, ProcessMark(**fields), "llama-server")  # type: ignore[arg-type]

    assert reap_orphans(tmp_path) == []

    assert psutil.Process(sleeper.pid).is_running()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1, "start": 0, "boot": "", "name": "init", "leftovers": []}']
)
def test_the_reaper_drops_notes_it_cannot_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.json").write_text(text)
    began = time.monotonic()
    assert reap_orphans(tmp_path) == []
    assert time.monotonic() - began < 1
    assert list(tmp_path.iterdir()) == []
