"""Folders of plain GGUF files: LM Studio's, llama.cpp's old cache, our own, and any folder the user names.

    LM Studio   models/PUBLISHER/REPO/FILE.gguf; unfinished: downloading_FILE.gguf.part
    llama.cpp   ORG_REPO_FILE.gguf with FILE.etag, and manifest=ORG=REPO=TAG.json as the Hub answered it
    ours        ORG/REPO/COMMIT/FILE.gguf

Sources: lmstudio.ai/docs, "Import models"; llama.cpp, common/download.cpp up to b7900.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from models.stores import huggingface, ollama
from models.stores.types import Candidate, Store
from models.stores.walk import (
    UNFINISHED_PROBLEM,
    Looking,
    files_below,
    is_gguf,
    is_unfinished,
    list_folder,
    mode_of,
    read_small,
)

_MANIFEST = re.compile(r"manifest=(?P<org>[^=]+)=(?P<repo>[^=]+)=(?P<tag>[^=]+)\.json")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What an unfinished model is called without what says that it is unfinished.
_UNFINISHED_MODEL = re.compile(r"(?:downloading_)?.+\.gguf(?:\.[a-z0-9]+)*(?:-partial)?", re.IGNORECASE)


def candidates(store: Store, folder: Path, looking: Looking) -> list[Candidate]:
    """All GGUF files below the folder, with what its layout says of them; stores the folder is laid out as too.

    Our own unfinished downloads are left out: they are shown where they go on.
    """
    if ollama.is_ollama(folder):
        return ollama.candidates(folder, looking)
    if ollama.is_ollama(folder / "models"):  # somebody named ~/.ollama
        return ollama.candidates(folder / "models", looking)
    repos = huggingface.repo_folders(folder, looking)
    found = huggingface.candidates(folder, looking, store) if repos else []
    manifests = _manifests(folder, looking) if store == "llama.cpp" else {}
    for path in files_below(folder, looking):
        if any(path.is_relative_to(repo) for repo in repos):
            continue
        if is_gguf(path):
            found.append(_candidate(store, folder, path, manifests))
        elif store != "jackdaw" and is_unfinished(path) and _UNFINISHED_MODEL.fullmatch(path.name):
            found.append(Candidate(store, path, path.name, problem=UNFINISHED_PROBLEM))
    return found


def _candidate(store: Store, root: Path, path: Path, manifests: dict[str, str]) -> Candidate:
    # A model's own folder is as far as its path says anything; what links lead to is not asked.
    parts = path.relative_to(root).parts
    repo, commit = manifests.get(path.name, ""), ""
    if store == "lm-studio" and len(parts) == 3:
        repo = "/".join(parts[:2])
    if store == "jackdaw" and len(parts) >= 4 and _COMMIT.fullmatch(parts[2]):
        repo, commit = "/".join(parts[:2]), parts[2]
    problem = "" if mode_of(path) is not None else "Its link leads to a file that is not there."
    return Candidate(store, path, repo or "/".join(parts), repo=repo, commit=commit, problem=problem)


def _manifests(folder: Path, looking: Looking) -> dict[str, str]:
    """Which repository a file of llama.cpp's flat cache came from, by the file's name."""
    found: dict[str, str] = {}
    for path in list_folder(folder, looking):
        if (named := _MANIFEST.fullmatch(path.name)) is None:
            continue
        try:
            files = list(_named_files(json.loads(read_small(path))))
        except OSError as error:
            looking.cannot(path, error)
            continue
        except (ValueError, RecursionError):
            looking.problems.append(f"{path}: it is no manifest that can be read.")
            continue
        repo = f"{named['org']}/{named['repo']}"
        found |= {f"{repo}/{file}".replace("/", "_"): repo for file in _all_parts(files)}
    return found


def _named_files(manifest: Any) -> Iterator[str]:
    if not isinstance(manifest, dict):
        raise ValueError("no object")
    for key in ("ggufFile", "mmprojFile"):
        file = manifest.get(key)
        if isinstance(file, dict) and isinstance(file.get("rfilename"), str):
            yield file["rfilename"]


def _all_parts(files: Iterable[str]) -> Iterator[str]:
    """The manifest of a split model names its first part only."""
    for file in files:
        split = re.fullmatch(r"(.+-)00001(-of-(\d{5})\.gguf)", file)
        yield from [f"{split[1]}{n:05d}{split[2]}" for n in range(1, int(split[3]) + 1)][:1000] if split else [file]
