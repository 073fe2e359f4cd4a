"""Runs one of llama.cpp's conversion scripts in the jail, in a work folder beside its target.

    .NAME.convert.part/input/   what the script may read: copies of the settings, links to the weights
                        home/   its working folder, HOME and TMPDIR
                        out/    what it writes

What a kill leaves behind has such a name, is never taken for a model, and is removed by `sweep_conversions`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import models
from models.child import ChildSpec, Jail, clean_environment, spawn
from models.convert import script
from models.convert.script import WRITTEN
from models.disk_room import disk_full
from models.durable import sync
from models.errors import ConvertFailed, ConvertRefused, ModelsError
from models.gguf import GgufHeader, read_header
from models.llama_tool import QUIET_NICE, TAIL_LINES, watch
from models.llamacpp import EngineBuild
from models.progress import Cancel

SUFFIX = ".convert.part"
# What a full disk looks like in the log; the second is numpy's, which does not say why less was written.
_NO_ROOM = re.compile(r"No space left on device|\d+ requested and \d+ written")
_LINE_NOTES = ("INFO:", "WARNING:")


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folders of one run, all on the disk of its target."""

    root: Path
    target: Path

    @property
    def input(self) -> Path:
        return self.root / "input"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def out(self) -> Path:
        return self.root / "out" / "model.gguf"

    def take(self, folder: Path, settings: Sequence[str], weights: Sequence[str], below: str = "") -> None:
        """Put checked files of `folder` into the input: settings copied, so they stay as checked; weights linked."""
        for name in (*settings, *weights):
            path = self.input / below / name
            path.parent.mkdir(parents=True, exist_ok=True)
            source = (folder / name).resolve()
            if name in weights:
                path.symlink_to(source)
            else:
                shutil.copyfile(source, path)


@dataclass(frozen=True, slots=True)
class ScriptJob:
    """What a run needs besides its arguments. `pidfiles` as in ChildSpec; `needed_bytes` is for the message."""

    build: EngineBuild
    cancel: Cancel
    needed_bytes: int
    file_limit_bytes: int
    pidfiles: Path | None = None


@contextmanager
def workplace(target: Path, needed_bytes: int) -> Iterator[Workplace]:
    """Make the folders for `target`; they are gone at the end, whatever happens.

    Raises ConvertRefused when there is something of that name already, ConvertFailed when the folder is not writable,
    DiskFull also for what is done in it.
    """
    root = target.with_name(f".{target.name}{SUFFIX}")
    try:
        if os.path.lexists(target):
            raise ConvertRefused(f"{target} is there already.", hint="Delete or rename it, or choose another name.")
        shutil.rmtree(root, ignore_errors=True)
        place = Workplace(root, target)
        for folder in (root, place.input, place.home, place.out.parent):
            folder.mkdir(0o700)
        yield place
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(target.parent, needed_bytes) from error
        raise ConvertFailed(
            f"Nothing can be written to {target.parent}: {error.strerror}.", hint="Choose a folder of your own."
        ) from error
    finally:
        shutil.rmtree(root, ignore_errors=True)


def sweep_conversions(folder: Path) -> list[Path]:
    """Remove what killed conversions left below `folder`, and return what it was. No job may run there meanwhile."""
    found = sorted(path for path in folder.rglob(f".*{SUFFIX}") if path.is_dir() and not path.is_symlink())
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return found


def scripts_of(build: EngineBuild) -> Path:
    """The folder of the conversion scripts. Raises ConvertFailed when this build has none."""
    if build.convert_dir is None:
        raise ConvertFailed(
            f"{build.label} has no conversion scripts.", hint="Use the engine that Jackdaw builds: run `make engine`."
        )
    return build.convert_dir


async def run_script(
    job: ScriptJob, place: Workplace, name: str, arguments: Sequence[str], on_written: Callable[[int, int, int], None]
) -> int:
    """Run script `name` to its end; returns its peak memory in bytes.

    `on_written` gets tensors written, bytes written and bytes in all. Raises ConvertFailed with the end of the log,
    DiskFull, and Cancelled with the child gone. Must run on a loop whose thread lives on (see models/child.py).
    """
    job.cancel.check()
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    tensors = 0

    def listen(line: str) -> None:
        nonlocal tensors
        if line.startswith(WRITTEN):
            tensors += 1
            on_written(tensors, *(int(word) for word in line.split()[1:3]))
        else:
            tail.append(line)

    scripts = scripts_of(job.build)
    child = await spawn(
        ChildSpec(
            argv=(sys.executable, "-I", "-u", "-B", script.__file__, str(scripts), name, *arguments),
            name=name,
            cwd=place.home,
            environment=clean_environment(os.environ, home=place.home),
            on_line=listen,
            pidfiles=job.pidfiles,
            file_limit_bytes=job.file_limit_bytes,
            nice=QUIET_NICE,
            jail=_jail(place, scripts),
        )
    )
    peak = await watch(child, job.cancel)
    ending = await child.wait()
    job.cancel.check()
    if ending.exit_code != 0:
        raise _explained(job, place, list(tail), ending.sentence)
    return peak


async def keep(place: Workplace) -> GgufHeader:
    """Put the finished file in its place: its header is checked, its bytes are on the disk, then it gets its name."""
    return await asyncio.to_thread(_keep, place)


def _keep(place: Workplace) -> GgufHeader:
    header = read_header(place.out)
    place.out.chmod(0o600)
    sync(place.out)
    if os.path.lexists(place.target):
        raise ConvertRefused(f"{place.target} is there already.", hint="Delete or rename it, or choose another name.")
    place.out.rename(place.target)
    sync(place.target.parent)
    return header


def _full(folder: Path, needed_bytes: int) -> ModelsError:
    return disk_full(folder, needed_bytes, shutil.disk_usage(folder).free, "Converting")


def _jail(place: Workplace, scripts: Path) -> Jail:
    linked = tuple(path.resolve() for path in place.input.rglob("*") if path.is_symlink())
    package = Path(models.__file__).parent
    return Jail(read=(scripts, package, place.input, *linked), write=(place.home, place.out.parent), python=True)


def _explained(job: ScriptJob, place: Workplace, tail: list[str], sentence: str) -> ModelsError:
    """The error for a script that failed: its own last words, as they are the only reason there is."""
    text = "\n".join(tail)
    if _NO_ROOM.search(text):
        return _full(place.target.parent, job.needed_bytes)
    if "NotImplementedError: BPE pre-tokenizer" in text:
        return ConvertFailed(
            "The conversion failed: the model splits words in a way that llama.cpp does not know.",
            log_tail=text,
            hint="Look for a GGUF of this model, or try again with a newer Jackdaw.",
        )
    last = next((line for line in reversed(tail) if line.strip() and not line.startswith(_LINE_NOTES)), "")
    reason = last[:300] or sentence
    return ConvertFailed(f"The conversion failed: {reason}", log_tail=text, hint="The end of its log says more.")
