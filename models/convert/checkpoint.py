"""A folder with a checkpoint, looked at before anything reads it in earnest: what is in it, and why it is refused.

Nothing here runs or unpickles anything. Only the files named by a Checkpoint ever reach the converter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.convert.architectures import known_architectures, nearest
from models.convert.refusals import refused_file, refused_setting
from models.convert.weights import BITS, Tensor, read_tensors
from models.errors import ConvertRefused

MAX_ENTRIES = 2_000
MAX_DEPTH = 4
MAX_SETTINGS_BYTES = 64 << 20  # tokenizer.json of large vocabularies has some 30 MB
MAX_TEXT_BYTES = 64 << 20

INDEX = "model.safetensors.index.json"
# What the scripts and the tokenizer libraries read; other files never reach them.
SETTINGS = frozenset(
    {
        *("config.json", "generation_config.json", "hf_quant_config.json", "modules.json", INDEX),
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
        *("chat_template.json", "preprocessor_config.json", "processor_config.json", "tekken.json", "params.json"),
    }
)
_WEIGHTS = re.compile(r"model[A-Za-z0-9._-]*\.safetensors")
_TEXT_SUFFIXES = frozenset({".txt", ".model", ".jinja"})
_MODEL_CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that passed. `settings` and `weights` are paths relative to `folder`, with `/`."""

    folder: Path
    architecture: str  # as config.json has it, e.g. "LlamaForCausalLM"
    settings: tuple[str, ...]
    weights: tuple[str, ...]
    tensors: tuple[Tensor, ...]
    has_projector: bool  # whether its picture part can be converted as well
    dense_modules: bool  # sentence-transformers layers behind the model, which belong to its embeddings

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def parameters(self) -> int:
        return sum(tensor.parameters for tensor in self.tensors)

    @property
    def weights_bytes(self) -> int:
        """Bytes of all tensors as they are stored here."""
        return sum(tensor.parameters * BITS[tensor.dtype] // 8 for tensor in self.tensors)


def check_checkpoint(folder: Path, convert_dir: Path) -> Checkpoint:
    """Look at all of `folder` and return what may be converted of it. Blocks on the disk.

    Raises ConvertRefused with the reason: code, pickled weights, settings that point to code, links out of the
    folder, special files, truncated weights, an architecture that the scripts in `convert_dir` do not know.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise ConvertRefused(f"{folder} is no folder.", hint="Choose the folder with config.json and the weights.")
    names = tuple(sorted(_files(folder)))
    for name in names:
        if reason := refused_file(name):
            raise _refused(folder, reason, _hint_for(name, names))
    if "config.json" not in names:
        raise _refused(folder, "it has no config.json", "Choose the folder with config.json and the weights.")
    settings = _readable_settings(folder, names)
    config = settings["config.json"]
    architecture = _architecture(folder, config, known_architectures(convert_dir))
    dense = _has_dense_modules(settings.get("modules.json"))
    weights = _weights(folder, names, settings.get(INDEX), dense)
    tensors = tuple(tensor for name in weights for tensor in read_tensors(folder / name))
    texts = tuple(name for name in names if _is_text(name))
    return Checkpoint(
        folder=folder,
        architecture=architecture,
        settings=(*settings, *texts),
        weights=weights,
        tensors=tensors,
        has_projector=_projector_of(config) in known_architectures(convert_dir, "MMPROJ_MODEL_MAP"),
        dense_modules=dense,
    )


def read_settings(path: Path) -> Any:
    """One JSON file, bounded and refused when it points to code. Raises ConvertRefused."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SETTINGS_BYTES + 1)
        if len(raw) > MAX_SETTINGS_BYTES:
            raise ConvertRefused(f"{path.name} is refused: it is longer than any real one.")
        settings = json.loads(raw)
    except OSError as error:
        raise ConvertRefused(f"{path.name} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise ConvertRefused(f"{path.name} is refused: it is no JSON.", hint="Get the file again.") from error
    # A tokenizer's words may look like anything, and nothing in it names code.
    if path.name not in ("tokenizer.json", "vocab.json") and (reason := refused_setting(settings)):
        raise ConvertRefused(
            f"{path.parent.name} is refused: {reason}, in {path.name}.",
            hint="Converting would run code of its author. Look for a GGUF of this model instead.",
        )
    return settings


def _files(folder: Path) -> Iterator[str]:
    """Every file that is not hidden, relative, with `/`. Links may lead into the folder or the cache it belongs to."""
    allowed = [folder.resolve()]
    if folder.parent.name == "snapshots":  # the Hugging Face cache keeps the bytes beside its snapshots
        allowed.append((folder.parent.parent / "blobs").resolve())
    seen = 0
    pending = [(folder, 0)]
    while pending:
        current, depth = pending.pop()
        paths = list(current.iterdir())
        seen += len(paths)
        if seen > MAX_ENTRIES:
            raise _refused(folder, f"it has more than {MAX_ENTRIES:,} files", "Choose the folder of one model.")
        for path in (path for path in paths if not path.name.startswith(".")):
            _check_link(folder, path, allowed)
            if path.is_dir():
                if depth >= MAX_DEPTH:
                    raise _refused(folder, f"its folders are nested too deep ({path.name})")
                pending.append((path, depth + 1))
            elif not path.is_file():
                raise _refused(folder, f"it holds something that is no regular file ({path.name})")
            else:
                yield path.relative_to(folder).as_posix()


def _check_link(folder: Path, path: Path, allowed: list[Path]) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise _refused(folder, f"it holds a link that leads nowhere ({path.name})") from error
    if not any(target.is_relative_to(root) for root in allowed):
        raise _refused(folder, f"it holds a link that leads out of it ({path.name})", "Copy the file in its place.")
    if path.is_symlink() and path.is_dir():
        raise _refused(folder, f"it holds a link to a folder ({path.name})", "Copy the folder in its place.")


def _readable_settings(folder: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Name → content of all settings the converter may read: at the top, and config.json one folder below."""
    wanted = [name for name in names if name in SETTINGS or _is_part_config(name)]
    return {name: read_settings(folder / name) for name in wanted}


def _is_part_config(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/config.json")


def _is_text(name: str) -> bool:
    return "/" not in name and (Path(name).suffix in _TEXT_SUFFIXES or name == _MODEL_CARD)


def _architecture(folder: Path, config: Any, known: frozenset[str]) -> str:
    names = config.get("architectures") if isinstance(config, dict) else None
    if not isinstance(names, list) or not names or not isinstance(names[0], str):
        raise _refused(folder, "its config.json does not say which architecture it has", "Get the model's config.json.")
    if names[0] not in known:
        raise _refused(folder, f"llama.cpp cannot convert the architecture {names[0][:60]!r}", nearest(names[0], known))
    return names[0]


def _projector_of(config: dict[str, Any]) -> str:
    """The architecture whose picture part would be converted; "" for a model of text alone."""
    vision = config.get("vision_config")
    names = (vision.get("architectures") if isinstance(vision, dict) else None) or config.get("architectures")
    return str(names[0]) if isinstance(vision, dict) and isinstance(names, list) and names else ""


def _has_dense_modules(modules: Any) -> bool:
    entries = modules if isinstance(modules, list) else []
    return any(isinstance(entry, dict) and str(entry.get("type", "")).endswith(".Dense") for entry in entries)


def _weights(folder: Path, names: tuple[str, ...], index: Any, dense: bool) -> tuple[str, ...]:
    """The weights that are converted: what the index names, else model*.safetensors."""
    there = {name for name in names if _WEIGHTS.fullmatch(name)}
    if index is not None:
        listed = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
            raise _refused(folder, f"its {INDEX} lists no weights", "Get the file again.")
        wanted = set(listed.values())
        if missing := sorted(wanted - there):
            raise _refused(folder, f"{missing[0][:80]!r} is missing", "Get all parts of the model.")
    else:
        wanted = there
    if not wanted:
        has_gguf = any(name.endswith(".gguf") for name in names)
        hint = "The GGUF file in it can be imported as it is." if has_gguf else "Only safetensors are converted."
        raise _refused(folder, "it has no weights in model.safetensors", hint)
    modules = [name for name in names if dense and re.fullmatch(r"[0-9]_Dense[A-Za-z0-9_]*/model\.safetensors", name)]
    return (*sorted(wanted), *modules)


def _hint_for(name: str, names: tuple[str, ...]) -> str:
    if any(_WEIGHTS.fullmatch(other) for other in names) and not name.endswith(".py"):
        return f"The weights are there as safetensors too: without {name} the folder can be converted."
    return "Look for a GGUF of this model, or for a repository with safetensors and no code."


def _refused(folder: Path, reason: str, hint: str = "") -> ConvertRefused:
    return ConvertRefused(f"{folder.name} cannot be converted: {reason}.", hint=hint)
