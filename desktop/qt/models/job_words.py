"""What cards say of jobs: downloads, conversions, quantizations, measurements, scans. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from desktop.qt.figures import in_bytes, time_left
from desktop.qt.models.cards import Act, Card, Progress, Tag
from desktop.qt.models.repo_words import in_window

if TYPE_CHECKING:
    from desktop.wire import Job

KINDS = {
    "import": "Read a file",
    "download": "Download",
    "scan": "Look for models",
    "convert": "Convert",
    "quantize": "Quantize",
    "split": "Split",
    "merge": "Join parts",
    "measure": "Measure",
    "merge_duplicates": "Merge duplicates",
    "adapter": "Import an adapter",
}
STATES = {
    "pending": ("Waiting", "neutral", "clock"),
    "running": ("Running", "accent", ""),
    "paused": ("Paused", "warning", "pause"),
    "interrupted": ("Interrupted", "warning", "triangle-alert"),
    "done": ("Finished", "success", "check"),
    "failed": ("Failed", "danger", "circle-alert"),
    "cancelled": ("Cancelled", "neutral", "x"),
}
RUNNING = ("pending", "running")
WAITING = ("paused", "interrupted")
GROUPS = (("Running", RUNNING), ("Waiting for you", WAITING), ("Failed", ("failed",)), ("Finished", ("done",)))
UNIT_NAMES = {"tensors": "Tensor", "layers": "Layer", "files": "File", "chunks": "Chunk", "steps": "Step"}
QUIET_KINDS = ("import",)  # too short to be followed on the page of what is searched


def job_title(job: Job) -> str:
    return job.title or f"{KINDS.get(job.kind, job.kind.capitalize())} {job.subject}".strip()


def is_at_work(job: Job) -> bool:
    return job.state in RUNNING


def far_words(job: Job) -> str:
    """ "4.41 of 8.99 GB · 38 MB/s · 2 min left", "Layer 18 of 28 · 1 min left"."""
    parts = [_amount(job)]
    if job.rate and job.state == "running":
        parts.append(f"{in_bytes(round(job.rate)).replace('.0 ', ' ')}/s" if job.unit == "bytes" else "")
    if job.state == "running":
        parts.append(time_left(job.seconds_left))
    return "  ·  ".join(part for part in parts if part)


def fraction_of(job: Job) -> float | None:
    return min(1.0, job.done / job.total) if job.total > 0 else None


def job_card(job: Job) -> Card:
    """A job as the page of the transfers shows it."""
    word, tone, icon = STATES[job.state]
    progress = None
    if job.state in RUNNING or (job.state in WAITING and job.total):
        words = far_words(job) or word
        progress = Progress(fraction_of(job), words, "accent" if job.state == "running" else "text3")
    return Card(
        f"job:{job.id}",
        job_title(job),
        about=job.message if job.state in RUNNING + WAITING else "",  # where it was last is no news afterwards
        tags=(Tag(KINDS.get(job.kind, job.kind)), Tag(word, tone, icon)),
        acts=tuple(job_acts(job)),
        progress=progress,
        problem=" ".join(filter(None, (job.error, in_window(job.hint)))),
    )


def job_acts(job: Job) -> list[Act]:
    """What can be done with a job now; its first act is what Enter does."""
    name = job_title(job)
    if job.state in RUNNING:
        acts = [Act("pause", "", "pause", f"Pause {name}")] if job.can_pause else []
        return [*acts, Act("cancel", "", "x", f"Cancel {name}", delete=True)]
    if job.state in WAITING:
        acts = [Act("resume", "Resume", "play", f"Resume {name}")] if job.can_resume else []
        return [*acts, Act("cancel", "", "x", f"Cancel {name}", delete=True)]
    if job.state == "failed":
        return [Act("resume", "Try again", "refresh-cw", f"Try {name} again")] if job.can_resume else []
    if job.state == "done" and model_of(job):
        return [Act("open", "Show", "", f"Show {name}")]
    return []


def model_of(job: Job) -> str:
    """Id of the model a job brought, or ""."""
    result = job.result or {}
    model = result.get("model")
    if isinstance(model, dict):
        return str(model.get("id", ""))
    models = result.get("models")
    if isinstance(models, list) and models and isinstance(models[0], dict):
        return str(models[0].get("id", ""))
    return str(model or "")


def running_card(job: Job, known: Card | None) -> Card:
    """A running job as the page of the Hub shows it: the card of its model, where there is one, with the job's bar."""
    card = job_card(job)
    if known is None:
        return card
    about = job.message if job.kind != "download" and job.message else known.about
    return replace(card, title=known.title, by=known.by, about=about, tags=known.tags)


def grouped_jobs(jobs: Iterable[Job]) -> list[tuple[str, list[Job]]]:
    """Jobs by what they wait for, newest first; groups without any are left out."""
    newest = sorted(jobs, key=lambda job: job.created_at, reverse=True)
    groups = [(name, [job for job in newest if job.state in states]) for name, states in GROUPS]
    return [(name, group) for name, group in groups if group]


def _in_unit(count: int, unit: str) -> str:
    """Bytes in a given unit, without it: what is written before "of 8.99 GB"."""
    value = count / {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _amount(job: Job) -> str:
    if job.total <= 0:
        return in_bytes(job.done) if job.unit == "bytes" and job.done else ""
    if job.unit == "bytes":
        whole = in_bytes(job.total)
        return f"{_in_unit(job.done, whole.rpartition(' ')[2])} of {whole}"
    return f"{UNIT_NAMES.get(job.unit, job.unit.capitalize())} {job.done} of {job.total}"
