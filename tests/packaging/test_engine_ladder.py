"""The ladder with real crashes and the real proof: which build is taken, and what is recorded."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import native
import pytest
from console import SetupError
from engine_backends import cpu_backend
from engine_compile import CompileFailed
from engine_variants import Attempt, variants
from native import Proof, climb, manifest, prove_with

from models.errors import BinaryMissing
from models.llamacpp import MANIFEST, find_build, write_json

PLAIN_X86 = frozenset({"pni", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2"})
LADDER = variants("x86_64", PLAIN_X86)
CPU = cpu_backend("no GPU was found")


def crashing_build(folder: Path, engine_bin: Path, signal_name: str) -> Path:
    """A build whose llama-server dies the way a wrongly compiled one does."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "llama-quantize").symlink_to(engine_bin / "llama-quantize")
    server = folder / "bin" / "llama-server"
    server.write_text(f"#!/bin/sh\nkill -{signal_name} $$\n")
    server.chmod(0o755)
    return folder


def good_build(folder: Path, engine_bin: Path) -> Path:
    folder.mkdir()
    (folder / "bin").symlink_to(engine_bin)
    return folder


@pytest.mark.parametrize("signal_name", ["ILL", "SEGV"])
def test_a_crash_leads_to_the_next_safer_build_and_is_recorded(
    tmp_path: Path, engine_bin: Path, signal_name: str
) -> None:
    """Given a native build that dies, when climbing, then the AVX2 build is taken and the record says why."""
    said: list[str] = []

    def build(attempt: Attempt) -> Path:
        folder = tmp_path / attempt.variant.name
        if attempt.variant.name == "native":
            return crashing_build(folder, engine_bin, signal_name)
        return good_build(folder, engine_bin)

    built = climb(CPU, LADDER, build, prove_with(sys.executable, tmp_path / "cache"), said.append)

    assert built.attempt.variant.name == "avx2"
    assert built.proof.ok and [step["ok"] for step in built.proof.result["steps"]] == [True] * 9
    assert built.failures[0].signal_name == f"SIG{signal_name}"
    record = manifest(built, "cc 1.0", {"a mend": "made"})
    assert record["variant"] == "avx2"
    assert record["attempts"] == [
        {
            "build": "native (CPU)",
            "stage": "proof",
            "reason": f"llama-server was killed by SIG{signal_name} while loading the model.",
        }
    ]
    assert f"killed by SIG{signal_name}" in record["fallback_reason"]
    assert any("native (CPU) failed" in line for line in said)


def test_a_published_fallback_is_what_find_build_reports(tmp_path: Path, engine_bin: Path) -> None:
    def build(attempt: Attempt) -> Path:
        folder = tmp_path / ".work" / attempt.variant.name
        if attempt.variant.name == "native":
            return crashing_build(folder, engine_bin, "ILL")
        folder.mkdir()
        shutil.copytree(engine_bin, folder / "bin")
        shutil.copytree(engine_bin.parent / "lib", folder / "lib", symlinks=True)
        return folder

    built = climb(CPU, LADDER, build, prove_with(sys.executable, tmp_path), lambda line: None)
    write_json(built.folder / MANIFEST, manifest(built, "cc 1.0", {"a mend": "made"}))
    with pytest.raises(BinaryMissing):
        find_build(tmp_path, {})  # nothing counts before it has its name
    native._publish(built.folder, tmp_path / "abc")

    found = find_build(tmp_path, {})
    assert found.variant == "avx2"
    assert found.proven
    assert "killed by SIGILL" in found.fallback_reason


def test_when_every_build_fails_the_reasons_are_told(tmp_path: Path) -> None:
    def build(attempt: Attempt) -> Path:
        raise CompileFailed("x.cpp:1: error: no", tmp_path / "log")

    with pytest.raises(SetupError, match=r"No build of the engine works here. native \(CPU\): did not compile: x.cpp"):
        climb(CPU, LADDER, build, lambda folder: Proof(True, ""), lambda line: None)
