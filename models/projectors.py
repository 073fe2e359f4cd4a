"""The picture part of a model that can see: a GGUF file of its own, by custom named mmproj-….gguf and beside it.

Model repositories on the Hub hold it in one folder with the model, often in several precisions; llama.cpp takes it as
`--mmproj` and refuses one whose output is not as wide as the model's embeddings (tools/mtmd/mtmd.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from models.errors import BadGguf
from models.gguf import GgufHeader, read_header
from models.split_gguf import model_stem

MAX_CANDIDATES = 32  # files in one folder that are opened
# llama.cpp computes pictures in F16 whatever the file holds; smaller ones lose accuracy where there is little to save.
PRECISIONS = ("f16", "bf16", "q8_0", "f32")
_NO_NAME = re.compile(r"(?<![a-z0-9])(?:mmproj|model|gguf|i?q\d\w*|b?f16|fp16|f32)(?![a-z0-9])")


def is_projector(header: GgufHeader) -> bool:
    """Whether the file is the picture part of a model: files from before general.type was there say "clip"."""
    return header.file_kind == "mmproj" or header.architecture == "clip"


def find_projector(model_path: Path, model: GgufHeader) -> Path | None:
    """The one projector beside the model that was made for it, else None.

    It must be as wide as the model, and what its name says beyond "mmproj" and a precision must be in the model's
    name. Of several precisions of one projector the best for its size is taken; of several projectors none.
    """
    matching = {path: words for path in _candidates(model_path.parent) if (words := _match(path, model_path, model))}
    named = {path: words for path, words in matching.items() if words != {""}} or matching
    if not named or len(set(map(frozenset, named.values()))) > 1:
        return None
    return min(named, key=lambda path: (_precision(path.name), path.name))


def check_projector(path: Path) -> Path:
    """The path made absolute; links stay. Raises BadGguf when the file is no projector or no engine may see it."""
    header = read_header(path)
    if not is_projector(header):
        raise BadGguf(f"{path.name} is not the picture part of a model.", hint="It is mostly named mmproj-….gguf.")
    return path.absolute()


def _candidates(folder: Path) -> Iterable[Path]:
    try:
        names = sorted(path for path in folder.iterdir() if "mmproj" in path.name.lower() and path.suffix == ".gguf")
    except OSError:
        return []
    return names[:MAX_CANDIDATES]


def _match(path: Path, model_path: Path, model: GgufHeader) -> set[str]:
    """The words of the projector's name when it fits the model; {""} when it has none, empty when it does not fit."""
    words, model_words = _words(path), _words(model_path)
    if not words <= model_words:
        return set()
    try:
        header = read_header(path)
    except (BadGguf, OSError):
        return set()
    width = header.metadata.get("clip.vision.projection_dim", header.metadata.get("clip.audio.projection_dim", 0))
    if not is_projector(header) or width not in (0, model.embedding_length):
        return set()
    return words or {""}


def _words(path: Path) -> set[str]:
    return set(re.findall(r"[a-z0-9.]+", _NO_NAME.sub(" ", model_stem(path).lower())))


def _precision(name: str) -> int:
    found = [at for at, precision in enumerate(PRECISIONS) if re.search(rf"(?<![a-z0-9]){precision}", name.lower())]
    return found[0] if found else len(PRECISIONS)
