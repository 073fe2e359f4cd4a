"""One child process: started with limits and a clean environment, read line by line, stopped gently, and explained.

Children of the service run in their own session and die with it: PR_SET_PDEATHSIG on Linux, besides pidfiles that the
next start reads (models/orphans.py). The signal comes when the *thread* that started the child ends, so `spawn` belongs
on a loop whose thread lives as long as the process, never in a worker thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models import child_exec
from models.child_environment import clean_environment
from models.errors import BinaryMissing
from models.jail.rules import Jail
from models.orphans import mark_process, reap_orphans, signal_group, write_pidfile

__all__ = ["Child", "ChildSpec", "Ending", "Jail", "clean_environment", "reap_orphans", "spawn"]

LINE_LIMIT = 4096  # characters kept of one line of output
_READ_BYTES = 65536
_DRAIN_S = 1.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to start. `argv[0]` is an absolute path; limits are in bytes, None means none; `name` is for messages.

    `on_line` gets every line of standard output and error, without its end, at most LINE_LIMIT characters, on the loop.
    `line_ends` are the bytes a line ends with: some tools count up in one long line, each number closed by a comma.
    `pidfiles` is the folder for the pidfile. `leftovers` are files removed when the child has ended.
    `hold_stdin` keeps a pipe open as standard input, so that a child that watches it notices our end; `farewell` is
    written to that pipe when the child is asked to stop. `jail` locks it in as far as this system can.
    `pass_fds` are open descriptors it gets under their numbers.
    """

    argv: tuple[str, ...]
    name: str
    cwd: Path
    environment: Mapping[str, str]
    on_line: Callable[[str], None] | None = None
    line_ends: bytes = b"\n"
    pidfiles: Path | None = None
    leftovers: tuple[Path, ...] = ()
    data_limit_bytes: int | None = None
    file_limit_bytes: int | None = None
    nice: int = 0
    hold_stdin: bool = False
    farewell: bytes = b""
    jail: Jail | None = None
    pass_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended. Exactly one of `exit_code` and `signal_name` is set; `asked` when we stopped it."""

    name: str
    exit_code: int | None
    signal_name: str | None
    asked: bool

    @property
    def sentence(self) -> str:
        if self.asked:
            return f"{self.name} was stopped."
        if self.signal_name is not None:
            return f"{self.name} was killed by {self.signal_name}."
        return f"{self.name} exited with code {self.exit_code}."

    @property
    def crashed(self) -> bool:
        """Whether it ended by a signal that we did not send."""
        return self.signal_name is not None and not self.asked


class Child:
    """A running child. `ended` is done as soon as it is gone and its output is read."""

    def __init__(self, spec: ChildSpec, process: asyncio.subprocess.Process) -> None:
        self.spec = spec
        self.pid = process.pid
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._process = process
        self._asked = False
        self._pidfile = _note(spec, process.pid)
        self._task = asyncio.create_task(self._watch(), name=f"child {process.pid}")

    async def wait(self) -> Ending:
        """Wait until the child has ended; cancelling the wait leaves the child alone."""
        return await asyncio.shield(self.ended)

    async def stop(self, grace_s: float = 5.0) -> Ending:
        """SIGTERM, again after half of `grace_s`, then SIGKILL, to the whole group; returns when it is gone."""
        if not self.ended.done():
            self._asked = self._asked or self._process.returncode is None
            self._say_farewell()
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # a stopped process could not act on the first
            # Twice, because a program that is just starting up may miss the first: llama-server does.
            for wait_s, number in ((grace_s / 2, signal.SIGTERM), (grace_s / 2, signal.SIGKILL)):
                with contextlib.suppress(TimeoutError):
                    return await asyncio.wait_for(self.wait(), wait_s)
                self._signal(number)
        return await self.wait()

    def kill(self) -> None:
        """SIGKILL to the group at once, for a child that is known not to listen."""
        self._asked = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            signal_group(self.pid, number)

    def _say_farewell(self) -> None:
        stdin = self._process.stdin
        if stdin is not None and self.spec.farewell and not stdin.is_closing():
            stdin.write(self.spec.farewell)

    async def _watch(self) -> None:
        reader = asyncio.create_task(self._read())
        code = await self._process.wait()
        # Something it started may hold the pipe open: what was written is read, then we stop listening.
        await asyncio.wait([reader], timeout=_DRAIN_S)
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader
        if self._process.stdin is not None:
            self._process.stdin.close()
        for path in (self._pidfile, *self.spec.leftovers):
            if path is not None:
                path.unlink(missing_ok=True)
        self.ended.set_result(
            Ending(self.spec.name, code if code >= 0 else None, _signal_name(code) if code < 0 else None, self._asked)
        )

    async def _read(self) -> None:
        assert self._process.stdout is not None
        rest, ends = b"", re.compile(b"[" + re.escape(self.spec.line_ends) + b"]")
        while block := await self._process.stdout.read(_READ_BYTES):
            *lines, rest = ends.split(rest + block)
            for line in lines:
                self._hand_out(line)
            if len(rest) > _READ_BYTES:  # a line without end must not fill our memory
                self._hand_out(rest)
                rest = b""
        self._hand_out(rest)

    def _hand_out(self, line: bytes) -> None:
        text = _CONTROL.sub("", line[: 4 * LINE_LIMIT].decode("utf-8", "replace")).rstrip()[:LINE_LIMIT]
        if text and self.spec.on_line is not None:
            self.spec.on_line(text)


async def spawn(spec: ChildSpec) -> Child:
    """Start a child as `spec` says. Raises BinaryMissing when its program is not an executable file, or OSError."""
    _check_program(spec.argv[0])
    process = await asyncio.create_subprocess_exec(
        *_prefix(spec),
        *spec.argv,
        stdin=asyncio.subprocess.PIPE if spec.hold_stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=spec.cwd,
        env=dict(spec.environment),
        pass_fds=spec.pass_fds,
    )
    try:
        return Child(spec, process)
    except BaseException:  # its pidfile could not be written: nobody would ever end it
        signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        raise


def _check_program(program: str) -> None:
    if not (os.path.isabs(program) and os.path.isfile(program) and os.access(program, os.X_OK)):  # noqa: PTH117, PTH113
        raise BinaryMissing(f"{program} is not a program that can be started.", hint="Run `jackdaw doctor`.")


def _prefix(spec: ChildSpec) -> tuple[str, ...]:
    if sys.platform == "win32":
        return ()
    words = spec.jail.words() if spec.jail is not None else ()
    limits = (spec.data_limit_bytes or 0, spec.file_limit_bytes or 0, spec.nice, len(words))
    return (sys.executable, "-I", "-S", child_exec.__file__, str(os.getpid()), *map(str, limits), *words)


def _note(spec: ChildSpec, pid: int) -> Path | None:
    mark = mark_process(pid) if spec.pidfiles is not None else None
    if spec.pidfiles is None or mark is None:
        return None
    return write_pidfile(spec.pidfiles, mark, spec.name, spec.leftovers)


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
