"""Which architectures llama.cpp's scripts can convert, read from their source without running it."""

from __future__ import annotations

import ast
import difflib
from pathlib import Path

from models.errors import ConvertFailed


def known_architectures(convert_dir: Path, table: str = "TEXT_MODEL_MAP") -> frozenset[str]:
    """Names as config.json has them, e.g. "LlamaForCausalLM"; `table` is "TEXT_MODEL_MAP" or "MMPROJ_MODEL_MAP".

    Raises ConvertFailed when the scripts are not the ones we know.
    """
    source = convert_dir / "conversion" / "__init__.py"
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise _unknown_scripts(source) from error
    for node in tree.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.target.id != table:
            continue
        if isinstance(node.value, ast.Dict):
            return frozenset(str(key.value) for key in node.value.keys if isinstance(key, ast.Constant))
    raise _unknown_scripts(source)


def nearest(name: str, known: frozenset[str]) -> str:
    """A sentence that helps somebody whose architecture is not known."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Known ones with similar names: {', '.join(near)}."
    return (
        f"{len(known)} are known, among them LlamaForCausalLM, Qwen3ForCausalLM, Gemma3ForCausalLM, MixtralForCausalLM."
    )


def _unknown_scripts(source: Path) -> ConvertFailed:
    return ConvertFailed(
        f"{source} does not say which architectures it converts.",
        hint="Use the engine that Jackdaw builds: run `make engine`.",
    )
