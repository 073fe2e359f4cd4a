"""What is to be fetched, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.errors import HubTrouble, UnsafeName
from models.hub.names import check_repo_id, check_sha256, repo_folder, safe_path
from models.network import CONNECT_TIMEOUT_S, STALL_TIMEOUT_S

MIB = 1 << 20
MAX_FILE_BYTES = 1 << 61  # beyond what any disk holds, and far from what a 64 bit offset cannot say
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a pinned commit. `sha256` is there for LFS files, `git_sha1` (of the git blob) for the others."""

    path: str
    bytes: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True, slots=True)
class DownloadSpec:
    """Files of one repository at one commit, and the folder of all models they go below."""

    repo: str
    commit: str
    files: tuple[RemoteFile, ...]
    folder: Path

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def target_folder(self) -> Path:
        return repo_folder(self.folder, self.repo, self.commit)

    def target(self, file: RemoteFile) -> Path:
        """Where the finished file lies: <folder>/<author>/<name>/<commit>/<path>."""
        return safe_path(self.target_folder, file.path)

    def check(self) -> None:
        """Raise UnsafeName for any name or digest that must not become a path or a comparison here.

        Also for two files in one place, HubTrouble for a file that could not be checked or whose size is none.
        """
        check_repo_id(self.repo)
        for file in self.files:
            self.target(file)
            if file.sha256:
                check_sha256(file.sha256)
            self._check_promise(file)
        self._check_places()

    def _check_promise(self, file: RemoteFile) -> None:
        if not (file.sha256 or file.git_sha1):
            raise HubTrouble(
                f"Nothing says what {file.path} of {self.repo} is to be (no hash), so it is not fetched.",
                status=200,
                hint="The Hub itself gives a hash for every file; a mirror may not.",
            )
        if not 0 <= file.bytes < MAX_FILE_BYTES or (file.bytes == 0 and file.sha256 not in ("", EMPTY_SHA256)):
            raise HubTrouble(f"The size given for {file.path} of {self.repo} cannot be true.", status=200)

    def _check_places(self) -> None:
        # Without case, because some disks do not tell it apart: one file would be written by two.
        folders = {folder for file in self.files for folder in PurePosixPath(file.path.casefold()).parents}
        taken: set[PurePosixPath] = set()
        for file in self.files:
            path = PurePosixPath(file.path.casefold())
            if path in taken or path in folders:
                raise UnsafeName(f"{self.repo} wants two files in one place: {file.path}.")
            taken.add(path)


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard to try. Seconds and bytes.

    `connections` are open at once, over all files. `part_bytes` is what one request asks for, and the most that a
    kill makes us fetch twice. `resumes` is how often a file is tried again without progress in between; the first wait
    is `backoff_s`, each next one twice as long, up to a quarter more at random. A server that asks for a longer wait
    than `patience_s` ends the work. `floor_bytes` None keeps 1 GiB or 1 % of the disk free.
    """

    connections: int = 4
    part_bytes: int = 64 * MIB
    floor_bytes: int | None = None
    connect_s: float = CONNECT_TIMEOUT_S
    stall_s: float = STALL_TIMEOUT_S
    resumes: int = 6
    backoff_s: float = 1.0
    patience_s: float = 600.0

    @property
    def block_bytes(self) -> int:
        """What one connection may hold that no manifest knows of."""
        return max(16 * 1024, min(MIB, self.part_bytes // (4 * self.connections)))
