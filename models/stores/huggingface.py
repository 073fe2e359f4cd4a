"""Hugging Face's cache: snapshots of commits hold links with names, the blobs they lead to are named by their hash.

    models--ORG--NAME/refs/main                      the commit "main" stood for
                      snapshots/COMMIT/[folder/]file a link into blobs, or the file itself where links cannot be made
                      blobs/<64 hex>                 LFS files by sha256; small files by git's sha1, 40 hex
                      blobs/<hex>.incomplete         unfinished

Source: huggingface_hub docs, "Understand caching". The downloader does not check the hash it names a blob by, so that
name is a claim. llama.cpp uses the same folders now.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from models.blocks import inode_of
from models.stores.types import Candidate, Store
from models.stores.walk import (
    UNFINISHED_PROBLEM,
    Looking,
    files_below,
    is_folder,
    is_gguf,
    list_folder,
    read_small,
    size_of,
)

REPO_FOLDER = "models--"
_BLOB = re.compile(r"[0-9a-f]{64}")
MIN_MODEL_BYTES = 1 << 20  # of an unfinished blob, whose name does not say what it will be


def repo_folders(folder: Path, looking: Looking) -> list[Path]:
    """The folders of model repositories in a cache folder."""
    return [entry for entry in list_folder(folder, looking) if entry.name.startswith(REPO_FOLDER) and is_folder(entry)]


def candidates(folder: Path, looking: Looking, store: Store = "huggingface") -> list[Candidate]:
    """Each GGUF file of the cache once: a file several commits share is the one's that "main" stands for."""
    return [found for repo in repo_folders(folder, looking) for found in _of_repo(repo, looking, store)]


def _of_repo(folder: Path, looking: Looking, store: Store) -> Iterator[Candidate]:
    repo = folder.name.removeprefix(REPO_FOLDER).replace("--", "/")
    seen: set[tuple[int, int]] = set()
    for snapshot in _snapshots(folder, looking):
        for path in files_below(snapshot, looking):
            inode = inode_of(path)
            if not is_gguf(path) or inode in seen:
                continue
            seen.update([inode] if inode else [])
            target = Path(os.path.realpath(path))
            yield Candidate(
                store=store,
                path=path,
                label=repo,
                sha256=target.name if _BLOB.fullmatch(target.name) else "",
                repo=repo,
                commit=snapshot.name,
                problem="" if inode else "Its link leads to a file that is not there.",
            )
    yield from _unfinished(folder / "blobs", repo, looking, store)


def _snapshots(folder: Path, looking: Looking) -> list[Path]:
    """The commit "main" stands for first, then the newest."""
    try:
        main = read_small(folder / "refs/main", 200).decode(errors="replace").strip()
    except (OSError, ValueError):
        main = ""

    def order(snapshot: Path) -> tuple[bool, float]:
        try:
            return snapshot.name != main, -snapshot.stat().st_mtime
        except OSError:
            return True, 0.0

    return sorted((entry for entry in list_folder(folder / "snapshots", looking) if is_folder(entry)), key=order)


def _unfinished(blobs: Path, repo: str, looking: Looking, store: Store) -> Iterator[Candidate]:
    for path in list_folder(blobs, looking):
        if path.name.endswith((".incomplete", ".downloadInProgress")) and size_of(path) >= MIN_MODEL_BYTES:
            yield Candidate(store, path, repo, repo=repo, problem=UNFINISHED_PROBLEM)
