"""Ollama's store: manifests by registry, namespace, model and tag; each names its layers by hash, blobs/ holds them.

    manifests/registry.ollama.ai/library/llama3.2/3b     JSON, "layers": [{"mediaType", "digest", "size"}, …]
    blobs/sha256-<64 hex>                                a layer; sha256:<hex> in old versions
    blobs/sha256-<hex>-partial, …-partial-<n>            an unfinished one at full size, and its state

Source: Ollama, server/modelpath.go, server/download.go and server/internal/manifest/manifest.go.
"""

from __future__ import annotations

import json
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.stores.types import Candidate
from models.stores.walk import UNFINISHED_PROBLEM, Looking, is_folder, list_folder, mode_of, read_small, size_of

REGISTRY, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"
HUB_HOSTS = ("hf.co", "huggingface.co")
LAYER = "application/vnd.ollama.image."
MIN_MODEL_BYTES = 1 << 22  # of an unfinished blob: a licence that is on its way is no model
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_PARTIAL = re.compile(r"sha256[:-]([0-9a-f]{64})-partial")


def is_ollama(folder: Path) -> bool:
    """Whether the folder is laid out as Ollama's models folder."""
    return is_folder(folder / "manifests") and is_folder(folder / "blobs")


def candidates(folder: Path, looking: Looking) -> list[Candidate]:
    """One candidate per model file; tags that name the same one are its aliases. Damaged manifests are noted."""
    by_path: dict[Path, list[Candidate]] = defaultdict(list)
    for manifest in _manifests(folder / "manifests", looking):
        found = _read(manifest, folder, looking)
        if found is not None:
            by_path[found.path].append(found)
    return [*map(_merge, by_path.values()), *_unfinished(folder / "blobs", looking)]


def _manifests(root: Path, looking: Looking) -> Iterator[tuple[str, ...]]:
    """(host, namespace, model, tag) of each manifest; anything at another depth is none."""

    def below(folder: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for entry in list_folder(folder, looking):
            mode = mode_of(entry)
            if mode is None or entry.name.startswith("."):
                continue
            if len(parts) == 3 and stat.S_ISREG(mode):
                yield (*parts, entry.name)
            elif len(parts) < 3 and stat.S_ISDIR(mode):
                yield from below(entry, (*parts, entry.name))

    return below(root, ())


@dataclass(frozen=True, slots=True)
class _Layer:
    kind: str  # "model", "projector", "adapter", "template", "params", "license", "tensor", …
    sha256: str
    bytes: int


def _read(parts: tuple[str, ...], folder: Path, looking: Looking) -> Candidate | None:
    """What one manifest names; None when it names no model of this machine, which is noted where it is a fault."""
    path = folder.joinpath("manifests", *parts)
    try:
        layers = list(_layers(json.loads(read_small(path))))
    except OSError as error:
        looking.cannot(path, error)
        return None
    except (ValueError, RecursionError):
        looking.problems.append(f"{path}: it is no manifest that can be read.")
        return None
    of_kind = {kind: [layer for layer in layers if layer.kind == kind] for kind in ("model", "projector", "adapter")}
    if not of_kind["model"]:
        return None  # it runs elsewhere, or its tensors are kept one by one; no GGUF file is in it
    model = of_kind["model"][0]
    projector = of_kind["projector"][0] if of_kind["projector"] else None
    return Candidate(
        store="ollama",
        path=_blob(folder, model),
        label=_label(parts),
        sha256=model.sha256,
        repo=f"{parts[1]}/{parts[2]}" if parts[0] in HUB_HOSTS else "",
        projector=_blob(folder, projector) if projector and not _fault(folder, projector) else None,
        projector_sha256=projector.sha256 if projector else "",
        problem=_fault(folder, model) or ("It needs an adapter that Ollama adds to it." if of_kind["adapter"] else ""),
        names_model=True,
    )


def _layers(manifest: Any) -> Iterator[_Layer]:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("layers"), list):
        raise ValueError("no layers")
    for layer in manifest["layers"]:
        digest = _DIGEST.fullmatch(str(layer.get("digest"))) if isinstance(layer, dict) else None
        if digest is None or not isinstance(layer.get("size"), int):
            raise ValueError("a layer without hash or size")
        kind = str(layer.get("mediaType")).partition(";")[0]
        if kind.startswith(LAYER):
            yield _Layer(kind.removeprefix(LAYER), digest[1], layer["size"])


def _blob(folder: Path, layer: _Layer) -> Path:
    old = folder / "blobs" / f"sha256:{layer.sha256}"
    return old if mode_of(old) is not None else folder / "blobs" / f"sha256-{layer.sha256}"


def _fault(folder: Path, layer: _Layer) -> str:
    path = _blob(folder, layer)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        partial = path.with_name(f"{path.name}-partial")
        return UNFINISHED_PROBLEM if mode_of(partial) is not None else "Ollama names it, but its file is missing."
    except OSError as error:
        return f"It cannot be read: {error.strerror}."
    return "" if size == layer.bytes else f"Its file has {size} bytes, Ollama says {layer.bytes}."


def _label(parts: tuple[str, ...]) -> str:
    """As `ollama list` shows it."""
    host, namespace, model, tag = parts
    if host != REGISTRY:
        return f"{host}/{namespace}/{model}:{tag}"
    return f"{model}:{tag}" if namespace == NAMESPACE else f"{namespace}/{model}:{tag}"


def _merge(same: list[Candidate]) -> Candidate:
    """One candidate for all tags of one file, under the name that says most."""
    ordered = sorted(same, key=lambda one: (bool(one.problem), one.label.endswith(f":{TAG}"), one.label))
    return replace(ordered[0], aliases=tuple(one.label for one in ordered[1:]))


def _unfinished(blobs: Path, looking: Looking) -> Iterable[Candidate]:
    for path in list_folder(blobs, looking):
        named = _PARTIAL.fullmatch(path.name)
        if named and size_of(path) >= MIN_MODEL_BYTES:
            yield Candidate("ollama", path, named[1][:12], problem=UNFINISHED_PROBLEM)
