"""Repositories of the fake Hub and what its API says of them; no sockets here. See fake_hub.py."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import BadGguf
from models.gguf import read_header

LFS_BYTES = 10_000_000  # the Hub keeps larger files in LFS whatever their name
LFS_SUFFIXES = (".gguf", ".safetensors", ".bin", ".pt", ".onnx", ".model")
Json = dict[str, Any]
Source = Path | bytes


@dataclass(frozen=True, slots=True)
class RepoFile:
    """A file of one commit. `sha256` is empty for small files, which the Hub keeps in git itself."""

    path: str
    source: Source
    size: int
    blob_id: str  # of a file in LFS: the id of its pointer
    sha256: str

    @classmethod
    def of(cls, path: str, source: Source) -> RepoFile:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if not (path.endswith(LFS_SUFFIXES) or size > LFS_BYTES):
            return cls(path, source, size, _git_blob(_content(source)), "")
        oid = _sha256(source)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
        return cls(path, source, size, _git_blob(pointer.encode()), oid)

    @property
    def lfs(self) -> Json | None:
        return {"size": self.size, "sha256": self.sha256, "pointerSize": 134} if self.sha256 else None

    @property
    def sibling(self) -> Json:
        row: Json = {"rfilename": self.path, "size": self.size, "blobId": self.blob_id}
        return {**row, "lfs": self.lfs} if self.sha256 else row

    @property
    def entry(self) -> Json:
        row: Json = {"type": "file", "oid": self.blob_id, "size": self.size, "path": self.path}
        lfs = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
        return {**row, "lfs": lfs} if self.sha256 else row


@dataclass
class Repo:
    """A repository with all its commits; `main` is the newest. `gated` is "", "auto" or "manual"."""

    id: str
    gated: str = ""
    private: bool = False
    granted: frozenset[str] = frozenset()  # users that accepted the licence, or may see a private one
    licence: str = ""
    tags: tuple[str, ...] = ()
    pipeline_tag: str = ""
    downloads: int = 0
    likes: int = 0
    updated_at: str = "2026-10-01T12:00:00.000Z"
    card_data: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    gguf: Json = field(default_factory=dict)
    safetensors: Json = field(default_factory=dict)
    commits: dict[str, dict[str, RepoFile]] = field(default_factory=dict)
    main: str = ""

    def commit(self, files: Mapping[str, Source]) -> str:
        """Make a commit that holds exactly `files` the `main` one. Returns its id, which follows from the content."""
        made = {path: RepoFile.of(path, source) for path, source in sorted(files.items())}
        text = "".join(f"{file.path}\0{file.sha256 or file.blob_id}\n" for file in made.values())
        self.main = hashlib.sha1(f"{self.id}\n{text}".encode()).hexdigest()
        self.commits[self.main] = made
        self.gguf = self.gguf or _gguf_facts(made.values())
        return self.main

    def files(self, revision: str) -> dict[str, RepoFile] | None:
        """Files at a branch or commit; None when there is no such revision."""
        return self.commits.get(self.sha(revision))

    def sha(self, revision: str) -> str:
        return self.main if revision == "main" else revision

    def may_read(self, user: str) -> bool:
        return not (self.gated or self.private) or user in self.granted

    def row(self, revision: str = "main", *, blobs: bool = False, siblings: bool = True) -> Json:
        """What `/api/models` and `/api/models/{repo}` say of it."""
        said: Json = {
            "_id": hashlib.sha1(self.id.encode()).hexdigest()[:24],
            "id": self.id,
            "modelId": self.id,
            "author": self.id.partition("/")[0],
            "sha": self.sha(revision),
            "lastModified": self.updated_at,
            "createdAt": self.updated_at,
            "private": self.private,
            "gated": self.gated or False,
            "disabled": False,
            "downloads": self.downloads,
            "likes": self.likes,
            "tags": self.all_tags,
            "cardData": {**({"license": self.licence} if self.licence else {}), **self.card_data},
        }
        extra = {"pipeline_tag": self.pipeline_tag, "config": self.config, "gguf": self.gguf}
        said |= {key: value for key, value in {**extra, "safetensors": self.safetensors}.items() if value}
        if siblings:
            files = (self.files(revision) or {}).values()
            said["siblings"] = [file.sibling if blobs else {"rfilename": file.path} for file in files]
        return said

    @property
    def all_tags(self) -> list[str]:
        own = [f"license:{self.licence}"] if self.licence else []
        form = ["gguf"] if any(path.endswith(".gguf") for path in self.commits[self.main]) else []
        return [*self.tags, *form, *own]

    def tree(self, revision: str, folder: str, *, recursive: bool) -> list[Json]:
        """Entries below a folder, folders first as the Hub lists them."""
        start = f"{folder}/" if folder else ""
        inside = [file for path, file in (self.files(revision) or {}).items() if path.startswith(start)]
        folders: dict[str, None] = {}
        for file in inside:
            parents = file.path[len(start) :].split("/")[:-1]
            for depth in range(1, (len(parents) if recursive else min(1, len(parents))) + 1):
                folders[start + "/".join(parents[:depth])] = None
        shown = [file for file in inside if recursive or "/" not in file.path[len(start) :]]
        rows = [{"type": "directory", "oid": _git_blob(name.encode()), "size": 0, "path": name} for name in folders]
        return rows + [file.entry for file in shown]


def find(repos: Iterable[Repo], query: Mapping[str, Sequence[str]]) -> list[Repo]:
    """Repositories that match a search as the Hub understands it, sorted as asked; every word must be in the id."""
    words = " ".join(query.get("search", ())).lower().split()
    wanted = [*query.get("filter", ()), *query.get("pipeline_tag", ())]
    author = "".join(query.get("author", ()))
    found = [
        repo
        for repo in repos
        if not repo.private
        and all(word in repo.id.lower() for word in words)
        and all(tag in (*repo.all_tags, repo.pipeline_tag) for tag in wanted)
        and (not author or repo.id.startswith(f"{author}/"))
    ]
    key = {"likes": lambda repo: repo.likes, "lastModified": lambda repo: repo.updated_at}.get(
        "".join(query.get("sort", ())), lambda repo: repo.downloads
    )
    return sorted(found, key=key, reverse=True)


def _gguf_facts(files: Iterable[RepoFile]) -> Json:
    for file in files:
        if file.path.endswith(".gguf") and isinstance(file.source, Path):
            try:
                header = read_header(file.source)
            except BadGguf:
                continue
            facts = {"total": header.parameter_count, "architecture": header.architecture}
            return {**facts, "context_length": header.context_length}
    return {}


def _content(source: Source) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sha256(source: Source) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
