"""What the Hub says, as values. Bytes are bytes, times seconds since 1970; "" and 0 stand for what it did not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Access = Literal["open", "log_in", "accept_licence", "granted"]
Sort = Literal["downloads", "likes", "updated", "trending"]
Format = Literal["gguf", "safetensors", "any"]

MAX_LIMIT = 100


@dataclass(frozen=True)
class HubQuery:
    """What to search for; every part narrows the answer, "" leaves it open.

    `task` is one of ours (chat, code, autocomplete, embedding, rerank, vision) or the Hub's own pipeline tag.
    `architecture` is llama.cpp's name, such as "qwen3". `next` is the `next` of the page before.
    """

    words: str = ""
    author: str = ""
    task: str = ""
    licence: str = ""
    architecture: str = ""
    sort: Sort = "downloads"
    limit: int = 20
    next: str = ""
    format: Format = "gguf"


@dataclass(frozen=True)
class HubModel:
    """One search result."""

    repo: str
    author: str
    name: str
    task: str = ""
    licence: str = ""
    architecture: str = ""
    downloads: int = 0
    likes: int = 0
    updated_at: float = 0.0
    params: int | None = None
    gated: bool = False
    has_gguf: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class HubPage:
    """Results and the cursor of the next page, "" at the end."""

    models: tuple[HubModel, ...]
    next: str = ""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository. `sha256` is there for LFS files, `git_sha1` (of the blob) for the others."""

    path: str
    bytes: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True)
class HubVariant:
    """Files that make one loadable model: all parts of a split, and the picture part when the repository has one."""

    name: str
    quant: str
    about: str
    files: tuple[HubFile, ...]
    projector: HubFile | None = None
    recommended: bool = False

    @property
    def bytes(self) -> int:
        """Of everything that would be fetched."""
        return sum(file.bytes for file in self.files) + (self.projector.bytes if self.projector else 0)

    @property
    def all_files(self) -> tuple[HubFile, ...]:
        """What a download fetches."""
        return (*self.files, self.projector) if self.projector else self.files


@dataclass(frozen=True)
class RepoInfo:
    """A repository at one commit. `files` are those with a name that is safe here and of a kind we fetch."""

    repo: str
    commit: str
    author: str
    name: str
    url: str
    task: str = ""
    licence: str = ""
    licence_url: str = ""
    architecture: str = ""
    context_length: int = 0
    params: int | None = None
    base_model: str = ""
    downloads: int = 0
    likes: int = 0
    updated_at: float = 0.0
    gated: bool = False
    access: Access = "open"
    tags: tuple[str, ...] = ()
    files: tuple[HubFile, ...] = ()
    variants: tuple[HubVariant, ...] = ()
    other_files: tuple[HubFile, ...] = ()
    convertible: bool = False
    convert_problem: str = ""


@dataclass(frozen=True)
class HubUser:
    """Whose token it is."""

    name: str
    full_name: str = ""
