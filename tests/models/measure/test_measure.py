"""The real tools measure a real ladder of a tiny model; stopped halfway, the job goes on where it was."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import psutil
import pytest

from models.database import Database
from models.errors import Cancelled, DiskFull, MeasureFailed, QuantizeFailed
from models.library import Library
from models.llama_tool import ToolJob, run_tool
from models.llamacpp import EngineBuild, binary
from models.measure import divergence as loss
from models.measure.job import MeasurePlan, measure, same_leading_words
from models.measure.store import STOPPED, Measurements
from models.measure.types import Subject
from models.progress import Cancel, Progress
from models.quantize.imatrix import neutral_text

pytestmark = pytest.mark.anyio

CHECKOUT = Path(__file__).resolve().parents[3]


def plan_of(subjects: list[Subject], folder: Path, **fields: object) -> MeasurePlan:
    plan = MeasurePlan(subjects[0], tuple(subjects[1:]), folder, chunks=2, memory_context=256, repeats=1, floor_bytes=0)
    return dataclasses.replace(plan, **fields)  # type: ignore[arg-type]


class Tools:
    """Which steps were really run, read from the messages of the job."""

    def __init__(self) -> None:
        self.told: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.told.append(progress)

    @property
    def steps(self) -> list[str]:
        found: list[str] = []
        for progress in self.told:
            step = re.sub(r": (chunk|reading).*| with [\d,]+ tokens.*| of reading.*", "", progress.message).strip()
            if step and (not found or found[-1] != step):
                found.append(step)
        return found


async def test_a_ladder_is_measured_and_stored(
    subjects: list[Subject], measurements: Measurements, build: EngineBuild, tmp_path: Path
) -> None:
    tools = Tools()
    asked: list[tuple[str, str]] = []

    async def answer(model_id: str, prompt: str) -> str:
        asked.append((model_id, prompt))
        return "one two three" if model_id == subjects[0].id else "one two 3"

    plan = plan_of(subjects, tmp_path / "work", prompts=("Count!",))
    rows = await measure(plan, measurements, build=build, report=tools, cancel=Cancel(), answer=answer)

    by_quant = {row.quant: row for row in rows}
    assert [row.quant for row in rows] == ["Q2_K", "Q4_K_M", "Q8_0", "F16"]
    assert all(row.state == "done" and row.tokens_measured == 2 * 255 and not row.stale for row in rows)
    losses = [by_quant[name].divergence.kl_divergence for name in ("F16", "Q8_0", "Q4_K_M", "Q2_K")]  # type: ignore[union-attr]
    assert losses == sorted(losses)
    assert losses[0] == 0 < losses[1] < 0.01 < losses[2] < losses[3]
    same = [by_quant[name].divergence.same_top_percent for name in ("F16", "Q8_0", "Q4_K_M", "Q2_K")]  # type: ignore[union-attr]
    assert same == sorted(same, reverse=True)
    perplexities = {row.divergence.source_perplexity for row in rows if row.divergence}
    assert perplexities == {by_quant["F16"].divergence.perplexity}  # type: ignore[union-attr]
    for row in rows:
        assert row.speed is not None and row.speed.prompt_tokens_per_s > 0 < row.speed.tokens_per_s
        assert row.memory is not None and row.memory.context == 256 and row.memory.peak_bytes > 5_000_000
    assert asked == [(subject.id, "Count!") for subject in subjects]
    answers = await measurements.answers(subjects[0].id)
    assert [one.same_words for one in answers] == [3, 2, 2, 2]
    assert list((tmp_path / "work").iterdir()) == []
    assert tools.steps[0] == "Reading the text with the source"
    assert [progress.done for progress in tools.told] == sorted(progress.done for progress in tools.told)
    assert tools.told[-1].fraction == 1.0


async def test_what_is_finished_is_not_measured_again(
    subjects: list[Subject], measurements: Measurements, build: EngineBuild, tmp_path: Path
) -> None:
    plan = plan_of(subjects[:2], tmp_path / "work")
    first = await measure(plan, measurements, build=build, report=Tools(), cancel=Cancel())
    tools = Tools()

    again = await measure(
        plan_of(subjects[:3], tmp_path / "work"), measurements, build=build, report=tools, cancel=Cancel()
    )

    assert again[1:] == first  # the new one is the smallest
    assert {step.partition(":")[0] for step in tools.steps} == {"Reading the text with the source", "Q4_K_M"}


@pytest.mark.parametrize(("reason", "kept"), [("cancel", 0), ("pause", 1)])
async def test_a_stopped_measurement_goes_on_after_its_last_step(
    subjects: list[Subject],
    measurements: Measurements,
    build: EngineBuild,
    tmp_path: Path,
    reason: Literal["cancel", "pause"],
    kept: int,
) -> None:
    plan, cancel, moments = plan_of(subjects[:2], tmp_path / "work"), Cancel(), []

    def report(progress: Progress) -> None:
        if progress.message.startswith("Q8_0: speed"):
            cancel.set(reason)
            moments.append(time.monotonic())

    with pytest.raises(Cancelled):
        await measure(plan, measurements, build=build, report=report, cancel=cancel)
    assert time.monotonic() - moments[0] < 2
    assert len(list((tmp_path / "work").glob("*.logits"))) == len(list((tmp_path / "work").iterdir())) == kept
    assert not psutil.Process().children(recursive=True)
    stopped = await measurements.get(subjects[1].id)
    assert stopped is not None
    assert (stopped.state, stopped.error, stopped.speed) == ("failed", STOPPED, None)
    assert stopped.divergence is not None

    tools = Tools()
    rows = await measure(plan, measurements, build=build, report=tools, cancel=Cancel())

    assert tools.steps == ["Q8_0: speed", "Q8_0: memory"]
    assert [row.state for row in rows] == ["done", "done"]
    assert rows[0].divergence == stopped.divergence
    assert list((tmp_path / "work").iterdir()) == []


async def test_a_killed_measurement_goes_on_after_its_last_step(
    subjects: list[Subject], measurements: Measurements, database: Database, build: EngineBuild, tmp_path: Path
) -> None:
    """The source's logits are a step as well: they lie in the folder and are used."""
    argv = [sys.executable, "-m", "tests.models.measure.measuring", str(database.path), str(tmp_path / "work")]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Q8_0: speed"):
                process.kill()
                break
    assert [path.suffix for path in (tmp_path / "work").iterdir()] == [".logits"]
    await measurements.interrupted()  # as the service says when it starts
    tools = Tools()

    rows = await measure(plan_of(subjects, tmp_path / "work"), measurements, build=build, report=tools, cancel=Cancel())

    assert tools.steps[:3] == ["Q8_0: speed", "Q8_0: memory", "Q4_K_M: loss"]
    assert [row.state for row in rows] == ["done"] * len(subjects)
    assert list((tmp_path / "work").iterdir()) == []


async def test_one_model_that_cannot_run_does_not_stop_the_others(
    subjects: list[Subject],
    measurements: Measurements,
    database: Database,
    build: EngineBuild,
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken-Q6_K.gguf"
    broken.write_bytes(subjects[1].path.read_bytes().replace(b"qwen2", b"qwenX"))
    model = await Library(database).import_path(broken)
    odd = Subject(model.id, model.path, "odd", model.bytes)
    plan = plan_of([subjects[0], odd, subjects[1]], tmp_path / "work")

    rows = await measure(plan, measurements, build=build, report=Tools(), cancel=Cancel())

    states = {row.model_id: (row.state, row.error) for row in rows}
    assert states[subjects[1].id] == ("done", "")
    assert states[odd.id][0] == "failed"
    assert "odd could not be compared with its source: llama-perplexity exited with code 1" in states[odd.id][1]


async def test_logits_without_room_are_refused_with_the_numbers(
    subjects: list[Subject], measurements: Measurements, build: EngineBuild, tmp_path: Path
) -> None:
    with pytest.raises(DiskFull, match=r"Comparing with the source needs .* are free"):
        await measure(
            plan_of(subjects[:2], tmp_path / "work", floor_bytes=1 << 60),
            measurements,
            build=build,
            report=Tools(),
            cancel=Cancel(),
        )
    free = shutil.disk_usage(tmp_path).free
    assert free > 0
    text = tmp_path / "short.txt"
    text.write_text("short")
    with pytest.raises(QuantizeFailed, match="is needed"):
        await measure(
            plan_of(subjects[:2], tmp_path / "work", text=text),
            measurements,
            build=build,
            report=Tools(),
            cancel=Cancel(),
        )


async def test_the_size_of_the_logits_is_known_to_the_byte(
    ladder: tuple[Path, ...], build: EngineBuild, tmp_path: Path
) -> None:
    job = ToolJob(build, tmp_path, Cancel())

    logits, perplexity, error = await loss.source_logits(
        job, ladder[0], neutral_text(), tmp_path / "a.logits", chunks=3, context=256, report=Tools()
    )

    assert logits.path.stat().st_size == loss.logits_bytes(259, 256, 3)
    assert loss.existing_logits(logits.path, 256) == logits
    assert perplexity > error > 0
    with logits.path.open("r+b") as file:
        file.truncate(1000)
    assert loss.existing_logits(logits.path, 256) is None
    assert loss.sweep_logits(tmp_path) == [logits.path]
    assert list(tmp_path.iterdir()) == []


async def test_our_reading_of_the_loss_is_the_tools_own(
    ladder: tuple[Path, ...], build: EngineBuild, tmp_path: Path
) -> None:
    job = ToolJob(build, tmp_path, Cancel())
    logits, perplexity, _ = await loss.source_logits(
        job, ladder[0], neutral_text(), tmp_path / "a.logits", chunks=2, context=256, report=Tools()
    )

    found = await loss.divergence(job, ladder[2], logits, source_perplexity=perplexity, name="Q4_K_M", report=Tools())

    # The last of its rows, one per chunk, has the same means with fewer digits; the tool may lose lines at its end.
    argv = [binary(build, "llama-perplexity"), "--offline", "-m", ladder[2], "-c", "256", "-b", "256"]
    argv += ["--kl-divergence", "--kl-divergence-base", logits.path]
    for _ in range(loss.TRIES):
        said = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=True)
        row = re.search(
            r"^ +2 +([\d.]+) ± +[\d.]+ .*? ([\d.]+) ± +([\d.]+) +[\d.]+ ± +[\d.]+ % +([\d.]+) ±", said.stdout, re.M
        )
        if row is not None:
            break
    assert row is not None
    assert found.perplexity == pytest.approx(float(row[1]), rel=1e-3)
    assert found.kl_divergence == pytest.approx(float(row[2]), abs=2e-5)
    assert found.same_top_percent == pytest.approx(float(row[4]), abs=2e-3)
    assert found.source_perplexity == perplexity


async def test_perplexities_of_source_and_quantization_are_over_the_same_tokens(
    ladder: tuple[Path, ...], build: EngineBuild, tmp_path: Path
) -> None:
    job = ToolJob(build, tmp_path, Cancel())
    logits, perplexity, _ = await loss.source_logits(
        job, ladder[0], neutral_text(), tmp_path / "a.logits", chunks=2, context=256, report=Tools()
    )

    itself = await loss.divergence(job, ladder[0], logits, source_perplexity=perplexity, name="F16", report=Tools())

    assert itself.perplexity == pytest.approx(perplexity, rel=1e-3)
    assert itself.kl_divergence < 1e-3


STATISTICS = """\
Mean PPL(Q)                   : 12401.975936 ± 2051.631270
Mean PPL(base)                : 7155.075283 ± 552.876181
Cor(ln(PPL(Q)), ln(PPL(base))):  65.85%
====== KL divergence statistics ======
Mean    KLD:   0.237166 ±   0.003955
Maximum KLD:   1.360610
99.9%   KLD:   1.232024
99.0%   KLD:   0.795838
Same top p: 70.571 ± 1.011 %""".splitlines()


def test_the_statistics_are_read_strictly() -> None:
    assert loss.parse_divergence(STATISTICS, 8000.0) == loss.Divergence(
        0.237166, 0.003955, 0.795838, 70.571, 12401.975936, 2051.63127, 8000.0
    )
    for number, line in enumerate(STATISTICS):
        if line.startswith(("Mean PPL(Q)", "Mean    KLD", "99.0%", "Same")):
            with pytest.raises(MeasureFailed, match="did not say"):
                loss.parse_divergence(STATISTICS[:number] + STATISTICS[number + 1 :], 8000.0)
    nothing = [line.replace("0.237166", "nan") for line in STATISTICS]
    with pytest.raises(MeasureFailed, match="NaN"):
        loss.parse_divergence(nothing, 8000.0)


def test_answers_are_compared_word_by_word() -> None:
    assert same_leading_words("a b c", "a b d") == 2
    assert same_leading_words("", "a") == 0
    assert same_leading_words("a  b", "a\nb and more") == 2


async def test_a_tool_is_told_apart_by_its_peak(build: EngineBuild, ladder: tuple[Path, ...], tmp_path: Path) -> None:
    arguments = ["--offline", "-m", str(ladder[0]), "-p", "512", "-n", "64", "-r", "3", "-o", "json"]

    run = await run_tool(ToolJob(build, tmp_path, Cancel()), "llama-bench", arguments, read=[ladder[0].resolve()])

    assert run.succeeded
    assert 5_000_000 < run.peak_bytes < 500_000_000
    assert run.seconds > 0
