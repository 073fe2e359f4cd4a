"""The ladder: what to build first, and what to build next when a build dies in its proof. Pure.

A build tuned to this processor can be wrong: gcc 12 drops the tile configuration of AMX, and every quantized model dies
with SIGILL (ggml-org/llama.cpp#28756). So each build must pass its proof, and each failure leads to a safer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine_backends import Backend, cpu_backend

from models.cpu import ggml_features, has_amx

NO_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"

# What the tools of llama.cpp are built with whatever the processor. No RPC: it trusts its network (SECURITY.md of
# llama.cpp). No OpenSSL: the engine never fetches anything. No UI: the window is ours.
BASE_FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=ON",
    "-DLLAMA_BUILD_COMMON=ON",
    "-DLLAMA_BUILD_TOOLS=ON",
    "-DLLAMA_BUILD_SERVER=ON",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DGGML_RPC=OFF",
)

# What somebody here uses; llama-cli, tts, tokenize and others are left out, which saves a tenth of the build.
TARGETS = (
    "llama-server",
    "llama-quantize",
    "llama-perplexity",
    "llama-imatrix",
    "llama-bench",
    "llama-mtmd-cli",
    "llama-gguf-split",
    "llama-export-lora",
    "llama-fit-params",
)


@dataclass(frozen=True)
class Variant:
    """One way to compile for this processor. `c_flags` go to both compilers; "" clears those of an earlier variant."""

    name: str
    flags: tuple[str, ...]
    c_flags: str = ""


@dataclass(frozen=True)
class Attempt:
    """One build to try."""

    backend: Backend
    variant: Variant

    @property
    def name(self) -> str:
        return f"{self.variant.name} ({self.backend.name})"

    def cmake_flags(self) -> tuple[str, ...]:
        """Everything cmake is told, in a fixed order: part of the cache key and of the record."""
        c_flags = (f"-DCMAKE_C_FLAGS={self.variant.c_flags}", f"-DCMAKE_CXX_FLAGS={self.variant.c_flags}")
        return (*BASE_FLAGS, *self.variant.flags, *c_flags, *self.backend.flags)


@dataclass(frozen=True)
class Failure:
    """Why an attempt did not do: `stage` is "build" or "proof", `signal_name` e.g. "SIGILL" or ""."""

    attempt: Attempt
    stage: str
    reason: str
    signal_name: str = ""


def variants(arch: str, cpu_flags: Iterable[str]) -> tuple[Variant, ...]:
    """Fastest first, safest last."""
    flags = frozenset(cpu_flags)
    ladder = [Variant("native", ("-DGGML_NATIVE=ON",))]
    if arch.lower() in ("x86_64", "amd64"):
        if has_amx(flags):
            ladder.append(Variant("native-no-amx", ("-DGGML_NATIVE=ON",), NO_AMX))
        if {"AVX2", "FMA", "F16C", "BMI2"} <= set(ggml_features(flags)):
            ladder.append(Variant("avx2", _x86("SSE42", "AVX", "AVX2", "FMA", "F16C", "BMI2")))
        else:
            ladder.append(Variant("generic", _x86()))
    else:
        ladder.append(Variant("generic", ("-DGGML_NATIVE=OFF",)))
    return tuple(ladder)


def next_attempt(backend: Backend, ladder: Sequence[Variant], failures: Sequence[Failure]) -> Attempt | None:
    """What to build now, or None when the ladder is used up.

    A GPU build is made once, and once more on each safer step if the processor's code crashed with SIGILL; any other
    failure of it leads to the CPU, because the fault then lies in the backend.
    """
    if not failures:
        return Attempt(backend, ladder[0])
    last = failures[-1]
    step = ladder.index(last.attempt.variant)
    on_gpu = last.attempt.backend.name != "CPU"
    if on_gpu and last.signal_name != "SIGILL":
        return Attempt(cpu_backend(f"the {last.attempt.backend.name} build failed: {last.reason}"), ladder[0])
    if not on_gpu and last.stage == "build":
        return None  # the same sources with fewer instructions do not compile either
    if step + 1 < len(ladder):
        return Attempt(last.attempt.backend, ladder[step + 1])
    return Attempt(cpu_backend(f"every {last.attempt.backend.name} build crashed"), ladder[0]) if on_gpu else None


def _x86(*wanted: str) -> tuple[str, ...]:
    known = ("SSE42", "AVX", "AVX2", "FMA", "F16C", "BMI2", "AVX_VNNI", "AVX512")
    return ("-DGGML_NATIVE=OFF", *(f"-DGGML_{name}={'ON' if name in wanted else 'OFF'}" for name in known))
