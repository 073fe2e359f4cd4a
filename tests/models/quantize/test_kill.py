"""kill -9 in the middle of quantizing, again and again: nothing half made has a model's name, and nobody is left."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from models.gguf import read_header
from models.orphans import reap_orphans
from models.quantize.temporaries import sweep_temporaries
from models.tiny_model import TinyShape, write_tiny_model
from tests.models.quantize.quantizing import TARGETS

KILLS = 20
CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.accept(34)
def test_twenty_kills_leave_no_half_model_no_orphan_and_no_stray(tmp_path: Path) -> None:
    shape = TinyShape(layers=4, embedding=512, heads=8, kv_heads=2, feed_forward=768, context=512)
    source = write_tiny_model(tmp_path / "big-F32.gguf", shape=shape, dtype="F32")
    before = source.read_bytes()
    # One run to its end tells how long a run is, so that the kills fall all over it.
    began = time.monotonic()
    subprocess.run(command(source), cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL, timeout=120)
    whole_s = time.monotonic() - began
    whole = {path.name: path.read_bytes() for path in tmp_path.glob("*.gguf")}
    moments = random.Random(34)  # the same kills in every run
    temporaries = 0

    for number in range(KILLS):
        for name in whole.keys() - {source.name}:
            if number % 4 == 0:  # else the run goes on with what is there
                (tmp_path / name).unlink(missing_ok=True)
        killed_after(source, moments.uniform(0.4, 1.0) * whole_s)

        assert children_of(source) == []
        temporaries += len(list(tmp_path.glob(".*.part")))
        for path in tmp_path.glob("*.gguf"):
            read_header(path)
            assert path.read_bytes() == whole[path.name]
        reap_orphans(tmp_path / "pids")
        sweep_temporaries(tmp_path)
        strays = {path.name for path in tmp_path.iterdir()} - whole.keys() - {"pids"}
        assert strays == set()

    assert temporaries > 0, "no kill came in the middle of anything"
    assert source.read_bytes() == before
    subprocess.run(command(source), cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL, timeout=120)
    assert {path.name for path in tmp_path.glob("*.gguf")} == {source.name, *(f"big-{name}.gguf" for name in TARGETS)}


def command(source: Path) -> list[str]:
    return [sys.executable, "-m", "tests.models.quantize.quantizing", str(source)]


def killed_after(source: Path, seconds: float) -> None:
    """Start a run, kill it after `seconds` with signal 9, and wait until the children are gone too."""
    with subprocess.Popen(command(source), cwd=CHECKOUT, stdout=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
    deadline = time.monotonic() + 5
    while children_of(source) and time.monotonic() < deadline:
        time.sleep(0.01)


def children_of(source: Path) -> list[str]:
    """Command lines of processes that work on this source."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if "llama-quantize" in line and str(source.parent) in line:
                found.append(line)
    return found
