"""One llama-server child with one model: started, watched, asked how it is, stopped, explained.

It listens on a Unix socket in the runtime folder with a random key of its own, has no network, no web pages and nothing
of our environment but what is allowed. Its last lines of output are kept for the explanation of its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.adapters import with_adapters
from engine.devices import memory_now, oom_kills, rss_bytes
from engine.endings import Circumstances, explain
from engine.errors import EngineError, EngineStopped
from engine.launch_args import launch_arguments
from engine.types import Kind, LoadPlan, Tuning
from engine.upstream import Upstream
from models.child import Child, ChildSpec, Ending, Jail, clean_environment, spawn
from models.errors import DiskFull, ModelsError
from models.split_gguf import part_paths

LOG_LINES = 200

# With this variable llama-server writes its load progress to standard output as JSON, one line each, and exits when its
# standard input ends; the port itself is never used. After SIGTERM it still waits for a word on standard input.
# Source: llama.cpp tools/server/server-models.cpp, server_child, and tools/server/server.cpp.
_REPORTING = {"LLAMA_SERVER_ROUTER_PORT": "0"}
_REPORT = "cmd_child_to_router:state:"
_FAREWELL = b"cmd_router_to_child:exit\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for a child, in seconds on the monotonic clock.

    `stall_s`: without any sign of progress while loading. `health_failures` health checks in a row, each unanswered for
    `health_timeout_s`, mean that it hangs; one alone may be a machine that slept.
    """

    stall_s: float = 60.0
    grace_s: float = 5.0
    health_interval_s: float = 5.0
    health_timeout_s: float = 10.0
    health_failures: int = 2


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What to start and where. `runtime_dir` is ours alone (0700) and short enough for a socket's name.

    `jailed` locks the child in with the files it was given; for builds made by us that compute on processors, because
    the drivers of GPUs need more than a jail gives, and other builds may have libraries anywhere.
    """

    model_id: str
    model_path: Path
    kind: Kind
    plan: LoadPlan
    program: Path
    runtime_dir: Path
    pidfiles: Path
    tuning: Tuning = field(default_factory=Tuning)
    patience: Patience = field(default_factory=Patience)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    jailed: bool = False


OnLoading = Callable[["LlamaServer"], None]


class LlamaServer:
    """A child that has been started. Use `start`; the attributes are complete once that has returned.

    `ended` is done when the child is gone, for whatever reason. `fraction` is the share loaded so far, 0..1 or None.
    `allocated_context` is tokens per slot and, like `slots`, what the child itself reports. `adapters` are those on its
    command line, in order, with the scales that hold for requests that name none.
    """

    def __init__(self, spec: ServerSpec, child: Child, upstream: Upstream, log: deque[str], socket_path: Path) -> None:
        self.spec = spec
        self.model_id = spec.model_id
        self.pid = child.pid
        self.argv = child.spec.argv
        self.socket_path = socket_path
        self.upstream = upstream
        self.ended: asyncio.Future[Ending] = child.ended
        self.allocated_context = 0
        self.slots = 0
        self.props: Mapping[str, Any] = {}
        self.adapters = spec.plan.adapters
        self.fraction: float | None = None
        self._child = child
        self._log = log
        self._loaded = asyncio.Event()
        self._ready = False
        self._reason = ""
        self._lines = 0
        self._free_bytes = memory_now().available_bytes
        self._oom_kills = oom_kills()
        self._watchdog: asyncio.Task[None] | None = None
        self._on_loading: OnLoading | None = None
        child.ended.add_done_callback(lambda _ended: self._clean_up())

    @classmethod
    async def start(cls, spec: ServerSpec, on_loading: OnLoading | None = None) -> LlamaServer:
        """Start a child and wait until its model is loaded; `on_loading` is called when the load has moved.

        Raises LoadFailed or OutOfMemory; when cancelled, the child is stopped first.
        """
        server = await cls._spawn(spec)
        server._on_loading = on_loading
        try:
            await server._wait_loaded()
            server.socket_path.chmod(0o600)  # made 0700 by our umask; owner-only either way, now like every other file
            await server._read_props()
        except BaseException:
            await server.stop()
            raise
        server._ready = True
        server._watchdog = asyncio.create_task(server._watch(), name=f"health of {spec.model_id}")
        return server

    @classmethod
    async def _spawn(cls, spec: ServerSpec) -> LlamaServer:
        name = secrets.token_hex(4)
        socket_path = spec.runtime_dir / f"llama-{name}.sock"
        key_file = spec.runtime_dir / f"llama-{name}.key"
        key = secrets.token_hex(32)
        work = spec.runtime_dir / "work"
        arguments = launch_arguments(
            spec.plan, spec.model_path, socket_path, key_file, alias=spec.model_id, tuning=spec.tuning, kind=spec.kind
        )
        log: deque[str] = deque(maxlen=LOG_LINES)
        holder: list[LlamaServer] = []
        try:
            _prepare_files(work, key_file, key)
            child = await spawn(
                ChildSpec(
                    argv=(str(spec.program), *arguments),
                    name="llama-server",
                    cwd=work,
                    environment=clean_environment(spec.environ, home=work, extra={**spec.tuning.environ, **_REPORTING}),
                    on_line=lambda line: holder[0]._on_line(line) if holder else log.append(line),
                    pidfiles=spec.pidfiles,
                    leftovers=(socket_path, key_file),
                    hold_stdin=True,
                    farewell=_FAREWELL,
                    jail=_jail(spec, work, key_file) if spec.jailed else None,
                )
            )
        except BaseException as error:
            key_file.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _not_started(spec, error) from error
            raise
        server = cls(spec, child, Upstream(socket_path, key), log, socket_path)
        holder.append(server)
        return server

    @property
    def ready(self) -> bool:
        """Loaded and, as far as we know, alive."""
        return self._ready and not self.ended.done()

    def log_tail(self) -> tuple[str, ...]:
        """The child's last lines, oldest first, at most LOG_LINES."""
        return tuple(self._log)

    def explain(self) -> EngineError:
        """Why it ended, as the error to show; before `ended` is done that is only that the connection broke."""
        if not self.ended.done():
            return EngineStopped(
                f"{self.model_id}: the engine broke off the connection.",
                hint="Ask again; the model's log may say more.",
                log_tail=self.log_tail(),
            )
        known = Circumstances(
            model_id=self.model_id,
            ready=self._ready,
            needed_bytes=self.spec.plan.needed_bytes,
            free_bytes=self._free_bytes,
            oom_killed=oom_kills() > self._oom_kills,
            reason=self._reason,
        )
        return explain(self.ended.result(), self.log_tail(), known)

    async def why(self, timeout_s: float = 2.0) -> EngineError:
        """`explain()` after a connection broke: gives the ending `timeout_s` to become known."""
        await asyncio.wait([self.ended], timeout=timeout_s)
        return self.explain()

    async def silent(self, silent_s: float) -> EngineError:
        """The error for a request that heard nothing for `silent_s` seconds.

        Whether the child hangs is asked of its inference loop: one that does not answer is ended, and with it every
        other request, which would have waited for ever.
        """
        try:
            await self.upstream.json("GET", "/slots", timeout_s=self.spec.patience.health_timeout_s)
        except (EngineError, OSError, TimeoutError):
            await self._give_up(f"it hung: not a word for {silent_s:.0f} s.")
            return self.explain()
        return EngineStopped(
            f"{self.model_id}: the engine sent nothing for {silent_s:.0f} s, so the request was ended.",
            hint="Ask again; a shorter prompt is answered sooner.",
            log_tail=self.log_tail(),
        )

    def with_adapters(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload with the adapters it asks for, or those that hold, as this child knows them. Raises BadOption."""
        return with_adapters(payload, self.adapters, self.model_id)

    async def stop(self) -> Ending:
        """Ask it to end, make it end after the grace time, and wait until it is gone. May be called twice."""
        return await self._child.stop(self.spec.patience.grace_s)

    async def healthy(self, timeout_s: float) -> bool:
        """Whether GET /health answers 200 in time; 503 is its answer while loading."""
        try:
            status, _ = await self.upstream.json("GET", "/health", timeout_s=timeout_s)
        except (EngineError, OSError, TimeoutError):
            return False
        return status == 200

    async def _wait_loaded(self) -> None:
        patience = self.spec.patience
        pause_s, quiet_s, seen, began = 0.02, 0.0, (0, 0), time.monotonic()
        while not await self.healthy(patience.health_timeout_s):
            if self.ended.done():
                raise self.explain()
            await self._pause(pause_s)
            # Weights that are paged in move the resident memory where neither the log nor the progress does.
            now = (self._lines, rss_bytes(self.pid))
            # A machine that slept, or a stopped service, must not look like a child that stalled.
            quiet_s = 0.0 if now != seen else quiet_s + min(time.monotonic() - began, patience.health_timeout_s + 1)
            seen, pause_s, began = now, min(0.25, pause_s * 1.5), time.monotonic()
            if quiet_s > patience.stall_s:
                await self._give_up(f"nothing moved for {patience.stall_s:.0f} s while it was loading.")
                raise self.explain()

    async def _pause(self, pause_s: float) -> None:
        if self._loaded.is_set():
            await asyncio.sleep(0.01)  # reported as loaded, the HTTP side follows at once
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._loaded.wait()

    async def _read_props(self) -> None:
        timeout_s = self.spec.patience.stall_s
        try:
            _, self.props = await self.upstream.json("GET", "/props", timeout_s=timeout_s)
            props = self.props
            self.allocated_context = int(props["default_generation_settings"]["n_ctx"])
            self.slots = int(props["total_slots"])
            # Answered by the inference loop itself. Until that runs, llama-server forgets a request to end.
            await self.upstream.json("GET", "/slots", timeout_s=timeout_s)
        except EngineStopped as error:
            raise await self.why() from error
        except (KeyError, TypeError, ValueError) as error:
            raise EngineStopped(
                f"{self.model_id}: this llama-server does not say how much context it has.",
                hint="Use the engine that Jackdaw builds, or a newer llama.cpp.",
            ) from error
        except TimeoutError:
            await self._give_up("it stopped answering right after loading.")
            raise self.explain() from None

    def _on_line(self, line: str) -> None:
        self._lines += 1
        if line.startswith(_REPORT):
            self._on_report(line.removeprefix(_REPORT))
        else:
            self._log.append(line)

    def _on_report(self, text: str) -> None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            report = json.loads(text)
            if report["state"] == "ready":
                self._loaded.set()
            elif report["state"] == "loading":
                self.fraction = max(self.fraction or 0.0, min(1.0, float(report["payload"]["value"])))
            if self._on_loading is not None and not self._ready:
                self._on_loading(self)

    async def _watch(self) -> None:
        """Notice a child that hangs: its HTTP threads do nothing but answer, so silence means that it is stuck."""
        patience, failures = self.spec.patience, 0
        while not self.ended.done():
            await asyncio.sleep(patience.health_interval_s)
            failures = 0 if await self.healthy(patience.health_timeout_s) else failures + 1
            if failures >= patience.health_failures and not self.ended.done():
                silent_s = failures * patience.health_timeout_s
                await self._give_up(f"it hung: no answer to {failures} health checks in {silent_s:.0f} s.")

    async def _give_up(self, reason: str) -> None:
        if not self.ended.done():
            self._reason = f"{reason[:-1]}, so it was stopped."
        await self.stop()

    def _clean_up(self) -> None:
        self._loaded.set()  # whoever waits for the load looks again, and finds the end
        self.upstream.close()
        if self._watchdog is not None:
            self._watchdog.cancel()


def _jail(spec: ServerSpec, work: Path, key_file: Path) -> Jail:
    """Its own program, the files of its model, its key; its folder is `work`, and its socket lies beside that."""
    plan, engine = spec.plan, spec.program.parent
    chosen = (plan.draft, plan.projector, *(adapter.path for adapter in plan.adapters))
    files = [part for path in (spec.model_path, *chosen) if path is not None for part in part_paths(path)]
    read = (engine, engine.parent / "lib", key_file, *files)
    return Jail(read=read, write=(work,), listen=spec.runtime_dir)


def _prepare_files(work: Path, key_file: Path, key: str) -> None:
    """Write the key, owner-only, and make the children's working folder."""
    work.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(key + "\n")


def _not_started(spec: ServerSpec, error: OSError) -> EngineError | ModelsError:
    """The error for a child that could not even be started; no sign that anything is wrong with the model."""
    reason = f"{spec.model_id} could not be loaded: {error.strerror or error} ({error.filename or spec.runtime_dir})."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(reason, hint=f"Make room on the disk with {spec.runtime_dir}, then try again.")
    return EngineError(reason, hint="Run `jackdaw doctor`; the service's log has more.")
