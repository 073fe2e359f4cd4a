"""The llama.cpp build this service uses: found, proven before its first use, and described for people.

No model is loaded by a build that did not pass its proof. The proof runs in the background when nothing is saved for
these very files on this processor; a load that comes meanwhile waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from desktop.service.machine import devices
from desktop.wire import DoctorReport, EngineInfo
from engine.doctor import doctor_report
from engine.errors import EngineError, EngineUnproven
from engine.machine_speed import MachineSpeed, load_speed, measure_quickly, measure_speed
from engine.proof import ProofResult, from_json, prove_and_save
from engine.tuning import is_measured, load_tuning, measure, measured_figures
from engine.types import Tuning
from models.errors import BinaryMissing, ModelsError
from models.llamacpp import EngineBuild, find_build
from models.progress import Progress

log = logging.getLogger(__name__)


class EngineState:
    """Where the engine stands. `find` first; then `start_proof` and the rest may be used."""

    def __init__(self, engines: Path, environ: Mapping[str, str] | None = None) -> None:
        self.tuning = Tuning()
        self.speed: MachineSpeed | None = None  # None until it was measured, rough until that was done in a quiet time
        self._engines = engines
        self._environ = os.environ if environ is None else environ
        self._found: EngineBuild | None = None
        self._missing: BinaryMissing | None = None
        self._proof: ProofResult | None = None
        self._proving: asyncio.Task[ProofResult] | None = None
        self._quick: asyncio.Task[None] | None = None

    @property
    def build(self) -> EngineBuild:
        """The build, or one of empty folders while there is none: `require_proven` refuses before it is used."""
        return self._found or _no_build(self._engines)

    @property
    def proving(self) -> bool:
        return self._proving is not None and not self._proving.done()

    @property
    def proven(self) -> bool:
        return self._proof is not None and self._proof.ok

    async def find(self) -> None:
        """Look for a build; hashing its files takes some tenths of a second, hence a thread."""
        try:
            self._found = await asyncio.to_thread(find_build, self._engines, self._environ)
        except BinaryMissing as error:
            self._missing = error
            log.warning("%s %s", error.message, error.hint)
            return
        self._proof = from_json(self._found.proof)
        self.tuning = await asyncio.to_thread(load_tuning, self._engines, self._found)
        self.speed = await asyncio.to_thread(load_speed, self._engines, self._found)

    def start_proof(self) -> None:
        """Prove in the background unless a result is saved."""
        if self._found is not None and self._proof is None:
            self._proof_task(again=False)

    async def require_proven(self) -> None:
        """Return once the build is known to compute. Raises BinaryMissing or EngineUnproven."""
        if self._found is None:
            raise self._missing or BinaryMissing("No llama.cpp build was found.")
        if self._proof is None:
            await asyncio.shield(self._proof_task(again=False))
        if self._proof is None or not self._proof.ok:
            reason = self._proof.reason if self._proof else "The proof did not run."
            raise EngineUnproven(
                f"The engine did not pass its proof on this machine: {reason}",
                hint="`jackdaw doctor` shows more; `make engine` builds it anew.",
            )

    async def measure(self) -> None:
        """Choose by measurement how models share the processors, then learn how fast the machine is with that.

        What was measured before is kept. Takes a minute of all processors; models that are loaded keep the threads
        they have.
        """
        await self.require_proven()
        if self._found is None:
            return
        with tempfile.TemporaryDirectory(prefix="jackdaw-tuning-", ignore_cleanup_errors=True) as folder:
            if not await asyncio.to_thread(is_measured, self._engines, self._found):
                self.tuning = await measure(self._engines, self._found, Path(folder), _log_step)
                log.info("threads: %s", self.tuning.source)
            if self.speed is None or self.speed.rough:
                self.speed = await measure_speed(self._engines, self._found, self.tuning, Path(folder), _log_step)
                log.info("memory is read at %.1f GB/s", self.speed.weight_bytes_per_s / 1e9)

    async def need_speed(self) -> MachineSpeed | None:
        """How fast this machine is, measured roughly now, within some seconds, when it was not yet.

        None where it cannot be: no build, one that is not proven, or a measurement that failed, which is not repeated.
        """
        if self.speed is None and self._found is not None:
            self._quick = self._quick or asyncio.create_task(self._measure_quickly(), name="quick measurement")
            await asyncio.shield(self._quick)
        return self.speed

    async def _measure_quickly(self) -> None:
        assert self._found is not None
        try:
            await self.require_proven()
            with tempfile.TemporaryDirectory(prefix="jackdaw-tuning-", ignore_cleanup_errors=True) as folder:
                found = await measure_quickly(self._engines, self._found, self.tuning, Path(folder))
        except (EngineError, ModelsError, OSError) as error:
            log.warning("The speed of this machine was not measured: %s", error)
            return
        if self.speed is None:  # the whole measurement may have ended meanwhile
            self.speed = found

    async def report(self, *, again: bool) -> DoctorReport:
        """What the doctor says; with `again` after a new proof."""
        if again and self._found is not None:
            await asyncio.shield(self._proof_task(again=True))
        figures = {} if self._found is None else await asyncio.to_thread(measured_figures, self._engines, self._found)
        found = doctor_report(
            build=self._found,
            missing=self._missing,
            proof=self._proof,
            proving=self.proving,
            devices=await devices(self._found),
            tuning=self.tuning,
            figures=figures,
        )
        return DoctorReport.model_validate(asdict(found))

    def info(self) -> EngineInfo:
        """The engine in one line each."""
        if self._found is None:
            reason = self._missing.message if self._missing else ""
            return EngineInfo(build="", proven=False, backend="", reason=reason)
        reason = self._found.fallback_reason
        if self._proof is None:
            reason = "The proof is running." if self.proving else "The proof has not run yet."
        elif not self._proof.ok:
            reason = self._proof.reason
        return EngineInfo(build=self._found.label, proven=self.proven, backend=self._found.backend, reason=reason)

    async def close(self) -> None:
        """Break off a running proof and measurement; their children are stopped by it."""
        running = [task for task in (self._quick, self._proving) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _proof_task(self, *, again: bool) -> asyncio.Task[ProofResult]:
        """The proof that is running, or a new one."""
        if self._proving is None or self._proving.done():
            self._proving = asyncio.create_task(self._run_proof(again), name="proof of the engine")
            # in the background nobody awaits it: what went wrong is logged where it happens
            self._proving.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._proving

    async def _run_proof(self, again: bool) -> ProofResult:
        assert self._found is not None
        try:
            self._proof = await prove_and_save(self._found, self._engines, _log_step, again=again)
        except (OSError, ModelsError) as error:
            log.error("The proof could not run: %s", error)
            raise EngineUnproven(f"The engine's proof could not run: {error}", hint="Run: jackdaw doctor") from error
        if not self._proof.ok:
            log.error("The engine did not pass its proof: %s", self._proof.reason)
        return self._proof


def _log_step(progress: Progress) -> None:
    log.info("%d/%d: %s", progress.done, progress.total, progress.message)


def _no_build(engines: Path) -> EngineBuild:
    nowhere = engines / "none"
    return EngineBuild(
        directory=nowhere,
        bin_dir=nowhere / "bin",
        variant="none",
        flags=(),
        source="",
        backend="CPU",
        features_used=(),
        features_left_out=(),
        fallback_reason="",
        proven=False,
    )
