"""Measures several quantizations against their source: a list of steps, each kept in the database when it is finished.

For each model: its loss on a text (against logits of the source, made once), its speed, its peak memory; then the
user's own prompts, answered by each. A job that was killed or cancelled goes on after the last finished step.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadGguf, MeasureFailed
from models.llama_tool import ToolJob
from models.llamacpp import EngineBuild
from models.measure import divergence as loss
from models.measure.machine import this_place
from models.measure.speed import MEMORY_CONTEXT, measure_memory, measure_speed
from models.measure.store import Measurements
from models.measure.types import Answer, Divergence, Measurement, Subject
from models.progress import Cancel, Progress, Report
from models.quantize.imatrix import check_text, neutral_text
from models.split_gguf import read_model

SPEED_WEIGHT = 7  # about as long as so many chunks of 512 tokens
ANSWER_WEIGHT = 4

AnswerPrompt = Callable[[str, str], Awaitable[str]]
"""`answer(model_id, prompt)` answers greedily; the caller has the engine, and raises MeasureFailed for its errors."""


@dataclass(frozen=True, slots=True)
class MeasurePlan:
    """What to measure. `folder` holds the source's logits meanwhile; `chunks` of 512 tokens are read at most."""

    source: Subject
    models: tuple[Subject, ...]
    folder: Path
    text: Path | None = None  # None: the neutral text that comes with Jackdaw
    prompts: tuple[str, ...] = ()
    chunks: int = loss.DEFAULT_CHUNKS
    memory_context: int = MEMORY_CONTEXT
    repeats: int = 3
    floor_bytes: int | None = None


async def measure(
    plan: MeasurePlan,
    measurements: Measurements,
    *,
    build: EngineBuild,
    report: Report,
    cancel: Cancel,
    answer: AnswerPrompt | None = None,
    pidfiles: Path | None = None,
) -> list[Measurement]:
    """Measure what is missing of `plan` and return all of it, smallest file first.

    A model that fails is noted so and the others go on; MeasureFailed is raised at the end when all failed. Raises
    BadGguf for the source, QuantizeFailed for an unusable text, DiskFull, Cancelled; finished steps stay, and the
    source's logits too unless it was cancelled for good.
    """
    run = _Run(plan, measurements, ToolJob(build, plan.folder, cancel, pidfiles), report, answer)
    await run.prepare()
    try:
        await run.all_steps()
    finally:
        await measurements.interrupted(plan.source.id)
        if not cancel.is_set or cancel.reason == "cancel":  # after a pause they spare a run of the source
            await asyncio.to_thread(run.logits_path.unlink, missing_ok=True)
    rows = await measurements.list(plan.source.id, run.place)
    failed = [row for row in rows if row.state == "failed"]
    if run.failures and len(run.failures) == len(run.subjects):
        raise MeasureFailed(failed[0].error if failed else "Nothing could be measured.", hint="See the log's end.")
    return rows


class _Run:
    """One run through the plan."""

    def __init__(
        self, plan: MeasurePlan, store: Measurements, job: ToolJob, report: Report, answer: AnswerPrompt | None
    ) -> None:
        self.plan = plan
        self.store = store
        self.job = job
        self.timed_job = ToolJob(job.build, job.folder, job.cancel, job.pidfiles, nice=0)
        self.answer = answer
        self.logits: loss.Logits | None = None
        self.source_perplexity = 0.0
        self.failures: set[str] = set()
        others = [subject for subject in plan.models if subject.id != plan.source.id]
        self.subjects = [plan.source, *dict.fromkeys(others)]
        self.counter = _Counter(report)

    async def prepare(self) -> None:
        """Everything that can fail before a child is started."""
        self.place = await asyncio.to_thread(this_place, self.job.build)
        self.text = (self.plan.text or neutral_text()).absolute()
        self.header = await asyncio.to_thread(read_model, self.plan.source.path)
        await asyncio.to_thread(check_text, self.text)
        self.plan.folder.mkdir(0o700, parents=True, exist_ok=True)
        self.context = min(loss.CONTEXT, self.header.context_length or loss.CONTEXT)
        self.text_key = await asyncio.to_thread(_text_key, self.text, self.context, self.plan.chunks)
        rows = [
            await self.store.begin(subject, self.plan.source.id, self.place, self.text.name, self.text_key)
            for subject in self.subjects
        ]
        self.rows = dict(zip((subject.id for subject in self.subjects), rows, strict=True))
        mark = f"{self.plan.source.path} {self.plan.source.bytes} {self.place} {self.text_key}"
        name = hashlib.sha256(mark.encode()).hexdigest()[:16]
        self.logits_path = self.plan.folder / f"{name}{loss.LOGITS_SUFFIX}"
        self.counter.plan(self._weights())

    def _weights(self) -> int:
        chunks, memory = self.plan.chunks, max(1, self.plan.memory_context // loss.CONTEXT)
        missing = [row.divergence is None for row in self.rows.values()]
        total = chunks * (sum(missing) + any(missing[1:]) * (not missing[0]))
        total += SPEED_WEIGHT * sum(row.speed is None for row in self.rows.values())
        total += memory * sum(row.memory is None for row in self.rows.values())
        if self.answer is not None:
            total += ANSWER_WEIGHT * len(self.plan.prompts) * len(self.subjects)
        return total

    async def all_steps(self) -> None:
        if any(row.divergence is None for row in self.rows.values()):
            await self._source_logits()
        for subject in self.subjects:
            await self._guarded(subject, self._measure_one)
        if self.answer is not None and self.plan.prompts:
            known = {(row.model_id, row.prompt): row.answer for row in await self.store.answers(self.plan.source.id)}
            for subject in self.subjects:
                if subject.id not in self.failures:
                    await self._guarded(subject, lambda one: self._answer_all(one, known))
        for subject in self.subjects:
            if subject.id not in self.failures:
                await self.store.end(subject.id, self.plan.source.id, "done")

    async def _guarded(self, subject: Subject, step: Callable[[Subject], Awaitable[None]]) -> None:
        """One model that cannot be measured is no reason to leave the others out."""
        try:
            await step(subject)
        except (MeasureFailed, BadGguf) as error:
            self.failures.add(subject.id)
            await self.store.end(subject.id, self.plan.source.id, "failed", error.message)

    async def _source_logits(self) -> None:
        if (known := self.rows[self.plan.source.id].divergence) is not None:
            self.source_perplexity = known.perplexity
            self.logits = loss.existing_logits(self.logits_path, self.context)
            if self.logits is not None:
                self.counter.finish(self.plan.chunks)
                return
        chunks = loss.bounded_chunks(
            self.plan.folder, self.header, self.plan.chunks, self.context, self.plan.floor_bytes
        )
        step = self.counter.step(self.plan.chunks)
        self.logits, perplexity, error = await loss.source_logits(
            self.job,
            self.plan.source.path,
            self.text,
            self.logits_path,
            chunks=chunks,
            context=self.context,
            report=step,
        )
        # The source loses nothing against itself: what is stored is that, and its perplexity.
        self.source_perplexity = perplexity
        itself = Divergence(0.0, 0.0, 0.0, 100.0, perplexity, error, perplexity)
        await self.store.note(self.plan.source.id, self.plan.source.id, itself, tokens_measured=self.logits.tokens)
        self.counter.finish(self.plan.chunks)

    async def _measure_one(self, subject: Subject) -> None:
        row, source_id = self.rows[subject.id], self.plan.source.id
        if row.divergence is None and subject.id != source_id and self.logits is not None:
            step = self.counter.step(self.plan.chunks)
            found = await loss.divergence(
                self.job,
                subject.path,
                self.logits,
                source_perplexity=self.source_perplexity,
                name=subject.quant,
                report=step,
            )
            await self.store.note(subject.id, source_id, found, tokens_measured=self.logits.tokens)
            self.counter.finish(self.plan.chunks)
        if row.speed is None:
            step = self.counter.step(SPEED_WEIGHT)
            speed = await measure_speed(
                self.timed_job, subject.path, name=subject.quant, report=step, repeats=self.plan.repeats
            )
            await self.store.note(subject.id, source_id, speed)
            self.counter.finish(SPEED_WEIGHT)
        if row.memory is None:
            weight = max(1, self.plan.memory_context // loss.CONTEXT)
            step = self.counter.step(weight)
            context = min(self.plan.memory_context, self.header.context_length or self.plan.memory_context)
            memory = await measure_memory(
                self.timed_job, subject.path, name=subject.quant, context=context, report=step
            )
            await self.store.note(subject.id, source_id, memory)
            self.counter.finish(weight)

    async def _answer_all(self, subject: Subject, known: dict[tuple[str, str], str]) -> None:
        """All prompts with one model, so that it is loaded once."""
        assert self.answer is not None
        source_id = self.plan.source.id
        for number, prompt in enumerate(self.plan.prompts, start=1):
            self.job.cancel.check()
            if (subject.id, prompt) not in known:
                step = self.counter.step(ANSWER_WEIGHT)
                step(Progress(0, 1, "prompts", f"{subject.quant}: prompt {number} of {len(self.plan.prompts)}"))
                text = await _unless_cancelled(self.answer(subject.id, prompt), self.job.cancel)
                known[subject.id, prompt] = text
                reference = known.get((source_id, prompt))
                same = None if reference is None else same_leading_words(reference, text)
                await self.store.note_answer(Answer(subject.id, source_id, prompt, text, same, 0.0))
            self.counter.finish(ANSWER_WEIGHT)


class _Counter:
    """One progress over steps of different length, counted in chunks of text."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._done = 0
        self._shown = 0
        self._total = 0

    def plan(self, total: int) -> None:
        self._total = total

    def step(self, weight: int) -> Report:
        """A report for a part of the work that takes `weight`."""

        def inner(progress: Progress) -> None:
            self._tell(self._done + int(weight * (progress.fraction or 0.0)), progress.message)

        return inner

    def finish(self, weight: int) -> None:
        self._done += weight
        self._tell(self._done, "")

    def _tell(self, done: int, message: str) -> None:
        """Never less than before: a step that is repeated makes no progress."""
        self._shown = min(self._total, max(self._shown, done))
        self._report(Progress(self._shown, self._total, "chunks", message))


def same_leading_words(one: str, other: str) -> int:
    """How many words from the start two answers share."""
    count = 0
    for first, second in zip(one.split(), other.split(), strict=False):
        if first != second:
            break
        count += 1
    return count


async def _unless_cancelled(answering: Awaitable[str], cancel: Cancel) -> str:
    """Wait for an answer, and stop waiting within a moment of a cancel."""
    task = asyncio.ensure_future(answering)
    try:
        while not task.done():
            cancel.check()
            await asyncio.wait([task], timeout=0.1)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _text_key(text: Path, context: int, chunks: int) -> str:
    """Names what is read: these bytes, in chunks of this length, this many."""
    with text.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()[:32]} {context} {chunks}"
