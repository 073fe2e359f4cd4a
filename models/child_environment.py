"""The environment of a child process, by allow-list: what is not named here does not reach it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"

# Which GPUs a program may see: llama.cpp's backends read these themselves.
GPU_VISIBILITY = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HSA_OVERRIDE_GFX_VERSION",
    "GGML_VK_VISIBLE_DEVICES",
    "ONEAPI_DEVICE_SELECTOR",
)
WINDOWS_NEEDS = ("SYSTEMROOT", "WINDIR", "COMSPEC")

# Telemetry off, network off, no implicit tokens: read by the libraries at import, so they are set before it.
SET_IN_ALL: Mapping[str, str] = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "PYTHONNOUSERSITE": "1",
}

# Device lists and locales look like this; a value that looks otherwise is not what its name says.
_PLAIN = re.compile(r"[A-Za-z0-9,._:;@*!-]{1,128}")


def clean_environment(
    environ: Mapping[str, str],
    *,
    home: Path,
    temp: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Make a child's environment out of ours.

    `home` is the job's folder and becomes HOME, `temp` (default: `home`) TMPDIR. `extra` is added last and is for
    values our own code made, such as OMP_WAIT_POLICY. Keys, tokens, proxies, LD_*, PYTHON*, LLAMA_ARG_* and GGML_* of
    ours are not passed on because nothing unnamed is.
    """
    kept = {name: environ[name] for name in GPU_VISIBILITY if _PLAIN.fullmatch(environ.get(name, ""))}
    if sys.platform == "win32":
        kept.update({name: environ[name] for name in WINDOWS_NEEDS if name in environ})
    language = environ.get("LANG", "")
    kept["LANG"] = language if _PLAIN.fullmatch(language) else "C.UTF-8"
    kept.update(PATH=SYSTEM_PATH, HOME=str(home), TMPDIR=str(temp or home))
    kept.update(SET_IN_ALL)
    kept.update(extra or {})
    return kept
