"""A conversion that is cancelled, killed, starved of room or turned against us leaves nothing behind."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from models.convert.checkpoint import Checkpoint, check_checkpoint
from models.convert.convert import convert
from models.convert.run import sweep_conversions
from models.errors import Cancelled, ConvertFailed, ConvertRefused, DiskFull
from models.gguf import read_header
from models.jail.state import jail_state
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress
from tests.models.conftest import Known

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("JACKDAW_KILLS", "8"))  # each starts the converter, which takes seconds to import
KILLS_AT_ONCE = 4
EVIL_SCRIPT = """
import os, socket
attempts = {
    "connect": lambda: socket.create_connection(("127.0.0.1", PORT), 5),
    "canary": lambda: open(CANARY).read(),
    "write": lambda: open(OUTSIDE, "w"),
    "input": lambda: open(INPUT, "w"),
    "weights": lambda: open(WEIGHTS, "r+b"),
}
for name, attempt in attempts.items():
    try:
        attempt()
        print(name, "came through")
    except OSError as error:
        print(name, "failed")
raise SystemExit("all was tried")
"""


@pytest.fixture
def checkpoint(known: Callable[[str], Known], build: EngineBuild) -> Checkpoint:
    assert build.convert_dir is not None
    return check_checkpoint(known("qwen2").folder, build.convert_dir)


@pytest.fixture
def models_folder(tmp_path: Path) -> Path:
    """A folder with a model that was there before."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "old.gguf").write_bytes(b"old")
    return folder


async def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("moment", ["before the child", "while it starts", "while it writes"])
async def test_a_cancel_leaves_the_folder_as_it_was(
    moment: str, checkpoint: Checkpoint, build: EngineBuild, models_folder: Path
) -> None:
    cancel, started = Cancel(), asyncio.Event()

    def report(progress: Progress) -> None:
        if moment == "before the child" or (moment == "while it writes" and progress.done):
            cancel.set()
        started.set()

    work = asyncio.ensure_future(
        convert(
            checkpoint,
            models_folder / "new.gguf",
            build=build,
            report=report,
            cancel=cancel,
            floor_bytes=0,
            pidfiles=models_folder.parent,
        )
    )
    if moment == "while it starts":
        await until(lambda: list(models_folder.parent.glob("*.json")))  # its pidfile
        cancel.set()
    await until(lambda: cancel.is_set)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        await work

    assert time.monotonic() - began < 2
    assert os.listdir(models_folder) == ["old.gguf"]
    assert list(models_folder.parent.glob("*.json")) == []


async def test_a_target_that_is_there_is_never_replaced(
    checkpoint: Checkpoint, build: EngineBuild, models_folder: Path
) -> None:
    with pytest.raises(ConvertRefused, match="is there already"):
        await convert(
            checkpoint,
            models_folder / "old.gguf",
            build=build,
            report=lambda _progress: None,
            cancel=Cancel(),
            floor_bytes=0,
        )

    assert (models_folder / "old.gguf").read_bytes() == b"old"
    assert os.listdir(models_folder) == ["old.gguf"]


async def test_too_little_room_is_told_before_anything_is_written(
    checkpoint: Checkpoint, build: EngineBuild, models_folder: Path
) -> None:
    with pytest.raises(DiskFull) as full:
        await convert(
            checkpoint,
            models_folder / "new.gguf",
            build=build,
            report=lambda _progress: None,
            cancel=Cancel(),
            floor_bytes=1 << 60,
        )

    assert full.value.needed_bytes >= 1.1 * checkpoint.weights_bytes
    assert os.listdir(models_folder) == ["old.gguf"]


@pytest.mark.accept(36)
def test_a_disk_that_fills_up_while_converting(known: Callable[[str], Known], tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-Urm", "true"], capture_output=True).returncode != 0:
        pytest.skip("this kernel does not let us make a disk of our own")
    disk = tmp_path / "disk"
    disk.mkdir()
    words = [sys.executable, "-m", "tests.models.convert.victim", str(known("qwen2").folder), str(disk / "new.gguf")]

    done = subprocess.run([unshare, "-Urm", *words, "full"], capture_output=True, text=True, timeout=90)

    assert done.returncode == 0, done.stderr
    *failed, enough, old = json.loads(done.stdout)
    for seen in failed:
        assert (seen["kind"], sorted(seen["left"])) == ("disk_full", ["ballast", "old.gguf"]), seen
        assert seen["hint"].startswith("Free ")
    assert len(failed) == 3
    assert sorted(enough["left"]) == ["new.gguf", "old.gguf"]
    assert old == {"old": "old"}


@pytest.mark.accept(34)
def test_a_killed_conversion_leaves_no_process_and_nothing_that_the_next_start_does_not_remove(
    known: Callable[[str], Known], tmp_path: Path
) -> None:
    moments = random.Random(34)
    source = known("qwen2").folder
    delays = [moments.uniform(0.05, 1.0) * 6 * (index % 4 + 1) / 4 for index in range(KILLS)]

    def kill_after(index: int) -> tuple[bool, list[str]]:
        """Whether the file was made before the kill, and what is left after the sweep."""
        folder = tmp_path / f"models-{index}"
        folder.mkdir()
        target = folder / "new.gguf"
        victim = subprocess.Popen(
            [sys.executable, "-m", "tests.models.convert.victim", str(source), str(target)], stdout=subprocess.DEVNULL
        )
        try:
            victim.wait(delays[index])
        except subprocess.TimeoutExpired:
            victim.kill()
            victim.wait()
        wait_for_no_process_of(str(folder))
        sweep_conversions(folder)
        if target.exists():
            assert read_header(target).tensors  # whole, or it would not have its name
        return target.exists(), os.listdir(folder)

    with ThreadPoolExecutor(KILLS_AT_ONCE) as threads:
        ends = list(threads.map(kill_after, range(KILLS)))

    assert all(left == (["new.gguf"] if made else []) for made, left in ends), ends
    assert any(not made for made, _left in ends)


def wait_for_no_process_of(words: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        command_lines = []
        for process in psutil.process_iter(["cmdline"]):
            command_lines.append(" ".join(process.info["cmdline"] or ()))
        if not any(words in line for line in command_lines):
            return
        time.sleep(0.05)
    pytest.fail(f"a process with {words} in its arguments is still there")


@pytest.mark.accept(17)
async def test_a_conversion_that_turns_against_us_reaches_nothing(
    known: Callable[[str], Known], build: EngineBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were there a hole in the scripts or libraries, its code would run here, in the script's own place."""
    if (state := await jail_state()).level != "sandboxed":
        pytest.skip(f"this kernel does not offer a whole sandbox: {state.sentence}")
    source = Path(shutil.copytree(known("qwen2").folder, tmp_path / "model"))
    folder, home = tmp_path / "models", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (home / "canary").write_text("secret")
    monkeypatch.setenv("HOME", str(home))
    assert build.convert_dir is not None
    evil = Path(shutil.copytree(build.convert_dir, tmp_path / "scripts", symlinks=True))
    before = (source / "model.safetensors").read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        names = {
            "PORT": listening.getsockname()[1],
            "CANARY": str(home / "canary"),
            "OUTSIDE": str(tmp_path / "outside"),
            "INPUT": str(folder / ".new.gguf.convert.part" / "input" / "config.json"),
            "WEIGHTS": str(source / "model.safetensors"),
        }
        assignments = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        (evil / "convert_hf_to_gguf.py").write_text(assignments + EVIL_SCRIPT)

        with pytest.raises(ConvertFailed) as failed:
            await convert(
                check_checkpoint(source, evil),
                folder / "new.gguf",
                build=dataclasses.replace(build, convert_dir=evil),
                report=lambda _progress: None,
                cancel=Cancel(),
                floor_bytes=0,
            )

    said = [line for line in failed.value.log_tail.splitlines() if line.endswith(("failed", "came through"))]
    assert said == [f"{name} failed" for name in ("connect", "canary", "write", "input", "weights")]
    assert (source / "model.safetensors").read_bytes() == before
    assert not (tmp_path / "outside").exists()
    assert os.listdir(folder) == []


async def test_a_script_that_fails_is_explained_by_its_last_words(
    known: Callable[[str], Known], build: EngineBuild, tmp_path: Path
) -> None:
    """A tokenizer that llama.cpp does not know, in a checkpoint with nothing wrong about it."""
    source = Path(shutil.copytree(known("qwen2").folder, tmp_path / "model"))
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "[aeiou]+|."
    (source / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert build.convert_dir is not None

    with pytest.raises(ConvertFailed, match=r"splits words in a way that llama\.cpp does not know") as failed:
        await convert(
            check_checkpoint(source, build.convert_dir),
            tmp_path / "new.gguf",
            build=build,
            report=lambda _progress: None,
            cancel=Cancel(),
            floor_bytes=0,
        )

    assert "BPE pre-tokenizer was not recognized" in failed.value.log_tail
    assert not list(tmp_path.glob(".*"))
