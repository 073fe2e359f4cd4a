"""What one child may touch, as its starter states it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Jail"]


@dataclass(frozen=True, slots=True)
class Jail:
    """The files and sockets of one child; system libraries and the child's own /proc come with it.

    `read` are files and folders it may read and run programs from, `write` those it may also change. What is in
    neither is closed to it. `python` adds the interpreter with its packages. No child may connect anywhere; one that
    serves may make a Unix stream socket in the folder `listen`, and do nothing else there. Paths that do not exist are
    passed over. Where the kernel offers less, less holds: see state.py.
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    python: bool = False
    listen: Path | None = None

    def words(self) -> tuple[str, ...]:
        """The jail as arguments of child_exec.py, never none: one letter each, then an absolute path."""
        read = (*self.read, *(interpreter_folders() if self.python else ()))
        words = [f"r{path.absolute()}" for path in read]
        words += [f"w{path.absolute()}" for path in self.write]
        words += [f"l{self.listen.absolute()}"] if self.listen is not None else []
        return ("jail", *words)


def interpreter_folders() -> tuple[Path, ...]:
    """Where this interpreter, its standard library and its packages are; never a folder that holds more than those."""
    executable = Path(sys.executable)
    folders = {Path(sys.prefix), Path(sys.base_prefix), executable, executable.resolve()}
    folders |= {Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    return tuple(sorted(folders))
