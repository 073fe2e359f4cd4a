"""serve, status, stop, doctor, bench."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psutil

from desktop import wire
from desktop.cli.console import bytes_text
from desktop.cli.context import DONE, FAILED, NOT_AVAILABLE, Context
from desktop.cli.work import follow
from desktop.client import Client, ClientError, ServiceUnreachable

STOP_TIMEOUT_S = 30.0
POLL_S = 0.1


async def serve(context: Context) -> int:
    """Only reached as `jackdaw --json serve` and the like: `serve` itself is chosen before this parser."""
    context.console.error("`serve` takes its options after it.", "Try: jackdaw serve --help")
    return FAILED


async def status(context: Context) -> int:
    """What runs; NOT_AVAILABLE when nothing does."""
    async with context.client(start=False) as client:
        now = await client.status()
    context.console.result(now.model_dump(), status_text(now))
    return DONE


def status_text(now: wire.Status) -> str:
    port = f"http://127.0.0.1:{now.port.number}" if now.port.open else f"not open: {now.port.problem}"
    proof = "proven" if now.engine.proven else f"not proven: {now.engine.reason or 'run `jackdaw doctor`'}"
    memory = f"{bytes_text(now.memory.available_bytes)} free of {bytes_text(now.memory.total_bytes)}"
    lines = [
        f"Jackdaw {now.version}, process {now.pid}, running for {_duration(time.time() - now.started_at)}",
        f"data    {now.home}",
        f"port    {port}, {now.port.clients} client{'' if now.port.clients == 1 else 's'} in the last five minutes",
        f"engine  {now.engine.build or 'none'}, {now.engine.backend or 'no backend'}, {proof}",
        f"memory  {memory}, engine {bytes_text(now.memory.engine_bytes)}; processor {now.cpu.percent:.0f} %",
    ]
    active = [model for model in now.models if model.state != "unloaded"]
    lines += [f"model   {_model_text(model)}" for model in active] or ["model   none is loaded"]
    return "\n".join(lines)


async def stop(context: Context) -> int:
    """End the service and wait until it is gone."""
    try:
        async with context.client(start=False) as client:
            process = await _process(client)
            await client.stop()
            await _until_gone(client, process)
    except ServiceUnreachable:
        context.console.result({"stopped": False}, "Jackdaw was not running.")
        return DONE
    context.console.result({"stopped": True}, "Jackdaw has stopped.")
    return DONE


async def _process(client: Client) -> psutil.Process | None:
    """That of the service; None when it cannot be seen from here."""
    pid = (await client.status()).pid
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid)
    return None


async def _until_gone(client: Client, process: psutil.Process | None) -> None:
    """It answers no more a moment before its files are closed: whoever copies or removes them next wants the latter."""
    from desktop.launch import answers

    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            while await answers(client) or (process is not None and _runs(process)):  # noqa: ASYNC110  no event of ours
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise ClientError(
            "still_running",
            f"The service has not ended within {STOP_TIMEOUT_S:.0f} seconds.",
            hint="It may be waiting for an answer to finish; `jackdaw status` shows its process number.",
        ) from error


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


async def doctor(context: Context) -> int:
    """Prove the engine again; FAILED when the proof fails, NOT_AVAILABLE when there is no engine."""
    async with context.client() as client:
        context.console.progress(None, "proving the engine: load, decode and embed in Q4_K and Q8_0")
        report = await client.prove()
    context.console.result(report.model_dump(), doctor_text(report))
    if not report.build:
        return NOT_AVAILABLE
    return DONE if report.ok else FAILED


def doctor_text(report: wire.DoctorReport) -> str:
    lines = [
        f"build     {report.build or 'none'}",
        f"folder    {report.directory}",
        f"backend   {report.backend}",
        f"flags     {' '.join(report.flags) or '-'}",
        f"used      {' '.join(report.features_used) or '-'}",
        f"left out  {' '.join(report.features_left_out) or '-'}",
    ]
    if report.fallback_reason:
        lines.append(f"fallback  {report.fallback_reason}")
    for device in report.devices:
        free = f"{bytes_text(device.free_bytes)} free of {bytes_text(device.total_bytes)}"
        lines.append(f"device    {device.name} ({device.backend}), {free}")
    lines.append(f"threads   {report.tuning.get('source', '-')}")
    for check in report.checks:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
        if check.hint and not check.ok:
            lines.append(f"      {check.hint}")
    lines.append("The engine works here." if report.ok else "The engine does not work here.")
    return "\n".join(lines)


async def bench(context: Context) -> int:
    """Measure prompt and generation speed of one model with llama-bench, with what the service chose for it."""
    async with context.client() as client:
        job = await client.start_job("bench", {"model": context.arguments.model} if context.arguments.model else {})
        try:
            job = await follow(context, client, job)
        except (KeyboardInterrupt, asyncio.CancelledError):
            await client.cancel_job(job.id)
            raise
    if job.state != "done":
        context.console.error(job.error or f"The measurement was {job.state}.", job.hint)
        return FAILED
    context.console.result(job.result, bench_text(job.result or {}))
    return DONE


def bench_text(result: dict[str, object]) -> str:
    return "\n".join(f"{key.replace('_', ' '):<28} {_number(value)}" for key, value in result.items())


def _model_text(model: wire.Model) -> str:
    context = f", context {model.allocated_context} × {model.slots} slots" if model.allocated_context else ""
    busy = f", {model.busy_slots} busy, {model.queued} waiting" if model.state == "ready" else ""
    return f"{model.id} ({model.state}{context}{busy}){f': {model.error}' if model.error else ''}"


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{int(seconds)} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _number(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
