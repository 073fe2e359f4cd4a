"""What was measured of the built-in model's runtimes, remembered per processor; and which one that makes the best."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.devices import processors
from models.cpu import read_cpu_flags
from rag.embedding.choices import Figures, RuntimeFigure

# Below this mean cosine against fp32 a runtime is not taken, however fast.
LEAST_COSINE = 0.999
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def usual_runtime(flags: frozenset[str]) -> str:
    """What to start with before anything was measured: bf16 where the processor has it."""
    return "openvino bf16" if has_bf16(flags) else "openvino f32"


def has_bf16(flags: frozenset[str]) -> bool:
    """Whether the processor multiplies matrices of bf16; without it bf16 is slower than fp32."""
    return bool(flags & _BF16_FLAGS)


def choose(figures: Sequence[RuntimeFigure]) -> tuple[RuntimeFigure, ...]:
    """The figures with the fastest accurate runtime marked; none is when nothing could be run. Pure."""
    fit = [figure for figure in figures if figure.chunks_per_s > 0 and figure.cosine >= LEAST_COSINE]
    best = max(fit, key=lambda figure: figure.chunks_per_s, default=None)
    return tuple(dataclasses.replace(figure, chosen=figure is best) for figure in figures)


def this_processor() -> str:
    """The processor's name and how many we may use: "AMD EPYC-Turin · 2"."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass  # not Linux
    return f"{name} · {processors()[0]}"


class RememberedFigures:
    """A small JSON file in the cache folder. What it says counts only for this processor and these libraries."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Figures:
        """What is known here; before a measurement that is the usual runtime alone. Blocks for a moment."""
        processor = this_processor()
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            if stored["processor"] != processor or stored["libraries"] != _libraries():
                raise ValueError("measured elsewhere")
            runtimes = tuple(RuntimeFigure(**row) for row in stored["runtimes"])
            chosen = next(figure.name for figure in runtimes if figure.chosen)
            return Figures(runtimes, processor, float(stored["measured_at"]), chosen)
        except (OSError, ValueError, KeyError, TypeError, StopIteration):
            return Figures((), processor, None, usual_runtime(read_cpu_flags()))

    def write(self, runtimes: Sequence[RuntimeFigure], measured_at: float) -> Figures:
        """Remember a measurement and answer as `read`. Blocks; raises OSError."""
        stored = {
            "processor": this_processor(),
            "libraries": _libraries(),
            "measured_at": measured_at,
            "runtimes": [dataclasses.asdict(figure) for figure in runtimes],
        }
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        part.write_text(json.dumps(stored, indent=1), encoding="utf-8")
        part.replace(self._path)
        return self.read()


def _libraries() -> dict[str, str]:
    return {name: _version(name) for name in ("openvino", "torch")}


def _version(name: str) -> Any:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
