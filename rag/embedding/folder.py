"""A sentence-transformers folder before anything of it is loaded: is it safe, and what does it say of itself.

Code is never run: Python files, modules of other packages and `auto_map` are refused. Weights are read from
safetensors alone, because the other format runs what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.embedding.bert import read_json
from rag.embedding.families import Family, family_of
from rag.embedding.identity import hash_files
from rag.errors import EmbedderMissing

_OURS = "sentence_transformers."
_QUERY_NAMES = ("query", "web_search_query", "retrieval_query", "search_query")
_PASSAGE_NAMES = ("document", "passage", "corpus", "retrieval_document", "search_document")
_MOST_FILES = 2000


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder says of itself. `weights` is one hash over its weights and the files that say how to use them."""

    folder: Path
    name: str
    weights: str
    query_prefix: str
    passage_prefix: str
    pooling: str
    multilingual: bool
    lower_case: bool


def check_folder(folder: Path) -> None:
    """Raise EmbedderMissing unless this is a model's folder without code, whose weights are safetensors.

    Also for cross-encoders, which have no modules.json. Blocks.
    """
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise EmbedderMissing(
            f"{folder} holds no model of sentence-transformers: there is no config.json in it.",
            hint="Choose the folder that the model was downloaded to.",
        )
    names = [path for _, path in zip(range(_MOST_FILES), folder.rglob("*"), strict=False)]
    if code := next((path for path in names if path.suffix == ".py"), None):
        raise _refused(folder, f"it brings code of its own ({code.name})")
    if not any(path.suffix == ".safetensors" for path in names):
        raise _refused(folder, "its weights are not in safetensors, and other formats can run code")
    for path in names:
        if path.name in ("config.json", "tokenizer_config.json") and "auto_map" in _object(path):
            raise _refused(folder, f"its {path.name} asks for code of its own")
    for module in _modules(folder):
        if not str(module.get("type", "")).startswith(_OURS):
            raise _refused(folder, f"it needs {module.get('type')}, which is not part of sentence-transformers")


def examine(folder: Path) -> ModelFolder:
    """Read a checked folder. Raises EmbedderMissing. Blocks: the weights are hashed."""
    try:
        check_folder(folder)
        config = _object(folder / "config_sentence_transformers.json")
        prompts = config.get("prompts") if isinstance(config.get("prompts"), dict) else {}
        family = family_of(folder.name)
        return ModelFolder(
            folder=folder,
            name=folder.name,
            weights=hash_files(_what_counts(folder)),
            query_prefix=_prompt(prompts or {}, _QUERY_NAMES, family.query_prefix),
            passage_prefix=_prompt(prompts or {}, _PASSAGE_NAMES, family.passage_prefix),
            pooling=_pooling(folder, family),
            multilingual=family.multilingual,
            lower_case=_object(folder / "sentence_bert_config.json").get("do_lower_case") is True,
        )
    except (OSError, ValueError) as error:
        raise EmbedderMissing(f"{folder} cannot be read: {error}.", hint="Download the model again.") from error


def _what_counts(folder: Path) -> list[Path]:
    weights = [path for path in folder.rglob("*.safetensors") if "onnx" not in path.parts]
    names = ("modules.json", "config.json", "sentence_bert_config.json", "tokenizer.json", "vocab.txt")
    settings = [folder / name for name in names] + sorted(folder.glob("*/config.json"))
    return [*sorted(weights), *(path for path in settings if path.is_file())]


def _modules(folder: Path) -> list[dict[str, Any]]:
    try:
        modules = read_json(folder / "modules.json")
    except FileNotFoundError:
        return []
    return [module for module in modules if isinstance(module, dict)] if isinstance(modules, list) else []


def _pooling(folder: Path, family: Family) -> str:
    chosen = [name for name, on in _object(folder / "1_Pooling" / "config.json").items() if on is True]
    names = {
        "pooling_mode_cls_token": "cls",
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_max_tokens": "max",
        "pooling_mode_lasttoken": "last",
    }
    return next((names[name] for name in chosen if name in names), family.pooling or "mean")


def _prompt(prompts: dict[str, Any], names: tuple[str, ...], otherwise: str) -> str:
    if not any(isinstance(text, str) and text for text in prompts.values()):
        return otherwise  # many folders list their prompts and leave them empty
    return next((prompts[name] for name in names if isinstance(prompts.get(name), str)), "")


def _object(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def _refused(folder: Path, reason: str) -> EmbedderMissing:
    return EmbedderMissing(
        f"{folder.name} is not loaded: {reason}.",
        hint="Take a version of the model that is plain safetensors, or its GGUF file.",
    )
