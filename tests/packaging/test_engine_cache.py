"""The cache of builds: where it is, what a build is filed under, who may write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import native
import pytest
from console import Console
from engine_backends import cpu_backend
from engine_variants import variants
from native import cache_folder, cache_key, locked

from desktop.paths import engine_cache
from models.cpu import read_cpu_flags
from models.llamacpp import MANIFEST, find_build

PLAIN_X86 = frozenset({"pni", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2"})
LADDER = variants("x86_64", PLAIN_X86)
CPU = cpu_backend("no GPU was found")


@pytest.mark.parametrize("variables", [{}, {"XDG_CACHE_HOME": "/x/c"}, {"JACKDAW_ENGINE_CACHE": "/x/engines"}])
def test_the_cache_is_where_the_service_looks(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("XDG_CACHE_HOME", "JACKDAW_ENGINE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert cache_folder(os.environ) == engine_cache()


def test_the_key_changes_with_everything_that_makes_another_build() -> None:
    key = cache_key(CPU, LADDER, "gcc 12", PLAIN_X86)

    assert key == cache_key(CPU, LADDER, "gcc 12", PLAIN_X86 | {"some_flag_ggml_does_not_use"})
    assert key != cache_key(CPU, LADDER, "gcc 13", PLAIN_X86)
    assert key != cache_key(CPU, LADDER, "gcc 12", PLAIN_X86 | {"avx_vnni"})
    assert key != cache_key(CPU, LADDER[:1], "gcc 12", PLAIN_X86)


def test_two_set_ups_do_not_build_at_once(tmp_path: Path, console: Console) -> None:
    """Given a set-up that holds the lock, the next one says that it waits, and goes on when the first has ended."""
    lock = tmp_path / ".lock"
    root = Path(native.__file__).parents[1]
    script = f"""
import sys; sys.path[:0] = [{str(root / "packaging")!r}]
import native
from console import Console
with native.locked(native.Path({str(lock)!r}), Console(1)):
    print("inside", flush=True)
"""
    with locked(lock, console):
        waiting = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert "waiting for it" in waiting.stdout.readline()
        assert waiting.poll() is None
    rest, _ = waiting.communicate(timeout=20)
    assert rest == "inside\n"


def test_the_lock_outlives_a_killed_set_up_until_its_compilers_have_ended(tmp_path: Path, console: Console) -> None:
    """A compiler left over by `kill -9` still writes into the folder: the next build must not start beside it."""
    import fcntl

    lock = tmp_path / ".lock"
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    left_over = subprocess.Popen(["sleep", "60"], pass_fds=(descriptor,))  # as Compiler starts its children
    os.close(descriptor)  # what the kernel does for a killed process
    probe = os.open(lock, os.O_RDWR)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left_over.send_signal(signal.SIGKILL)
        left_over.wait()
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        left_over.kill()
        left_over.wait()
        os.close(probe)


def test_a_build_of_other_instructions_is_passed_over(tmp_path: Path) -> None:
    """A cache on a home folder shared by several machines holds builds that would crash here."""
    for name, features in (("here", ["SSE3"] if "pni" in read_cpu_flags() else []), ("there", ["SSE3", "NEON", "AVX"])):
        folder = tmp_path / name
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "llama-server").touch(mode=0o755)
        record = {"schema": 1, "variant": name, "flags": [], "source": "s", "backend": "CPU"}
        record |= {"archive_sha256": native.ARCHIVE_SHA256, "features_used": features}
        (folder / MANIFEST).write_text(json.dumps(record))

    assert find_build(tmp_path, {}).variant == "here"
