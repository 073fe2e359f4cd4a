"""Jobs: honest states that outlive the service, sampled progress, a final state that is never dropped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from desktop.service.bench import bench_options, bench_result, bench_rows
from desktop.service.errors import BadRequest, Conflict, NotFound
from desktop.service.events import EventLog, Listener
from desktop.service.job_kinds import JobAbout, JobContext, JobKind, Memory
from desktop.service.job_rate import Rate, seconds_left
from desktop.service.job_record import JobRecord
from desktop.service.job_rows import JOBS_MIGRATION, JobStore
from desktop.service.jobs import Jobs
from engine.types import Tuning
from models.database import Database
from models.errors import AirGapped, DiskFull, Offline
from models.progress import Progress
from tests.service.running import eventually_async

Options = Mapping[str, Any]
KEPT = 10


async def states(listener: Listener, until: str) -> list[dict[str, Any]]:
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["state"] != until:
        event = await listener.next(5.0)
        assert event is not None
        heard.append(dict(event.data))
    return heard


@contextlib.asynccontextmanager
async def service_run(folder: Path, kinds: Mapping[str, JobKind]) -> AsyncIterator[tuple[Jobs, Listener]]:
    """The jobs of one run of a service on `folder`, ended as a service ends."""
    database = await Database.open(folder / "jackdaw.db", [JOBS_MIGRATION])
    events = EventLog()
    jobs = Jobs(kinds, events, JobStore(database, kept=KEPT))
    try:
        await jobs.load()
        yield jobs, events.listen(None)
    finally:
        await jobs.close()
        await database.close()


def with_jobs(folder: Path, kinds: Mapping[str, JobKind], run: Callable[[Jobs, Listener], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with service_run(folder, kinds) as (jobs, listener):
            await run(jobs, listener)

    asyncio.run(whole())


async def reaches(jobs: Jobs, record: JobRecord, state: str) -> JobRecord:
    async def there() -> bool:
        return jobs.get(record.id).row.state == state

    await eventually_async(there)
    return jobs.get(record.id)


async def about(options: Options) -> JobAbout:
    name = str(options.get("name", "it"))
    return JobAbout(title=f"Work on {name}", subject=name, key=name)


async def until_cancelled(options: Options, context: JobContext) -> dict[str, Any]:
    while True:
        context.cancel.check()
        await asyncio.sleep(0.005)


FOREVER = JobKind(until_cancelled, about, can_pause=True, resumable=True)


def test_a_job_ends_done_with_its_result_and_at_most_ten_events_a_second(tmp_path: Path) -> None:
    async def count(options: Options, context: JobContext) -> dict[str, Any]:
        for done in range(250):
            context.report(Progress(done, 250, "steps"))
            await asyncio.sleep(0.001)
        return {"sum": options["n"]}

    async def run(jobs: Jobs, listener: Listener) -> None:
        began = asyncio.get_running_loop().time()
        record = await jobs.start("count", {"n": 3})
        heard = await states(listener, "done")
        took = asyncio.get_running_loop().time() - began

        assert jobs.get(record.id).row.result == {"sum": 3}
        assert (heard[-1]["result"], heard[-1]["done"], heard[-1]["total"]) == ({"sum": 3}, 249, 250)
        assert len(heard) <= took * 10 + 3  # pending, running, done come besides

    with_jobs(tmp_path, {"count": JobKind(count)}, run)


def test_a_failure_is_told_in_words_with_its_kind_and_numbers(tmp_path: Path) -> None:
    async def fail(options: Options, context: JobContext) -> dict[str, Any]:
        raise DiskFull("There is no room for 3 GiB.", needed_bytes=3 << 30, free_bytes=5, hint="Delete something.")

    async def run(jobs: Jobs, listener: Listener) -> None:
        await jobs.start("fail", {})
        end = (await states(listener, "failed"))[-1]
        assert (end["error"], end["hint"], end["result"]) == ("There is no room for 3 GiB.", "Delete something.", None)
        assert end["details"] == {"kind": "disk_full", "needed_bytes": 3 << 30, "free_bytes": 5}

    with_jobs(tmp_path, {"fail": JobKind(fail)}, run)


def test_a_mistake_of_ours_fails_the_job_and_goes_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(options: Options, context: JobContext) -> dict[str, Any]:
        return {"value": options["missing"]}

    async def run(jobs: Jobs, listener: Listener) -> None:
        await jobs.start("broken", {})
        end = (await states(listener, "failed"))[-1]
        assert "KeyError" in end["error"]

    with_jobs(tmp_path, {"broken": JobKind(broken)}, run)
    assert "KeyError" in caplog.text


def test_cancel_ends_a_job_as_cancelled_and_one_that_is_over_stays_so(tmp_path: Path) -> None:
    async def run(jobs: Jobs, listener: Listener) -> None:
        record = await jobs.start("forever", {})
        await states(listener, "running")
        assert (await jobs.cancel(record.id)).row.state == "cancelled"
        assert (await states(listener, "cancelled"))[-1]["id"] == record.id
        assert (await jobs.cancel(record.id)).row.state == "cancelled"
        with pytest.raises(NotFound):
            await jobs.cancel("none")

    with_jobs(tmp_path, {"forever": FOREVER}, run)


def test_the_end_of_a_service_interrupts_its_jobs_and_the_next_one_can_go_on_with_them(tmp_path: Path) -> None:
    seen: list[Memory] = []

    async def remembers(options: Options, context: JobContext) -> dict[str, Any]:
        seen.append(dict(context.memory))
        context.report(Progress(len(seen), 2, "steps"))
        await context.remember(step=len(seen))
        return {} if len(seen) == 2 else await until_cancelled(options, context)

    kinds = {
        "resumable": JobKind(remembers, about, resumable=True),
        "other": JobKind(until_cancelled, about),
    }

    async def whole() -> None:
        async with service_run(tmp_path, kinds) as (jobs, _):
            resumable, other = await jobs.start("resumable", {"name": "a"}), await jobs.start("other", {"name": "b"})
            await reaches(jobs, resumable, "running")
            await eventually_async(lambda: asyncio.sleep(0, jobs.get(resumable.id).row.memory == {"step": 1}))
        assert [record.row.state for record in (resumable, other)] == ["interrupted", "interrupted"]

        async with service_run(tmp_path, kinds) as (jobs, _):
            await jobs.go_on()
            kept = [(record.row.title, record.row.state, record.can_resume) for record in jobs.all()]
            assert kept == [("Work on a", "interrupted", True), ("Work on b", "interrupted", False)]
            assert jobs.get(resumable.id).wire()["done"] == 1
            with pytest.raises(Conflict, match="cannot go on"):
                await jobs.resume(other.id)
            await reaches(jobs, await jobs.resume(resumable.id), "done")
        assert seen == [{}, {"step": 1}]

    asyncio.run(whole())


def test_what_was_at_work_when_the_service_was_killed_goes_on_by_itself_if_its_kind_does(tmp_path: Path) -> None:
    runs: list[str] = []

    async def work(options: Options, context: JobContext) -> dict[str, Any]:
        runs.append(str(options["name"]))
        return {} if len(runs) > 3 else await until_cancelled(options, context)

    kinds = {"get": JobKind(work, about, can_pause=True, resumable=True, goes_on=True, lane="transfers")}

    async def whole() -> None:
        database = await Database.open(tmp_path / "jackdaw.db", [JOBS_MIGRATION])
        killed = Jobs(kinds, EventLog(), JobStore(database))
        records = [await killed.start("get", {"name": name}) for name in "abc"]
        await reaches(killed, records[1], "running")
        paused = await killed.pause(records[0].id)
        await reaches(killed, records[2], "running")
        await database.close()  # as a kill: the jobs learn nothing of it

        async with service_run(tmp_path, kinds) as (jobs, _):
            assert [record.row.state for record in jobs.all()] == ["paused", "interrupted", "interrupted"]
            await jobs.go_on()
            await reaches(jobs, jobs.get(records[1].id), "done")
            await reaches(jobs, jobs.get(records[2].id), "done")
            assert jobs.get(paused.id).row.state == "paused"
        for record in killed.all():
            record.context.cancel.set()
        await killed.close()

    asyncio.run(whole())
    assert sorted(runs) == ["a", "b", "b", "c", "c"]


def test_only_the_newest_jobs_are_remembered(tmp_path: Path) -> None:
    async def quick(options: Options, context: JobContext) -> dict[str, Any]:
        return {}

    async def run(jobs: Jobs, listener: Listener) -> None:
        for _ in range(KEPT + 5):
            await reaches(jobs, await jobs.start("quick", {}), "done")
        await jobs.start("quick", {})
        assert len(jobs.all()) == KEPT + 1

    with_jobs(tmp_path, {"quick": JobKind(quick)}, run)

    async def again() -> None:
        async with service_run(tmp_path, {}) as (jobs, _):
            assert len(jobs.all()) == KEPT

    asyncio.run(again())


def test_an_unknown_kind_is_refused_and_so_are_options_that_cannot_be(tmp_path: Path) -> None:
    async def strict(options: Options) -> JobAbout:
        raise BadRequest("bad_option", "No.")

    async def run(jobs: Jobs, listener: Listener) -> None:
        with pytest.raises(BadRequest, match="dance"):
            await jobs.start("dance", {})
        with pytest.raises(BadRequest, match="No"):
            await jobs.start("strict", {})
        assert jobs.all() == []

    with_jobs(tmp_path, {"strict": JobKind(until_cancelled, strict)}, run)


def test_a_second_start_of_the_same_thing_is_the_first_and_wakes_it(tmp_path: Path) -> None:
    async def run(jobs: Jobs, listener: Listener) -> None:
        both = await asyncio.gather(*(jobs.start("forever", {"name": "a"}) for _ in range(2)))
        assert both[0] is both[1]
        assert (await jobs.start("forever", {"name": "b"})).id != both[0].id
        assert (await jobs.pause(both[0].id)).row.state == "paused"
        assert await jobs.start("forever", {"name": "a"}) is both[0]
        await reaches(jobs, both[0], "running")
        assert [record.id for record in jobs.about("a")] == [both[0].id]
        await jobs.cancel(both[0].id)
        assert await jobs.start("forever", {"name": "a"}) is not both[0]

    with_jobs(tmp_path, {"forever": FOREVER}, run)


def test_the_processors_serve_one_job_at_a_time_and_the_network_two_in_the_order_they_came(tmp_path: Path) -> None:
    kinds = {
        "make": JobKind(until_cancelled, about, lane="processors"),
        "get": JobKind(until_cancelled, about, lane="transfers"),
    }

    async def run(jobs: Jobs, listener: Listener) -> None:
        made = [await jobs.start("make", {"name": name}) for name in "abc"]
        got = [await jobs.start("get", {"name": name}) for name in "abc"]
        await reaches(jobs, got[1], "running")
        assert [record.row.state for record in made] == ["running", "pending", "pending"]
        assert [record.row.state for record in got] == ["running", "running", "pending"]
        assert "processors" in made[1].wire()["message"]
        await jobs.cancel(made[1].id)  # never ran
        await jobs.cancel(made[0].id)
        await reaches(jobs, made[2], "running")
        assert [record.row.state for record in made] == ["cancelled", "cancelled", "running"]
        assert got[2].row.state == "pending"

    with_jobs(tmp_path, kinds, run)


def test_a_kind_that_cannot_pause_says_so(tmp_path: Path) -> None:
    async def run(jobs: Jobs, listener: Listener) -> None:
        record = await jobs.start("once", {})
        with pytest.raises(Conflict, match="cannot be paused"):
            await jobs.pause(record.id)
        assert record.is_active

    with_jobs(tmp_path, {"once": JobKind(until_cancelled)}, run)


@pytest.mark.parametrize("error", [DiskFull("Full.", needed_bytes=9, free_bytes=1), Offline("Nobody.", host="hub")])
def test_no_room_and_no_network_pause_a_job_that_can_go_on(tmp_path: Path, error: Exception) -> None:
    tries: list[int] = []

    async def work(options: Options, context: JobContext) -> dict[str, Any]:
        tries.append(1)
        if len(tries) == 1:
            raise error
        return {}

    async def run(jobs: Jobs, listener: Listener) -> None:
        record = await reaches(jobs, await jobs.start("get", {}), "paused")
        assert (record.can_resume, record.row.error) == (True, str(error))
        assert set(vars(error)) - {"message", "hint"} <= set(record.row.details)
        record = await reaches(jobs, await jobs.resume(record.id), "done")
        assert (record.row.error, record.row.details) == ("", {})

    with_jobs(tmp_path, {"get": JobKind(work, about, resumable=True)}, run)


def test_the_air_gap_holds_back_what_runs_and_what_would_start(tmp_path: Path) -> None:
    closed = asyncio.Event()

    def gate(options: Options) -> None:
        if closed.is_set():
            raise AirGapped("Jackdaw is air-gapped.")

    async def run(jobs: Jobs, listener: Listener) -> None:
        record = await reaches(jobs, await jobs.start("get", {"name": "a"}), "running")
        closed.set()
        jobs.recheck()
        await reaches(jobs, record, "paused")
        assert (record.row.error, record.row.details["kind"]) == ("Jackdaw is air-gapped.", "air_gapped")
        for refused in (jobs.start("get", {"name": "b"}), jobs.resume(record.id)):
            with pytest.raises(AirGapped):
                await refused
        closed.clear()
        await reaches(jobs, await jobs.resume(record.id), "running")

    with_jobs(tmp_path, {"get": JobKind(until_cancelled, about, resumable=True, gate=gate)}, run)


@pytest.mark.parametrize("rests", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_cancelling_throws_away_what_was_kept_unless_asked_not_to(tmp_path: Path, keep: bool, rests: bool) -> None:
    thrown: list[Memory] = []

    async def work(options: Options, context: JobContext) -> dict[str, Any]:
        await context.remember(part=1)
        return await until_cancelled(options, context)

    async def discard(options: Options, memory: Memory) -> None:
        thrown.append(dict(memory))

    async def run(jobs: Jobs, listener: Listener) -> None:
        record = await reaches(jobs, await jobs.start("get", {}), "running")
        await eventually_async(lambda: asyncio.sleep(0, record.row.memory == {"part": 1}))
        if rests:
            await jobs.pause(record.id)
            assert thrown == []
        assert (await jobs.cancel(record.id, keep_partial=keep)).row.state == "cancelled"
        assert thrown == ([] if keep else [{"part": 1}])

    with_jobs(tmp_path, {"get": JobKind(work, about, can_pause=True, resumable=True, discard=discard)}, run)


def test_work_that_does_not_look_is_broken_off(tmp_path: Path) -> None:
    async def deaf(options: Options, context: JobContext) -> dict[str, Any]:
        return await context.unless_cancelled(asyncio.sleep(60, {}))

    async def run(jobs: Jobs, listener: Listener) -> None:
        record = await reaches(jobs, await jobs.start("deaf", {}), "running")
        assert (await jobs.cancel(record.id, wait_s=2)).row.state == "cancelled"

    with_jobs(tmp_path, {"deaf": JobKind(deaf)}, run)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    rate.note(100.0, Progress(1_000, 10_000, "bytes"))  # resumed: what was there before was not fetched now
    assert rate.per_second() is None
    for second in range(1, 11):
        rate.note(100.0 + second, Progress(1_000 + 100 * second, 10_000, "bytes"))
    assert rate.per_second() == pytest.approx(100)
    for second in range(11, 16):
        rate.note(100.0 + second, Progress(2_000, 10_000, "bytes"))
    assert rate.per_second() == 0
    assert seconds_left(Progress(2_000, 10_000, "bytes"), 0.0) is None
    assert seconds_left(Progress(2_000, 10_000, "bytes"), 100.0) == pytest.approx(80)
    rate.note(116.0, Progress(1, 3, "tensors"))
    assert rate.per_second() is None


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
