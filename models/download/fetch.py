"""Fetch files of a pinned commit: resumable, verified, all or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from models.disk_room import require_room
from models.download.digest import holds
from models.download.partial import Partial, remove_empty
from models.download.plan import Plan, existing, keeps
from models.download.types import DownloadSpec, Limits
from models.download.worker import Follower, Worker
from models.durable import sync
from models.errors import Cancelled
from models.network import Network
from models.progress import Cancel, Progress, Report

_POLL_S = 0.1
_JOIN_S = 1.5


async def fetch(
    spec: DownloadSpec,
    network: Network,
    token: Callable[[], str | None],
    report: Report,
    cancel: Cancel,
    *,
    limits: Limits | None = None,
) -> tuple[Path, ...]:
    """Fetch every file of `spec`; returns where they lie, in the order of `spec.files`.

    No file has its name before all of them are there and their hashes are right; files that are there already are
    hashed and kept. What came before a failure that may pass or that somebody can mend (Offline, RateLimited,
    HubTrouble 5xx, DiskFull, AirGapped, LoginNeeded, LicenceNeeded, an untrusted certificate), and before a `cancel`
    for "pause" or "end", stays as partial files that the next call goes on from; after a "cancel" and any other error
    the folder is as it was.

    Connections are threads with large buffers, so the loop is free. Raises Cancelled within 2 s; UnsafeName, DiskFull
    (before anything is asked), AirGapped, RedirectRefused, Offline, RateLimited, LoginNeeded, LicenceNeeded,
    RepoNotFound, HubTrouble, TooLarge, CommitChanged and HashMismatch, which names the host.
    """
    limits = limits or Limits()
    spec.check()
    network.check(network.endpoint)
    plan = Plan(spec, network, token, limits)
    await asyncio.to_thread(_prepare, spec, plan, limits, report, cancel)
    keep = False
    try:
        if not plan.is_done:
            await _run(plan, network, limits, report, cancel)
        done = await asyncio.to_thread(_finish, spec, plan)
        report(plan.progress())
        keep = True
        return done
    except Cancelled:
        keep = cancel.reason != "cancel"
        raise
    except asyncio.CancelledError:
        keep = True
        raise
    except Exception as error:
        keep = keeps(error)
        raise
    finally:
        await asyncio.shield(asyncio.to_thread(_close, spec, plan, keep))


def _prepare(spec: DownloadSpec, plan: Plan, limits: Limits, report: Report, cancel: Cancel) -> None:
    """See what is there, and whether there is room for the rest."""
    for file in spec.files:
        target = spec.target(file)
        if target.exists():
            report(Progress(0, spec.total_bytes, "bytes", f"Looking at {file.path}, which is there already"))
            if holds(target, file, lambda: not cancel.is_set):
                plan.add_present(file)
                continue
            cancel.check()
        plan.add(file, Partial(spec, file))
    require_room(existing(spec.folder), plan.missing_bytes, spec.repo, limits.floor_bytes)


async def _run(plan: Plan, network: Network, limits: Limits, report: Report, cancel: Cancel) -> None:
    """Let the connections work, until all is there, something failed, or somebody asks to stop."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    plan.on_end = functools.partial(_wake, loop, ended)
    workers = [Worker(plan, network, limits, number) for number in range(limits.connections)]
    threads: list[threading.Thread] = [*workers, Follower(plan, limits)]
    for thread in threads:
        thread.start()
    try:
        while not ended.is_set():
            cancel.check()
            report(plan.progress())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _POLL_S)
    finally:
        plan.on_end = lambda: None
        plan.stop()
        for worker in workers:
            worker.abort()
        await asyncio.shield(asyncio.to_thread(_join, threads))
    if plan.error is not None:
        raise plan.error


def _wake(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    loop.call_soon_threadsafe(ended.set)


def _join(threads: Sequence[threading.Thread]) -> None:
    # A thread that asks for the address of a name cannot be woken: it ends by itself and touches no file.
    deadline = time.monotonic() + _JOIN_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _finish(spec: DownloadSpec, plan: Plan) -> tuple[Path, ...]:
    """Give all files their names, then bring the folders to the disk."""
    for item in plan.items:
        item.partial.finish()
    targets = tuple(spec.target(file) for file in spec.files)
    for folder in {target.parent for target in targets}:
        sync(folder)
    return targets


def _close(spec: DownloadSpec, plan: Plan, keep: bool) -> None:
    plan.close(keep=keep)
    for file in spec.files:
        remove_empty(spec.target(file).parent, spec.folder)
