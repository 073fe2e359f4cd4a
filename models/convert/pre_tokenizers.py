"""How a BPE tokenizer splits words, as llama.cpp names it, told from the structure of its tokenizer.json.

The patterns are those of the models they are named after. Source: tokenizer.json of those models, as quoted beside each
name in llama.cpp's src/llama-vocab.cpp. Imported by the child as well: standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_END = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SLASH_END = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"

# (pattern, whether a whole word is looked up before its pairs are merged) → name
SPLITS = {
    (rf"{_CONTRACTIONS}|{_BEFORE}\p{{L}}+|\p{{N}}|{_END}", False): "qwen2",
    (
        rf"{_CONTRACTIONS}|{_BEFORE}[\p{{L}}\p{{M}}]+|\p{{N}}"
        r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        False,
    ): "qwen35",
    (rf"{_CONTRACTIONS}|{_BEFORE}\p{{L}}+|\p{{N}}{{1,3}}|{_END}", True): "llama-bpe",
    (rf"{_CONTRACTIONS}|{_BEFORE}\p{{L}}+|\p{{N}}{{1,3}}|{_END}", False): "smaug-bpe",
    (rf"{_BEFORE}{_UPPER}*{_LOWER}+|{_BEFORE}{_UPPER}+{_LOWER}*|\p{{N}}|{_SLASH_END}", True): "tekken",
    (
        rf"{_BEFORE}{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|{_BEFORE}{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
        rf"|\p{{N}}{{1,3}}|{_SLASH_END}",
        False,
    ): "gpt-4o",
}


def name_of(tokenizer_json: Path) -> str:
    """llama.cpp's name for the pre-tokenizer of this file; "" when its structure is not one of those above."""
    try:
        tokenizer = json.loads(tokenizer_json.read_bytes())
        model, steps = tokenizer["model"], _steps(tokenizer["pre_tokenizer"])
        if model["type"] != "BPE" or model.get("byte_fallback"):
            return ""
        return _name(steps, bool(model.get("ignore_merges")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _steps(pre_tokenizer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(pre_tokenizer["pretokenizers"]) if pre_tokenizer["type"] == "Sequence" else [pre_tokenizer]


def _name(steps: list[dict[str, Any]], ignore_merges: bool) -> str:
    *before, last = steps
    if last["type"] != "ByteLevel" or last.get("add_prefix_space"):
        return ""
    own_pattern = bool(last.get("use_regex", True))
    if not before:
        return "gpt-2" if own_pattern and not ignore_merges else ""
    first = before[0]
    if len(before) > 1:
        return ""
    if first["type"] == "Digits" and first.get("individual_digits") and own_pattern and not ignore_merges:
        return "smollm"
    if first["type"] != "Split" or own_pattern or first.get("invert") or first["behavior"] != "Isolated":
        return ""
    return SPLITS.get((first["pattern"].get("Regex", ""), ignore_merges), "")
