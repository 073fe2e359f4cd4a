"""Jobs: honest states, sampled progress, a final state that is never dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from desktop.service.bench import bench_options, bench_result, bench_rows
from desktop.service.errors import BadRequest, NotFound
from desktop.service.events import EventLog, Listener
from desktop.service.jobs import KEPT_JOBS, JobContext, JobKind, Jobs
from engine.types import Tuning
from models.errors import DiskFull
from models.progress import Progress
from tests.service.running import eventually_async


async def states(listener: Listener, until: str) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["state"] != until:
        event = await listener.next(5.0)
        assert event is not None
        heard.append(dict(event.data))
    return heard


def with_jobs(kinds: Mapping[str, JobKind], run: Callable[[Jobs, Listener], Awaitable[None]]) -> None:
    async def whole() -> None:
        events = EventLog()
        jobs = Jobs(kinds, events)
        try:
            await run(jobs, events.listen(None))
        finally:
            await jobs.close()

    asyncio.run(whole())


async def until_cancelled(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
    while True:
        context.cancel.check()
        await asyncio.sleep(0.005)


def test_a_job_ends_done_with_its_result_and_at_most_ten_events_a_second() -> None:
    async def count(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        for done in range(250):
            context.report(Progress(done, 250, "steps"))
            await asyncio.sleep(0.001)
        return {"sum": options["n"]}

    async def run(jobs: Jobs, listener: Listener) -> None:
        began = asyncio.get_running_loop().time()
        record = jobs.start("count", {"n": 3})
        heard = await states(listener, "done")
        took = asyncio.get_running_loop().time() - began

        assert jobs.get(record.id).result == {"sum": 3}
        assert heard[-1]["result"] == {"sum": 3}
        assert len(heard) <= took * 10 + 3  # pending, running, done come besides

    with_jobs({"count": count}, run)


def test_a_failure_is_told_in_words() -> None:
    async def fail(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        raise DiskFull("There is no room for 3 GiB.", hint="Delete something.")

    async def run(jobs: Jobs, listener: Listener) -> None:
        jobs.start("fail", {})
        end = (await states(listener, "failed"))[-1]
        assert (end["error"], end["hint"], end["result"]) == ("There is no room for 3 GiB.", "Delete something.", None)

    with_jobs({"fail": fail}, run)


def test_a_mistake_of_ours_fails_the_job_and_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        return {"value": options["missing"]}

    async def run(jobs: Jobs, listener: Listener) -> None:
        jobs.start("broken", {})
        end = (await states(listener, "failed"))[-1]
        assert "KeyError" in end["error"]

    with_jobs({"broken": broken}, run)
    assert "KeyError" in caplog.text


def test_cancel_ends_a_job_as_cancelled_and_one_that_is_over_stays_so() -> None:
    async def run(jobs: Jobs, listener: Listener) -> None:
        record = jobs.start("forever", {})
        await states(listener, "running")
        assert (await jobs.cancel(record.id)).state == "cancelled"
        assert (await states(listener, "cancelled"))[-1]["id"] == record.id
        assert (await jobs.cancel(record.id)).state == "cancelled"
        with pytest.raises(NotFound):
            await jobs.cancel("none")

    with_jobs({"forever": until_cancelled}, run)


def test_closing_ends_what_runs() -> None:
    async def whole() -> None:
        jobs = Jobs({"forever": until_cancelled}, EventLog())
        records = [jobs.start("forever", {}) for _ in range(3)]
        await asyncio.sleep(0)
        await jobs.close()
        assert [record.state for record in records] == ["cancelled"] * 3

    asyncio.run(whole())


def test_only_the_newest_jobs_are_remembered() -> None:
    async def quick(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        return {}

    async def run(jobs: Jobs, listener: Listener) -> None:
        for _ in range(KEPT_JOBS + 20):
            record = jobs.start("quick", {})

            async def done(job_id: str = record.id) -> bool:
                return jobs.get(job_id).state == "done"

            await eventually_async(done)
        assert len(jobs.all()) == KEPT_JOBS

    with_jobs({"quick": quick}, run)


def test_an_unknown_kind_is_refused() -> None:
    async def run(jobs: Jobs, listener: Listener) -> None:
        with pytest.raises(BadRequest, match="dance"):
            jobs.start("dance", {})
        assert jobs.all() == []

    with_jobs({}, run)


@pytest.mark.parametrize("options", [{"repetitions": 0}, {"prompt_tokens": "9"}, {"generate_tokens": True}, {"x": 1}])
def test_bench_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        bench_options({"model": "tiny", **options})


def test_bench_results_are_picked_from_the_output() -> None:
    lines = [
        "warning: something {",
        '{"n_prompt": 512, "n_gen": 0, "avg_ts": 100.5, "stddev_ts": 1.5, "n_threads": 2}',
        '{"n_prompt": 0, "n_gen": 128, "avg_ts": 20.25, "stddev_ts": 0.5, "n_threads": 2}',
    ]
    result = bench_result("tiny", "llama.cpp", Tuning(), bench_rows(lines))
    assert (result["prompt_tokens_per_s"], result["tokens_per_s"], result["threads"]) == (100.5, 20.25, 2)
