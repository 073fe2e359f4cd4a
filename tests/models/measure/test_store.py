"""Measurements in the database: kept step by step, marked when they are stale, gone with their model."""

from __future__ import annotations

import pytest

from models.database import Database
from models.library import Library
from models.measure.store import STOPPED, Measurements
from models.measure.types import Answer, Divergence, Memory, Place, Speed, Subject

pytestmark = pytest.mark.anyio

HERE = Place("this machine", "engine 1")
LOSS = Divergence(0.02, 0.001, 0.3, 91.5, 8.1, 0.2, 8.0)
SPEED = Speed(120.5, 14.25, 512, 64)
MEMORY = Memory(500_000_000, 2048)


async def measured(measurements: Measurements, subject: Subject, source_id: str, place: Place = HERE) -> None:
    await measurements.begin(subject, source_id, place, "text.txt", "key")
    await measurements.note(subject.id, source_id, LOSS, tokens_measured=4080)
    await measurements.note(subject.id, source_id, SPEED)
    await measurements.note(subject.id, source_id, MEMORY)
    await measurements.end(subject.id, source_id, "done")


async def test_steps_are_kept_one_by_one(measurements: Measurements, subjects: list[Subject]) -> None:
    source, model = subjects[0].id, subjects[1]
    begun = await measurements.begin(model, source, HERE, "text.txt", "key")
    assert (begun.divergence, begun.speed, begun.memory, begun.state) == (None, None, None, "running")

    await measurements.note(model.id, source, LOSS, tokens_measured=4080)
    half = await measurements.get(model.id)
    await measured(measurements, model, source)
    whole = await measurements.get(model.id, HERE)

    assert half is not None and whole is not None
    assert (half.divergence, half.speed) == (LOSS, None)
    assert (whole.divergence, whole.speed, whole.memory) == (LOSS, SPEED, MEMORY)
    assert (whole.state, whole.stale, whole.tokens_measured) == ("done", "", 4080)
    assert await measurements.list(source) == [whole]
    assert await measurements.source_of(model.id) == source
    assert await measurements.source_of(source) == source


@pytest.mark.parametrize(
    ("place", "key", "kept"),
    [
        (HERE, "key", (LOSS, SPEED, MEMORY)),
        (HERE, "other text", (None, SPEED, MEMORY)),
        (Place("another", "engine 1"), "key", (None, None, None)),
        (Place("this machine", "engine 2"), "key", (None, None, None)),
    ],
)
async def test_only_what_still_holds_is_kept(
    place: Place, key: str, kept: tuple[object, ...], measurements: Measurements, subjects: list[Subject]
) -> None:
    await measured(measurements, subjects[1], subjects[0].id)

    row = await measurements.begin(subjects[1], subjects[0].id, place, "text.txt", key)

    assert (row.divergence, row.speed, row.memory) == kept


async def test_numbers_of_another_place_are_stale(measurements: Measurements, subjects: list[Subject]) -> None:
    await measured(measurements, subjects[1], subjects[0].id)

    other_machine = await measurements.get(subjects[1].id, Place("another", "engine 1"))
    other_engine = await measurements.get(subjects[1].id, Place("this machine", "engine 2"))

    assert other_machine is not None and other_engine is not None
    assert other_machine.stale == "measured on another machine: this machine"
    assert other_engine.stale == "measured with another engine: engine 1"


async def test_a_measurement_goes_with_its_model_and_outlives_its_source(
    measurements: Measurements, subjects: list[Subject], database: Database
) -> None:
    source, one, two = subjects[0].id, subjects[1], subjects[2]
    for model in (one, two):
        await measured(measurements, model, source)
        await measurements.note_answer(Answer(model.id, source, "Hi", "Hello", 1, 0.0))
    library = Library(database)

    await database.write(lambda connection: connection.execute("DELETE FROM models WHERE id = ?", [one.id]))
    await database.write(lambda connection: connection.execute("DELETE FROM models WHERE id = ?", [source]))

    assert [row.model_id for row in await measurements.list(source)] == [two.id]
    assert [answer.model_id for answer in await measurements.answers(source)] == [two.id]
    assert two.id in {model.id for model in await library.list()}


async def test_what_a_kill_left_running_is_said_to_be_stopped(
    measurements: Measurements, subjects: list[Subject]
) -> None:
    await measured(measurements, subjects[1], subjects[0].id)
    await measurements.begin(subjects[2], subjects[0].id, HERE, "text.txt", "key")

    await measurements.interrupted()

    states = {row.model_id: (row.state, row.error) for row in await measurements.list(subjects[0].id)}
    assert states == {subjects[1].id: ("done", ""), subjects[2].id: ("failed", STOPPED)}


async def test_forgotten_numbers_are_gone(measurements: Measurements, subjects: list[Subject]) -> None:
    await measured(measurements, subjects[1], subjects[0].id)
    await measurements.note_answer(Answer(subjects[1].id, subjects[0].id, "Hi", "Hello", None, 0.0))

    await measurements.forget(subjects[1].id)

    assert await measurements.get(subjects[1].id) is None
    assert await measurements.answers(subjects[0].id) == []
