"""Sorts a repository's files into what can be loaded: one variant per quantization, its parts and its picture part."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from models.hub.quants import Quant, find_quant
from models.hub.types import HubFile, HubVariant
from models.split_gguf import PART_NAME

# Below this a model loses much by each bit, and saves little: 8 bits are the usual choice.
SMALL_PARAMS = 1_000_000_000
# What stays free beside the weights for context and compute, as a share of memory.
MEMORY_SHARE = 0.8
_PREFERRED = ("Q4_K_M", "MXFP4", "Q4_K_S", "IQ4_XS", "IQ4_NL", "Q5_K_M", "Q4_0", "Q5_K_S", "Q4_1", "Q6_K", "Q8_0")
_PREFERRED_SMALL = ("Q8_0", "Q6_K", "F16", "BF16", "Q5_K_M", *_PREFERRED)
_PREFERRED_PROJECTOR = ("F16", "BF16", "Q8_0", "F32")
_NOT_A_MODEL = ("imatrix", "lora", "vocab")


class Sorted(NamedTuple):
    """Variants, largest quality first, and the files that belong to none."""

    variants: tuple[HubVariant, ...]
    others: tuple[HubFile, ...]


class _Group(NamedTuple):
    folder: str
    stem: str
    quant: Quant
    files: tuple[HubFile, ...]


def sort_files(files: Sequence[HubFile], *, params: int | None = None) -> Sorted:
    """Group `files` (with safe names). A split model with a part missing is no variant; its files are others."""
    models, projectors, others = _parted(files)
    groups, incomplete = _groups(models)
    names = _names(groups)
    variants = [
        HubVariant(name, group.quant.label, group.quant.about, group.files, _projector_for(group, projectors))
        for name, group in zip(names, groups, strict=True)
    ]
    variants.sort(key=lambda variant: (-sum(file.bytes for file in variant.files), variant.name))
    chosen = {variant.projector for variant in variants}
    rest = [*others, *incomplete, *(file for file in projectors if file not in chosen)]
    return Sorted(recommend(variants, params=params), tuple(sorted(rest, key=lambda file: file.path)))


def recommend(
    variants: Sequence[HubVariant], *, params: int | None = None, memory_bytes: int | None = None
) -> tuple[HubVariant, ...]:
    """The same variants with one of them marked: the usual 4 bits, 8 for small models, less where memory asks for it.

    Without `memory_bytes` nothing is known of the machine. When nothing fits, the smallest is marked.
    """
    order = _PREFERRED_SMALL if params is not None and params < SMALL_PARAMS else _PREFERRED

    def rank(variant: HubVariant) -> tuple[bool, int, bool, int]:
        quant = find_quant(variant.quant)
        too_large = memory_bytes is not None and variant.bytes > memory_bytes * MEMORY_SHARE
        place = order.index(quant.type) if quant.type in order else len(order)
        # Above the preferred ones less is better; what does not fit is ordered by size alone.
        return too_large, 0 if too_large else place, quant.label != quant.type, variant.bytes

    best = min(variants, key=rank, default=None)
    return tuple(dataclasses.replace(variant, recommended=variant is best) for variant in variants)


def find_variant(variants: Iterable[HubVariant], name: str) -> HubVariant | None:
    """The variant somebody means by `name`: its name or quantization whatever the case; "" is the recommended one."""
    listed = list(variants)
    if not name:
        return next((variant for variant in listed if variant.recommended), None)
    wanted = name.casefold()
    for matches in (
        [variant for variant in listed if variant.name.casefold() == wanted],
        [variant for variant in listed if variant.quant.casefold() == wanted],
        [variant for variant in listed if find_quant(variant.quant).type.casefold() == wanted],
    ):
        if len(matches) == 1:
            return matches[0]
    return None


def _parted(files: Sequence[HubFile]) -> tuple[list[HubFile], list[HubFile], list[HubFile]]:
    """Model files, picture parts, and all else."""
    models, projectors, others = [], [], []
    for file in files:
        path = PurePosixPath(file.path)
        name = path.name.lower()
        if path.suffix.lower() != ".gguf" or any(word in name for word in _NOT_A_MODEL):
            others.append(file)
        elif "mmproj" in name:
            projectors.append(file)
        else:
            models.append(file)
    return models, projectors, others


def _groups(files: Sequence[HubFile]) -> tuple[list[_Group], list[HubFile]]:
    """Whole models, and the files of split ones that are not whole."""
    parts: dict[tuple[str, str, int], dict[int, HubFile]] = defaultdict(dict)
    groups: list[_Group] = []
    incomplete: list[HubFile] = []
    for file in files:
        path = PurePosixPath(file.path)
        folder = _folder(file)
        if named := PART_NAME.fullmatch(path.name):
            parts[folder, named["stem"], int(named["count"])][int(named["number"])] = file
        else:
            groups.append(_group(folder, path.stem, (file,)))
    for (folder, stem, count), found in parts.items():
        whole = tuple(found[number] for number in range(1, count + 1) if number in found)
        if len(whole) == len(found) == count:
            groups.append(_group(folder, stem, whole))
        else:
            incomplete.extend(found.values())
    return groups, incomplete


def _group(folder: str, stem: str, files: tuple[HubFile, ...]) -> _Group:
    quant = find_quant(stem)
    return _Group(folder, stem, quant if quant.label else find_quant(folder), files)


def _names(groups: Sequence[_Group]) -> list[str]:
    """The quantization, with what else the file is called where several share it; never the same twice."""
    shared = Counter(group.quant.label for group in groups)
    taken: Counter[str] = Counter()
    names = []
    for group in groups:
        name = group.quant.label if group.quant.label and shared[group.quant.label] == 1 else _long_name(group)
        taken[name] += 1
        names.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
    return names


def _long_name(group: _Group) -> str:
    """Such as "Q4_K_M-gemma-7b" of gemma-7b.Q4_K_M.gguf."""
    quant = find_quant(group.stem)
    rest = f"{group.stem[: quant.start]}{group.stem[quant.end :]}" if quant.label else group.stem
    plain = rest.strip("-._ ").replace(" ", "-").replace(":", "-")
    if not group.quant.label:
        return plain or group.stem
    return f"{group.quant.label}-{plain}" if plain else group.quant.label


def _projector_for(group: _Group, projectors: Sequence[HubFile]) -> HubFile | None:
    """The picture part beside the model or else at the top; 16 bits, because these parts are small and lose much."""

    def rank(file: HubFile) -> tuple[bool, int, str]:
        kind = find_quant(PurePosixPath(file.path).name).type
        place = _PREFERRED_PROJECTOR.index(kind) if kind in _PREFERRED_PROJECTOR else len(_PREFERRED_PROJECTOR)
        return _folder(file) != group.folder, place, file.path

    near = [file for file in projectors if _folder(file) in (group.folder, "")]
    return min(near, key=rank, default=None)


def _folder(file: HubFile) -> str:
    """The folder in the repository, "" for the top."""
    return file.path.rpartition("/")[0]
