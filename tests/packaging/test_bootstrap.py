"""bootstrap.py on a tree that is set up: it starts at once, and only as long as nothing has changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from readiness import Ready, read_ready, ready_key, requirements, write_ready
from toolchain import install, missing_qt_libraries

BUILD_VARIABLES = ("JACKDAW_ENGINE", "JACKDAW_ENGINE_CACHE", "DISPLAY", "WAYLAND_DISPLAY")


@pytest.fixture
def ready_checkout(checkout: Path, tmp_path: Path) -> Path:
    """A checkout whose set-up is done; its Python tells what it was asked to run."""
    engine = tmp_path / "engines" / "abc"
    (engine / "lib").mkdir(parents=True)
    (engine / "build.json").write_text("{}")
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "ran $@ with $LLAMA_CPP_LIB_PATH"\n')
    python.chmod(0o755)
    write_ready(checkout, Ready(ready_key(checkout, "run"), "run", str(python), str(engine), ""))
    return checkout


def start(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name not in BUILD_VARIABLES} | variables
    command = [sys.executable, "packaging/bootstrap.py", *arguments]
    return subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_start_runs_one_program_and_nothing_else(ready_checkout: Path, tmp_path: Path) -> None:
    answer = start(ready_checkout, "run", "status")

    assert answer.stdout == f"ran -m desktop status with {tmp_path}/engines/abc/lib\n"
    assert answer.stderr == ""


def test_without_a_display_the_service_starts_and_says_how_to_reach_it(ready_checkout: Path) -> None:
    answer = start(ready_checkout, "run")

    assert "jackdaw chat" in answer.stdout and "jackdaw key new NAME" in answer.stdout
    assert "ran -m desktop serve" in answer.stdout


def test_with_a_display_the_window_starts(ready_checkout: Path) -> None:
    assert start(ready_checkout, "run", DISPLAY=":99").stdout.startswith("ran -m desktop with")


@pytest.mark.parametrize("name", ["packaging/requirements.txt", "pyproject.toml", "packaging/native.py"])
def test_a_change_of_what_set_up_depends_on_sets_up_again(ready_checkout: Path, name: str) -> None:
    assert read_ready(ready_checkout, "run", {}) is not None
    with (ready_checkout / name).open("a") as file:
        file.write("\n")

    assert read_ready(ready_checkout, "run", {}) is None


def test_the_note_does_not_hold_for_more_than_was_set_up(ready_checkout: Path, tmp_path: Path) -> None:
    assert read_ready(ready_checkout, "dev", {}) is None
    assert read_ready(ready_checkout, "run", {"JACKDAW_ENGINE": "/somebody/elses"}) is None
    assert read_ready(ready_checkout, "run", {"JACKDAW_ENGINE_CACHE": str(tmp_path / "another")}) is None
    assert read_ready(ready_checkout, "run", {"JACKDAW_ENGINE_CACHE": str(tmp_path / "engines")}) is not None


def test_a_lost_engine_or_environment_is_noticed(ready_checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "engines" / "abc" / "build.json").rename(tmp_path / "gone")
    assert read_ready(ready_checkout, "run", {}) is None
    (tmp_path / "gone").rename(tmp_path / "engines" / "abc" / "build.json")
    (ready_checkout / ".venv" / "bin" / "python").unlink()
    assert read_ready(ready_checkout, "run", {}) is None


def test_a_moved_checkout_is_set_up_again(ready_checkout: Path, tmp_path: Path) -> None:
    """An environment holds absolute paths: copied elsewhere it would run the other checkout's code."""
    moved = tmp_path / "moved"
    shutil.copytree(ready_checkout, moved)

    assert read_ready(moved, "run", {}) is None


def test_a_torn_note_is_no_note(ready_checkout: Path) -> None:
    (ready_checkout / ".venv" / "jackdaw-ready.json").write_text('{"key": ')

    assert read_ready(ready_checkout, "run", {}) is None


def test_the_two_kinds_have_their_own_lock(checkout: Path) -> None:
    assert requirements(checkout, "run") != requirements(checkout, "dev")
    assert ready_key(checkout, "run") != ready_key(checkout, "dev")


def test_an_unknown_verb_is_wrong_usage(checkout: Path) -> None:
    answer = start(checkout, "fly")

    assert answer.returncode == 2
    assert "There is no verb 'fly'" in answer.stderr and "doctor" in answer.stderr


def test_what_a_verb_runs_decides_the_exit_code(ready_checkout: Path) -> None:
    (ready_checkout / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 7\n")

    assert start(ready_checkout, "doctor").returncode == 7


def test_ctrl_c_lets_the_program_end_in_its_own_way(ready_checkout: Path, tmp_path: Path) -> None:
    """Given tests that run, when Ctrl-C comes, then they may still clean up, for longer than a moment."""
    script = "trap 'sleep 1; echo cleaned up; exit 5' INT; echo started; while :; do sleep 0.05; done"
    (ready_checkout / ".venv" / "bin" / "python").write_text(f"#!/bin/sh\n{script}\n")
    command = [sys.executable, "packaging/bootstrap.py", "doctor"]
    environ = {name: value for name, value in os.environ.items() if name not in BUILD_VARIABLES}
    with subprocess.Popen(
        command, cwd=ready_checkout, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == "started\n"
        os.killpg(child.pid, signal.SIGINT)
        rest, _ = child.communicate(timeout=30)

    assert rest == "cleaned up\n"
    assert child.returncode == 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ldd is Linux's")
def test_qts_missing_libraries_are_named_before_the_window(tmp_path: Path) -> None:
    """Given a plugin linked to libxcb-cursor, when that library is not on the system, then it is named."""
    (tmp_path / "empty.c").touch()
    cursor = tmp_path / "libxcb-cursor.so.0"
    plugins = tmp_path / "qt" / "plugins" / "platforms"
    plugins.mkdir(parents=True)
    soname = ["-Wl,-soname,libgone-cursor.so.0"]
    subprocess.run(["cc", "-shared", "-o", cursor, *soname, tmp_path / "empty.c"], check=True)
    subprocess.run(
        ["cc", "-shared", "-Wl,--no-as-needed", "-o", plugins / "libqxcb.so", tmp_path / "empty.c", cursor], check=True
    )

    assert missing_qt_libraries(tmp_path / "qt", wayland=False) == ["libgone-cursor.so.0"]
    assert missing_qt_libraries(tmp_path / "qt", wayland=True) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ldd is Linux's")
def test_the_window_is_not_started_without_qts_libraries(ready_checkout: Path) -> None:
    qt = ready_checkout / ".venv" / "lib" / "python3.11" / "site-packages" / "PySide6" / "Qt"
    (qt / "plugins" / "platforms").mkdir(parents=True)
    source, cursor = ready_checkout / "empty.c", ready_checkout / "cursor.so"
    source.touch()
    subprocess.run(["cc", "-shared", "-o", cursor, "-Wl,-soname,libgone-cursor.so.0", source], check=True)
    plugin = qt / "plugins" / "platforms" / "libqxcb.so"
    subprocess.run(["cc", "-shared", "-Wl,--no-as-needed", "-o", plugin, source, cursor], check=True)

    answer = start(ready_checkout, "run", DISPLAY=":99")
    assert answer.returncode == 1 and "ran" not in answer.stdout
    assert "The window needs system libraries that are missing: libgone-cursor.so.0." in answer.stderr

    with_wayland = start(ready_checkout, "run", DISPLAY=":99", WAYLAND_DISPLAY="wayland-0")
    assert with_wayland.stdout.startswith("ran -m desktop"), "Qt takes Wayland, whose libraries are there"


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="the words of Debian's package manager")
def test_the_command_installs_all_that_is_missing_at_once() -> None:
    command = install("libEGL.so.1", "libxcb-cursor.so.0", "libglib-2.0.so.0", "libgthread-2.0.so.0")

    assert command.endswith("apt-get install -y libegl1 libxcb-cursor0 libglib2.0-0")
    assert command.startswith("sudo ") == (os.geteuid() != 0)


def test_a_need_without_a_package_name_is_told_by_its_own() -> None:
    assert "libunheardof.so.9" in install("libunheardof.so.9")
