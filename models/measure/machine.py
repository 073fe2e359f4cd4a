"""The words that name this machine and this engine: numbers measured on another are stale here."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil

from models.llamacpp import EngineBuild, proof_id
from models.measure.types import Place


def this_place(build: EngineBuild) -> Place:
    """Processor, how many, and memory; the build with a mark of its very files. Reads those files: blocks for 0.1 s."""
    memory_gb = round(psutil.virtual_memory().total / 1e9)
    machine = f"{_processor()}, {psutil.cpu_count() or 1} processors, {memory_gb} GB"
    return Place(machine, f"{build.label} ({build.backend}, {proof_id(build.bin_dir)[:8]})")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()
