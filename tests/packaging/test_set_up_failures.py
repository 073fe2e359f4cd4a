"""What can be missing on a machine: each ends set-up with one sentence and the command that mends it, for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from console import SetupError, explain_os_error, require_room
from environment import Environment, find_python
from pip_errors import explain_pip


def set_up(checkout: Path, path: str, prefix: Sequence[str] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "packaging/bootstrap.py", "setup"]
    home = checkout.parent
    environ = {"PATH": path, "HOME": str(home), "JACKDAW_ENGINE_CACHE": str(home / "engines"), **variables}
    return subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=120, check=False)


def only(folder: Path, *names: str) -> str:
    """A PATH on which nothing but these programs can be found."""
    folder.mkdir()
    for name in names:
        target = shutil.which(name)
        assert target, f"{name} is needed by this test"
        (folder / name).symlink_to(target)
    return str(folder)


@pytest.mark.parametrize(
    ("programs", "sentence", "command"),
    [
        (("cc", "c++", "make"), "cmake is not installed", "cmake"),
        (("cmake", "make"), "No C++ compiler is installed", ""),
        (("cc", "c++", "cmake"), "Neither ninja nor make is installed", "make"),
    ],
)
def test_a_missing_build_tool_is_named_before_anything_is_made(
    checkout: Path, tmp_path: Path, programs: tuple[str, ...], sentence: str, command: str
) -> None:
    answer = set_up(checkout, only(tmp_path / "bin", *programs))

    told = answer.stderr.strip().splitlines()
    assert answer.returncode == 1
    assert sentence in told[0]
    assert len(told) == 2 and command in told[1]
    assert not (checkout / ".venv").exists()


def test_without_a_network_the_sentence_says_so(checkout: Path, own_network: list[str]) -> None:
    answer = set_up(checkout, os.environ["PATH"], own_network, PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)

    assert answer.returncode == 1
    assert "No network: torch could not be downloaded." in answer.stderr
    assert "Traceback" not in answer.stderr
    # and what was made so far is used by the next run
    assert (checkout / ".venv" / "bin" / "python").exists()


def test_a_disk_without_room_is_told_with_its_numbers(checkout: Path, tmp_path: Path, own_mounts: list[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=8m none "{disk}" && cp -r "{checkout}" "{disk}/c" && cd "{disk}/c" && exec "$@"'
    answer = set_up(checkout, os.environ["PATH"], [*own_mounts, "sh", "-c", script, "sh"])

    assert answer.returncode == 1
    assert "The disk is too full: the environment with Qt needs 1,900 MiB" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_engine_on_a_full_disk_is_told_too(tmp_path: Path, own_mounts: list[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    native = Path(__file__).resolve().parents[2] / "packaging" / "native.py"
    script = f'mount -t tmpfs -o size=8m none "{disk}" && exec "$@"'
    command = [*own_mounts, "sh", "-c", script, "sh", sys.executable, str(native), "--cache", str(disk / "cache")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert answer.returncode == 1
    assert "The disk is too full: building the engine needs 1,200 MiB" in answer.stderr
    assert "JACKDAW_ENGINE_CACHE=" in answer.stderr


def test_a_disk_that_fills_up_while_unpacking_is_one_sentence(tmp_path: Path, own_mounts: list[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    packaging = Path(__file__).resolve().parents[2] / "packaging"
    (tmp_path / "big").write_bytes(bytes(20 * 2**20))
    archive = tmp_path / "a.tar.gz"
    subprocess.run(["tar", "czf", archive, "-C", tmp_path, "--transform", "s,^,r/llama_cpp/,", "big"], check=True)
    script = f"""
import sys; sys.path[:0] = [{str(packaging)!r}, {str(packaging.parent)!r}]
from pathlib import Path
from console import explain_os_error
from engine_source import unpack
try:
    unpack(Path({str(archive)!r}), Path({str(disk)!r}) / "source")
except OSError as error:
    print(explain_os_error(error, "mend"))
"""
    command = [*own_mounts, "sh", "-c", f'mount -t tmpfs -o size=8m none "{disk}" && exec "$@"', "sh"]
    answer = subprocess.run(
        [*command, sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert "The disk is full:" in answer.stdout, answer.stderr


def fake_python(path: Path, version: str, venv: str = "exit 0") -> Path:
    path.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo "{version}"; else {venv}; fi\n')
    path.chmod(0o755)
    return path


def test_an_old_python_looks_for_a_newer_one_on_path(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old", "[3, 9]")
    shims, good = tmp_path / "shims", tmp_path / "good"
    shims.mkdir()
    good.mkdir()
    (shims / "python3.12").write_text("#!/bin/sh\nexit 127\n")  # as a version manager leaves them
    (shims / "python3.12").chmod(0o755)
    (good / "python3.11").symlink_to(sys.executable)

    assert find_python({"PATH": f"{shims}:{good}"}, running=str(old)) == str(good / "python3.11")


def test_no_suitable_python_is_a_sentence_with_what_is_there(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old", "[3, 9]")

    with pytest.raises(SetupError, match=r"No Python 3\.11, 3\.12 or 3\.13 is installed; there is 3\.9\.") as told:
        find_python({"PATH": ""}, running=str(old))
    assert told.value.mend


def test_a_python_without_ensurepip_is_told_with_its_package(tmp_path: Path, console: object) -> None:
    # the words of Debian's python3 without python3-venv
    words = "The virtual environment was not created successfully because ensurepip is not available."
    python = fake_python(tmp_path / "python3", "[3, 11]", f'echo "{words}"; exit 1')

    with pytest.raises(SetupError, match="its ensurepip module is not installed") as told:
        Environment(tmp_path).create(console, str(python))  # type: ignore[arg-type]
    if shutil.which("apt-get"):
        assert "python3.11-venv" in told.value.mend


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "its hash differs"),
        ("Failed to establish a new connection: [Errno -3] Temporary failure in name resolution", "No network"),
        ("Collecting x\nERROR: No matching distribution found for x==1", "No matching distribution found for x==1"),
        ("", "no output"),
    ],
)
def test_pips_words_become_a_sentence(output: str, sentence: str) -> None:
    assert sentence in str(explain_pip(output, "the packages"))


def test_room_is_looked_up_on_the_disk_that_will_hold_the_folder(tmp_path: Path) -> None:
    require_room(tmp_path / "not" / "yet" / "there", 1, "nothing", "")
    with pytest.raises(SetupError, match=r"needs 10,000,000,000 MiB, .* MiB free"):
        require_room(tmp_path / "not", 10_000_000_000 * 2**20, "a lot", "")


def test_only_the_file_systems_refusals_are_explained() -> None:
    assert explain_os_error(OSError(28, "No space left on device", "/x"), "m") is not None
    assert explain_os_error(PermissionError(13, "Permission denied", "/x"), "m") is not None
    assert explain_os_error(FileNotFoundError(2, "No such file", "/x"), "m") is None
