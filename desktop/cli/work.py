"""Long work: a job of the service, followed on one line until it has ended; Ctrl-C stops it as the work allows."""

from __future__ import annotations

import asyncio
from pathlib import Path

from desktop import wire
from desktop.cli.console import bytes_text
from desktop.cli.context import Context
from desktop.client import Client, ClientError, ServiceUnreachable

POLL_S = 0.1


async def follow(context: Context, client: Client, job: wire.Job) -> wire.Job:
    """Show a job's progress until it has ended or rests, and return it as it is then."""
    if job.state == "pending":  # most begin at once: what it would wait for is told when it does
        await asyncio.sleep(POLL_S)
        job = await client.job(job.id)
    while job.state in ("pending", "running"):
        fraction = job.done / job.total if job.total else None
        context.console.progress(fraction, progress_text(job))
        await asyncio.sleep(POLL_S)
        job = await client.job(job.id)
    context.console.clear_progress()
    return job


async def see_through(context: Context, client: Client, job: wire.Job, *, go_on: str = "") -> wire.Job:
    """Follow a job to its good end.

    On Ctrl-C it is paused when `go_on`, the command that goes on with it, is given and it can be; else cancelled.
    Raises ClientError with the job's own kind of error when it fails or rests.
    """
    try:
        job = await follow(context, client, job)
    except (KeyboardInterrupt, asyncio.CancelledError):
        await _leave(context, client, job, go_on)
        raise
    except ServiceUnreachable as error:
        hint = f"What was done is kept. Go on with: {go_on}" if go_on else error.hint
        raise ServiceUnreachable("The Jackdaw service ended meanwhile.", hint=hint) from error
    if job.state == "done":
        return job
    kind = str(job.details.get("kind") or f"job_{job.state}")
    hint = job.hint or (f"Go on with: {go_on}" if go_on and job.can_resume else "")
    raise ClientError(kind, job.error or f"{job.title or job.kind} was {job.state}.", hint=hint)


async def _leave(context: Context, client: Client, job: wire.Job, go_on: str) -> None:
    job = await client.job(job.id)
    if go_on and job.can_pause:
        await client.pause_job(job.id)
        context.console.note(f"Paused at {_share(job)}; nothing is lost. Go on with: {go_on}")
    elif job.state in ("pending", "running"):
        await client.cancel_job(job.id)


def progress_text(job: wire.Job) -> str:
    """How far it is, how fast it goes, when it will be done, and what it does."""
    parts = []
    if job.total and job.unit == "bytes":
        parts.append(f"{bytes_text(job.done)} of {bytes_text(job.total)}")
    elif job.total and job.unit:
        parts.append(f"{job.done} of {job.total} {job.unit}")
    if job.rate:
        parts.append(f"{bytes_text(round(job.rate))}/s" if job.unit == "bytes" else f"{job.rate:.3g} {job.unit}/s")
    if job.seconds_left is not None:
        parts.append(f"{time_text(job.seconds_left)} left")
    return "  ".join([*parts, job.message or job.title or job.kind])


def time_text(seconds: float) -> str:
    """A duration in its two largest units: "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _share(job: wire.Job) -> str:
    return f"{job.done / job.total:.0%}" if job.total else "the start"


def whole_path(text: str) -> str:
    """A path as it was typed here, made whole: the service has a folder of its own."""
    return str(Path(text).expanduser().absolute())


def exists(text: str) -> bool:
    """Whether a file or folder of that name is here."""
    return Path(text).expanduser().exists()


def model_ids(job: wire.Job) -> list[str]:
    """The models a job brought into the library: it answers with their ids, or with the row of one."""
    result = job.result or {}
    listed = result.get("models")
    if isinstance(listed, list):
        return [str(model) for model in listed]
    one = result.get("model")
    if isinstance(one, dict):
        return [str(one["id"])]
    return [one] if isinstance(one, str) and one else []
