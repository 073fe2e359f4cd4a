"""What can be said about the engine on this machine: build, instructions, devices, threads, proof. Pure.

The same report serves `jackdaw doctor`, the window and bug reports. Nothing is probed here; the caller hands in what it
found, so that every sentence can be tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from engine.proof import ProofResult
from engine.types import Tuning
from models.errors import BinaryMissing
from models.llamacpp import EngineBuild

_REBUILD = "Build the engine anew: make engine"


class DeviceLike(Protocol):
    """A device with its memory now, in bytes."""

    @property
    def name(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def total_bytes(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class DoctorDevice:
    name: str
    backend: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One thing looked at; `hint` is the next step where it is not well."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """The whole report, field by field what the control API sends. `ok` is false when any check is."""

    ok: bool
    build: str
    directory: str
    flags: tuple[str, ...]
    backend: str
    features_used: tuple[str, ...]
    features_left_out: tuple[str, ...]
    fallback_reason: str
    devices: tuple[DoctorDevice, ...] = ()
    tuning: dict[str, Any] = field(default_factory=dict)
    checks: tuple[DoctorCheck, ...] = ()


def doctor_report(
    *,
    build: EngineBuild | None,
    missing: BinaryMissing | None,
    proof: ProofResult | None,
    proving: bool,
    devices: Sequence[DeviceLike],
    tuning: Tuning,
    figures: Mapping[str, Any],
) -> DoctorReport:
    """Put together what is known. `missing` says why there is no `build`; `figures` are the measured tokens/s."""
    shown = tuple(DoctorDevice(one.name, one.backend, one.total_bytes, one.free_bytes) for one in devices)
    threads = {**asdict(tuning), "environ": dict(tuning.environ), **figures}
    if build is None:
        detail = missing.message if missing else "No llama.cpp build was found."
        absent = DoctorCheck("engine", False, detail, missing.hint if missing else _REBUILD)
        return DoctorReport(False, "", "", (), "", (), (), "", shown, threads, (absent,))
    checks = (_build_check(build), *_proof_checks(proof, proving), *_device_checks(build, shown))
    used, left_out = build.features_used, build.features_left_out
    if proof is not None and proof.features_used:
        used, left_out = proof.features_used, proof.features_left_out
    return DoctorReport(
        ok=all(check.ok for check in checks),
        build=build.label,
        directory=str(build.directory),
        flags=build.flags,
        backend=proof.backend if proof is not None and proof.ok else build.backend,
        features_used=used,
        features_left_out=left_out,
        fallback_reason=build.fallback_reason,
        devices=shown,
        tuning=threads,
        checks=checks,
    )


def _build_check(build: EngineBuild) -> DoctorCheck:
    """A safer build than the first choice is not ill: it works, and the report says why it was taken."""
    detail = build.label
    if build.fallback_reason:
        detail += f", a safer build, because {build.fallback_reason}"
    return DoctorCheck("engine", True, detail)


def _proof_checks(proof: ProofResult | None, proving: bool) -> tuple[DoctorCheck, ...]:
    if proof is None:
        detail = "The proof is running now." if proving else "The proof has not run on this machine."
        return (DoctorCheck("proof", False, detail, "Wait for it, or run: jackdaw doctor"),)
    when = datetime.fromtimestamp(proof.proved_at).astimezone().strftime("%Y-%m-%d %H:%M")
    steps = tuple(DoctorCheck(step.name, step.ok, step.detail, "" if step.ok else _REBUILD) for step in proof.steps)
    if proof.ok:
        return (*steps, DoctorCheck("proof", True, f"passed in {proof.seconds:.1f} s on {when}"))
    crash = f" ({proof.signal_name})" if proof.signal_name and proof.signal_name not in proof.reason else ""
    return (*steps, DoctorCheck("proof", False, f"{proof.reason}{crash}", _REBUILD))


def _device_checks(build: EngineBuild, devices: Sequence[DoctorDevice]) -> tuple[DoctorCheck, ...]:
    """A GPU build that finds no GPU computes on the processor: it works, but not as it was meant to."""
    if build.backend == "CPU" or any(device.backend == build.backend for device in devices):
        return ()
    hint = "Check the GPU's driver; a build for the processor alone is made by: make engine"
    return (DoctorCheck("device", False, f"The build is for {build.backend}, but it finds no such device.", hint),)
