"""Which instructions this processor offers, in ggml's names.

Standard library only: packaging/native.py reads it before anything is installed. The names and what they need follow
ggml's own list (ggml/src/ggml-cpu/ggml-cpu.cpp, ggml_backend_cpu_get_features), so that "used" and "left out" compare.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

# ggml's name → every flag of /proc/cpuinfo that it needs.
GGML_FEATURES: dict[str, tuple[str, ...]] = {
    "SSE3": ("pni",),
    "SSSE3": ("ssse3",),
    "AVX": ("avx",),
    "AVX_VNNI": ("avx_vnni",),
    "AVX2": ("avx2",),
    "F16C": ("f16c",),
    "FMA": ("fma",),
    "BMI2": ("bmi2",),
    "AVX512": ("avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"),
    "AVX512_VBMI": ("avx512vbmi",),
    "AVX512_VNNI": ("avx512_vnni",),
    "AVX512_BF16": ("avx512_bf16",),
    "AMX_INT8": ("amx_tile", "amx_int8"),
    "NEON": ("asimd",),
    "FP16_VA": ("asimdhp",),
    "DOTPROD": ("asimddp",),
    "MATMUL_INT8": ("i8mm",),
    "SVE": ("sve",),
    "SME": ("sme",),
}


def read_cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The processor's flags as the kernel names them; empty where they cannot be read (Windows)."""
    if sys.platform == "darwin":
        return _mac_flags()
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def ggml_features(flags: Iterable[str]) -> tuple[str, ...]:
    """The features of ggml's list that a processor with these flags has, in ggml's order."""
    have = frozenset(flags)
    return tuple(name for name, needs in GGML_FEATURES.items() if have.issuperset(needs))


def has_amx(flags: Iterable[str]) -> bool:
    """Whether the processor has tile registers: gcc 12 and others compile them wrongly (ggml-org/llama.cpp#28756)."""
    return any(flag.startswith("amx") for flag in flags)


def _mac_flags() -> frozenset[str]:
    """macOS names them as sysctl keys; only what GGML_FEATURES asks for is translated."""
    names = {
        "hw.optional.arm.FEAT_DotProd": "asimddp",
        "hw.optional.arm.FEAT_I8MM": "i8mm",
        "hw.optional.arm.FEAT_FP16": "asimdhp",
        "hw.optional.arm.FEAT_SME": "sme",
        "hw.optional.avx2_0": "avx2",
        "hw.optional.avx512f": "avx512f",
    }
    found = {"asimd"} if platform.machine() == "arm64" else {"pni", "ssse3", "avx"}
    try:
        answer = subprocess.run(["/usr/sbin/sysctl", *names], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset(found)
    for line in answer.stdout.splitlines():
        key, _, value = line.partition(":")
        if value.strip() == "1" and key in names:
            found.add(names[key])
    return frozenset(found)
