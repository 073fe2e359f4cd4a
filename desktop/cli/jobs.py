"""jobs list, watch, pause, resume, cancel."""

from __future__ import annotations

from desktop import wire
from desktop.cli.context import DONE, Context
from desktop.cli.work import progress_text, see_through

OVER = frozenset({"done", "failed", "cancelled"})


async def show_all(context: Context) -> int:
    """Jobs that are not over, all of them with --all; the newest last."""
    async with context.client() as client:
        jobs = await client.jobs()
    shown = jobs if context.arguments.all else [job for job in jobs if job.state not in OVER]
    rows = [(job.id, job.kind, job.state, _share(job), job.error or job.title or progress_text(job)) for job in shown]
    table = context.console.table(("ID", "KIND", "STATE", "DONE", "WHAT"), rows)
    context.console.result([job.model_dump() for job in shown], table if shown else "Nothing is going on.")
    return DONE


async def watch(context: Context) -> int:
    """Follow a job; Ctrl-C leaves the command and lets the job go on."""
    from desktop.cli.work import follow

    async with context.client() as client:
        job = await follow(context, client, await client.job(context.arguments.id))
    context.console.result(job.model_dump(), _sentence(job))
    return DONE


async def pause(context: Context) -> int:
    async with context.client() as client:
        job = await client.pause_job(context.arguments.id)
    context.console.result(job.model_dump(), f"{_sentence(job)} Go on with: jackdaw jobs resume {job.id}")
    return DONE


async def resume(context: Context) -> int:
    """Go on with a job and follow it."""
    async with context.client() as client:
        job = await client.resume_job(context.arguments.id)
        job = await see_through(context, client, job, go_on=f"jackdaw jobs resume {job.id}")
    context.console.result(job.model_dump(), _sentence(job))
    return DONE


async def cancel(context: Context) -> int:
    async with context.client() as client:
        job = await client.cancel_job(context.arguments.id, keep_partial=context.arguments.keep_partial)
    context.console.result(job.model_dump(), _sentence(job))
    return DONE


def _sentence(job: wire.Job) -> str:
    ended = f"{job.title or job.kind}: {job.state}."
    return f"{ended} {job.error} {job.hint}".strip() if job.error else ended


def _share(job: wire.Job) -> str:
    return f"{job.done / job.total:.0%}" if job.total else "-"
