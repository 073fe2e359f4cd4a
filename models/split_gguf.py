"""Models whose GGUF is split into several files: the first part stands for all of them.

llama.cpp finds the others by name, `…-00001-of-00003.gguf`; the first part holds the metadata, each its own tensors.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from models.errors import BadGguf
from models.gguf import GgufHeader, read_header
from models.progress import Cancel, Progress, Report

MAX_PARTS = 1000
PART_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.IGNORECASE)


def part_paths(path: Path) -> tuple[Path, ...]:
    """All files of the model `path` is part of, in order; only `path` when its name is no part's name."""
    named = PART_NAME.fullmatch(path.name)
    if named is None or not 1 <= int(named["count"]) <= MAX_PARTS:
        return (path,)
    count = int(named["count"])
    return tuple(
        path.with_name(f"{named['stem']}-{number:05d}-of-{count:05d}{named['suffix']}")
        for number in range(1, count + 1)
    )


def model_stem(path: Path) -> str:
    """The file's name without `.gguf` and without the number of its part."""
    named = PART_NAME.fullmatch(path.name)
    if named is not None:
        return named["stem"]
    return path.stem if path.suffix.lower() == ".gguf" else path.name


def read_model(path: Path, report: Report | None = None, cancel: Cancel | None = None) -> GgufHeader:
    """The header of a whole model: of a split one the first part's, with all tensors and the size of all files.

    `path` may be any part. Raises BadGguf when a part is missing, broken or belongs to something else, Cancelled.
    """
    header = read_header(path)
    if header.split_count == 1:
        return header
    paths = part_paths(path)
    if len(paths) != header.split_count:
        raise BadGguf(
            f"{path.name} is one of {header.split_count} parts of a model, but its name does not say which.",
            hint=f"Give the parts their names back: NAME-00001-of-{header.split_count:05d}.gguf and so on.",
        )
    headers = []
    for number, part in enumerate(paths):
        if cancel is not None:
            cancel.check()
        headers.append(_read_part(part, number, header.split_count))
        if report is not None:
            report(Progress(number + 1, len(paths), "files", f"Checking {part.name}"))
    return dataclasses.replace(
        headers[0],
        tensors=tuple(tensor for one in headers for tensor in one.tensors),
        file_bytes=sum(one.file_bytes for one in headers),
    )


def _read_part(path: Path, number: int, count: int) -> GgufHeader:
    if not path.exists():
        raise BadGguf(
            f"{path.name} is missing; all {count} parts must lie in one folder.", hint="Get the missing part."
        )
    header = read_header(path)
    if header.split_count != count or header.metadata.get("split.no") != number:
        raise BadGguf(f"{path.name} is not part {number + 1} of {count} of this model.", hint="Get that part again.")
    return header
