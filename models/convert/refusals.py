"""What a checkpoint may not hold if any of it is to be read by a converter: pure rules over names and settings.

Converters are the place where a model's author gets code to run: pickled weights run it on loading, and settings name
Python files or repositories that libraries then import (CVE-2026-4372, CVE-2025-32434).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

CODE_SUFFIXES = frozenset({".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".exe", ".sh", ".bat", ".ps1", ".js"})
PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz"})

# Settings that make a library import code from the repository or from elsewhere; besides, any named after remote code.
CODE_KEYS = frozenset({"auto_map", "custom_pipelines", "custom_pipeline", "custom_generate", "plugins"})
CODE_KEYS |= {"_attn_implementation_internal"}
REMOTE_CODE = "remote_code"
# Settings that begin with "_" are a library's own. Numbers do no harm; of the others these are known to be plain.
PRIVATE_KEYS = frozenset({"_name_or_path", "_commit_hash", "_diffusers_version", "_pre_quantization_dtype", "_comment"})
# Implementations by name; anything else is fetched as a kernel from a repository (transformers' hub kernels).
IMPLEMENTATION_KEYS = frozenset({"attn_implementation", "_attn_implementation", "experts_implementation"})
IMPLEMENTATIONS = frozenset({"eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention", "grouped_mm"})
# How a class in somebody's repository is named ("author/name--module.Class"), and the name of a Python file.
_CODE_REFERENCE = re.compile(r"[\w.-]+/[\w.-]+--[\w.]+|[\w./-]+\.py", re.IGNORECASE)
# Texts of people and of tokenizers may look like anything.
_TEXT_KEYS = frozenset({"chat_template", "content", "vocab", "merges", "added_tokens", "model_description", "template"})
MAX_DEPTH = 40


def refused_file(name: str) -> str:
    """Why a file of this name keeps a checkpoint from being converted; "" when it does not."""
    suffix = PurePath(name).suffix.lower()
    if suffix in CODE_SUFFIXES:
        return f"it holds code ({name})"
    if suffix in PICKLE_SUFFIXES:
        return f"it holds weights in a format that can run code when it is read ({name})"
    return ""


def refused_setting(settings: Any) -> str:
    """Why these settings, as parsed from JSON, are refused: the first that names code; "" when none does."""
    for key, value, depth in _walk(settings, "", 0):
        if depth > MAX_DEPTH:
            return "its settings are nested too deep"
        if key in CODE_KEYS or REMOTE_CODE in key:
            return f"the setting {key!r} points to code"
        if key in IMPLEMENTATION_KEYS:
            if value is not None and value not in IMPLEMENTATIONS:
                return f"the setting {key!r} names code to be fetched"
        elif key.startswith("_") and key not in PRIVATE_KEYS and not isinstance(value, int | float | None):
            return f"the setting {key!r} is a library's own and not among those known to be harmless"
        elif isinstance(value, str) and key not in _TEXT_KEYS and len(value) < 300 and _CODE_REFERENCE.fullmatch(value):
            return f"the setting {key!r} points to code ({value[:60]!r})"
    return ""


def _walk(value: Any, key: str, depth: int) -> Iterator[tuple[str, Any, int]]:
    """Every key with its value, however deep; items of a list have the list's key."""
    if depth > MAX_DEPTH:
        yield key, None, depth
        return
    if isinstance(value, dict):
        for name, item in value.items():
            yield name, item, depth
            if name not in _TEXT_KEYS and isinstance(item, dict | list):
                yield from _walk(item, name, depth + 1)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _walk(item, key, depth + 1)
            else:
                yield key, item, depth
