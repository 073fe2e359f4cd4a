"""Every folder and file name Jackdaw uses, in one place.

`JACKDAW_HOME` or `--home` puts everything below one folder; otherwise platformdirs decides. All folders are 0700 and
all files 0600: `secure_umask()` is called first in every process.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

# sockaddr_un.sun_path holds 108 bytes on Linux, 104 on macOS; the longest name below is "llama-<8 hex>.sock".
MAX_SOCKET_PATH = 100


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one data folder's things are. Nothing is created before `create()`."""

    data: Path
    runtime: Path
    cache: Path

    @property
    def database(self) -> Path:
        return self.data / "jackdaw.db"

    @property
    def files_database(self) -> Path:
        """The index of the user's files: texts, lexical index, vectors. It can be made again from the files."""
        return self.data / "files.db"

    @property
    def vectors(self) -> Path:
        """The vector index, a cache of what files.db holds; owned by one worker."""
        return self.data / "vectors"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def settings(self) -> Path:
        return self.data / "settings.toml"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def window_state(self) -> Path:
        """Geometry and the like of the window: worth keeping, never worth an error."""
        return self.data / "window.json"

    @property
    def lock(self) -> Path:
        """Held with flock by the service; its text names pid and port."""
        return self.data / "service.lock"

    @property
    def window_lock(self) -> Path:
        """Held with flock by the one window of this data folder."""
        return self.runtime / "window.lock"

    @property
    def control_socket(self) -> Path:
        return self.runtime / "control.sock"

    @property
    def runtime_file(self) -> Path:
        """JSON: pid, start time, port, version of the running service."""
        return self.runtime / "service.json"

    @property
    def children(self) -> Path:
        """One pidfile per child, read by the reaper of the next start."""
        return self.runtime / "children"

    @property
    def engines(self) -> Path:
        """llama.cpp builds, by the hash of what they were built from; shared by all data folders and checkouts."""
        return engine_cache()

    def create(self) -> None:
        """Make the folders, owner-only; a folder that is somebody else's or open to others is refused."""
        for folder in (self.data, self.runtime, self.cache, self.models, self.logs, self.children):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.name == "posix":
                info = folder.stat()
                if info.st_uid != os.getuid():
                    raise PermissionError(f"{folder} belongs to another user; choose another folder with --home.")
                if stat.S_IMODE(info.st_mode) != 0o700:
                    folder.chmod(0o700)


def secure_umask() -> None:
    """New files 0600, new folders 0700, whatever the shell had."""
    os.umask(0o077)


def find_paths(home: Path | None = None) -> Paths:
    """The folders for `home`, for JACKDAW_HOME, or for this user, in this order."""
    chosen = home or (Path(os.environ["JACKDAW_HOME"]) if os.environ.get("JACKDAW_HOME") else None)
    if chosen is not None:
        root = chosen.expanduser().resolve()
        return Paths(data=root, runtime=_runtime_below(root), cache=root / "cache")
    data = Path(platformdirs.user_data_dir("jackdaw", appauthor=False))
    return Paths(data=data, runtime=_runtime_below(data), cache=Path(platformdirs.user_cache_dir("jackdaw", False)))


def engine_cache() -> Path:
    """The folder of llama.cpp builds: JACKDAW_ENGINE_CACHE or the user's cache folder."""
    if chosen := os.environ.get("JACKDAW_ENGINE_CACHE"):
        return Path(chosen).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("jackdaw", False)) / "engine"


def _runtime_below(data: Path) -> Path:
    """`<data>/run` while socket paths stay short enough, else a folder of ours in the runtime or temp folder."""
    runtime = data / "run"
    if sys.platform == "win32" or len(os.fsencode(runtime)) + 24 <= MAX_SOCKET_PATH:
        return runtime
    name = "jackdaw-" + hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and len(os.fsencode(base)) + len(name) + 24 <= MAX_SOCKET_PATH:
        return Path(base) / name
    return Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
