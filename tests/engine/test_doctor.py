"""The doctor's report from what it is given: every state in words, and ok only when the engine works."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from desktop import wire
from engine.doctor import DoctorDevice, DoctorReport, doctor_report
from engine.proof import ProofResult, ProofStep
from engine.types import Tuning
from models.errors import BinaryMissing
from models.llamacpp import EngineBuild

BUILD = EngineBuild(
    directory=Path("/e/abc"),
    bin_dir=Path("/e/abc/bin"),
    variant="native",
    flags=("-DGGML_NATIVE=ON",),
    source="llama-cpp-python 0.3.36",
    backend="CPU",
    features_used=("AVX",),
    features_left_out=(),
    fallback_reason="",
    proven=True,
)
PASSED = ProofResult(
    ok=True,
    reason="",
    signal_name="",
    steps=(ProofStep("embed in F16", True, "256 finite numbers"),),
    backend="CPU",
    features_used=("AVX", "AVX2"),
    features_left_out=("AMX_INT8",),
    seconds=0.5,
    proved_at=1_700_000_000.0,
)
CRASHED = replace(
    PASSED, ok=False, reason="llama-server was killed by SIGILL while loading the model.", signal_name="SIGILL"
)
MEMORY = DoctorDevice("Memory", "CPU", 8 * 2**30, 4 * 2**30)


def report(
    build: EngineBuild | None = BUILD,
    proof: ProofResult | None = PASSED,
    missing: BinaryMissing | None = None,
    proving: bool = False,
    devices: tuple[DoctorDevice, ...] = (MEMORY,),
) -> DoctorReport:
    return doctor_report(
        build=build,
        missing=missing,
        proof=proof,
        proving=proving,
        devices=devices,
        tuning=Tuning(threads=2, source="measured here"),
        figures={"measured": [1]},
    )


def test_a_proven_build_is_well() -> None:
    found = report()

    assert found.ok
    assert (found.build, found.directory) == ("llama.cpp 0.3.36 native", "/e/abc")
    assert (found.features_used, found.features_left_out) == (("AVX", "AVX2"), ("AMX_INT8",))
    assert found.devices == (MEMORY,)
    assert found.tuning["threads"] == 2 and found.tuning["measured"] == [1]
    assert found.checks[-1].detail.startswith("passed in 0.5 s on ")


@pytest.mark.parametrize(
    ("proof", "proving", "detail"),
    [
        (CRASHED, False, "killed by SIGILL"),
        (None, True, "The proof is running now."),
        (None, False, "The proof has not run on this machine."),
    ],
)
def test_without_a_passed_proof_it_is_not_ok_and_says_what_to_do(
    proof: ProofResult | None, proving: bool, detail: str
) -> None:
    found = report(proof=proof, proving=proving)

    assert not found.ok
    check = found.checks[-1]
    assert check.name == "proof" and not check.ok and detail in check.detail and check.hint


def test_without_an_engine_the_reason_is_the_only_check() -> None:
    found = report(build=None, proof=None, missing=BinaryMissing("No build is in /e.", hint="Run make engine."))

    assert not found.ok and found.build == ""
    assert [(check.detail, check.hint) for check in found.checks] == [("No build is in /e.", "Run make engine.")]


def test_a_safer_build_is_well_and_says_why_it_was_taken() -> None:
    found = report(build=replace(BUILD, variant="avx2", fallback_reason="native (CPU): killed by SIGILL"))

    assert found.ok
    assert found.fallback_reason == "native (CPU): killed by SIGILL"
    assert "a safer build, because native (CPU): killed by SIGILL" in found.checks[0].detail


def test_a_gpu_build_without_its_gpu_is_not_well() -> None:
    cuda = replace(BUILD, backend="CUDA")
    gpu = DoctorDevice("NVIDIA H200", "CUDA", 2**37, 2**36)

    assert report(build=cuda, proof=replace(PASSED, backend="CUDA"), devices=(MEMORY, gpu)).ok
    found = report(build=cuda)
    assert not found.ok and "finds no such device" in found.checks[-1].detail


def test_the_report_has_the_fields_of_the_control_api() -> None:
    found = report(proof=CRASHED)

    assert wire.DoctorReport.model_validate(asdict(found)).ok is False
