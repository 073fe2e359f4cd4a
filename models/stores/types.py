"""What is found in the stores of other programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.gguf import Kind
from models.library_rows import Origin

Store = Literal["ollama", "lm-studio", "huggingface", "llama.cpp", "folder", "jackdaw"]
Method = Literal["reflink", "hardlink", ""]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file a store names as a model, before its header was read. `problem` says why it is none that can be used.

    `label` is the store's name for the model, `sha256` what the store says it is: nobody checked that.
    """

    store: Store
    path: Path
    label: str
    sha256: str = ""
    repo: str = ""
    commit: str = ""
    projector: Path | None = None
    projector_sha256: str = ""
    aliases: tuple[str, ...] = ()
    problem: str = ""
    names_model: bool = False  # the file's own name says nothing; the label does


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model in somebody's store; it can be used where it lies unless `problem` says why not."""

    path: Path  # of a split model its first part
    name: str
    store: Store
    label: str
    bytes: int
    files: tuple[Path, ...] = ()  # all parts; the projector is apart
    quant: str = ""
    arch: str = ""
    kind: Kind = "chat"
    model_id: str = ""  # in the library already
    problem: str = ""
    projector: Path | None = None
    sha256: str = ""  # of `path`, as the store names it or as it was computed
    projector_sha256: str = ""
    repo: str = ""
    commit: str = ""
    aliases: tuple[str, ...] = ()  # other labels of the same file
    names_model: bool = False

    def origin(self) -> Origin:
        """What the library should remember when this model is imported."""
        return Origin(
            source=self.store if self.store != "jackdaw" else "hub" if self.repo else "import",
            label=self.label if self.names_model else "",
            repo=self.repo,
            commit=self.commit,
            sha256=self.sha256,
            projector=self.projector,
        )


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """One folder that was looked through; `bytes` is what its models take on the disk."""

    store: Store
    folder: Path
    models: int
    bytes: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Files with one content. `wasted_bytes` is what merging would free; what is shared already counts once.

    `method` "" means it cannot be done, and `problem` says why.
    """

    sha256: str
    bytes: int
    paths: tuple[Path, ...]
    stores: tuple[Store, ...]  # of the paths, in their order
    wasted_bytes: int
    method: Method = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """All that one scan saw; `scanned_at` in seconds since 1970."""

    scanned_at: float
    stores: tuple[StoreSeen, ...] = ()
    models: tuple[FoundModel, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    unhashed: int = 0  # files that may have a twin and could not be compared
    paths: tuple[Path, ...] = field(default=(), repr=False)  # every model file seen, for `Library.remove`
