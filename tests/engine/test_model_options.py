"""What was chosen for a model is remembered, checked when it comes in and when it is read."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from desktop import wire_models
from engine.errors import BadOption
from engine.model_options import (
    LIMITS,
    MODEL_OPTIONS_MIGRATION,
    AdapterUse,
    ModelOptions,
    OptionsStore,
    check_options,
    options_of,
)
from models.database import Database

EVERYTHING = ModelOptions(
    context=8192,
    slots=2,
    cache_type_k="q8_0",
    cache_type_v="q4_0",
    gpu_layers=20,
    cpu_expert_layers=12,
    draft_model="small",
    projector=False,
    adapters=(AdapterUse("poems", 0.5), AdapterUse("law", 0.0)),
)


async def opened(folder: Path) -> Database:
    return await Database.open(folder / "jackdaw.db", [replace(MODEL_OPTIONS_MIGRATION, number=1)])


def raw(database: Database, model_id: str, text: str) -> Any:
    def insert(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO model_options VALUES (?, ?, 0.0)", (model_id, text))

    return database.write(insert)


@pytest.mark.anyio
async def test_options_survive_the_service(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    await OptionsStore(database).set("large", EVERYTHING)
    await database.close()

    database = await opened(tmp_path)
    try:
        store = OptionsStore(database)
        assert await store.get("large") == EVERYTHING
        assert await store.get("never chosen") == ModelOptions()
        assert await store.all() == {"large": EVERYTHING}
    finally:
        await database.close()


@pytest.mark.anyio
async def test_choosing_nothing_forgets(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    try:
        store = OptionsStore(database)
        await store.set("large", EVERYTHING)
        await store.set("large", ModelOptions(context=512))
        assert await store.get("large") == ModelOptions(context=512)
        await store.forget("large")
        assert await store.all() == {}
    finally:
        await database.close()


@pytest.mark.anyio
async def test_a_refused_change_keeps_the_old_options(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    try:
        store = OptionsStore(database)
        await store.set("large", EVERYTHING)
        with pytest.raises(BadOption) as refused:
            await store.set("large", replace(EVERYTHING, draft_model="large"))
        assert refused.value.option == "draft_model"
        assert await store.get("large") == EVERYTHING
    finally:
        await database.close()


@pytest.mark.anyio
async def test_a_deleted_adapter_leaves_every_model(tmp_path: Path) -> None:
    database = await opened(tmp_path)
    try:
        store = OptionsStore(database)
        await store.set("a", EVERYTHING)
        await store.set("b", ModelOptions(adapters=(AdapterUse("poems"),)))
        await store.set("c", ModelOptions(adapters=(AdapterUse("law"),)))
        assert await store.without_adapter("poems") == ("a", "b")
        assert (await store.get("a")).adapters == (AdapterUse("law", 0.0),)
        assert await store.get("b") == ModelOptions()
    finally:
        await database.close()


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["", "not json", "[1, 2]", "null", '{"context": 512'])
async def test_a_damaged_row_is_passed_over_and_told(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = await opened(tmp_path)
    try:
        await raw(database, "large", text)
        with caplog.at_level(logging.WARNING, "engine.model_options"):
            assert await OptionsStore(database).get("large") == ModelOptions()
        assert "large" in caplog.text
        caplog.clear()
    finally:
        await database.close()


@pytest.mark.parametrize(
    "values",
    [
        {"context": "8192"},
        {"context": 12},
        {"context": True},
        {"cache_type_k": "q3_k"},
        {"projector": "yes"},
        {"adapters": [{"scale": 1.0}]},
        {"adapters": [{"id": "a", "scale": 99}]},
        {"adapters": [{"id": "a", "scale": "nan"}]},
        {"adapters": 5},
        {"draft_model": 5},
        {"unknown": 1},
    ],
)
def test_one_bad_field_costs_only_itself(values: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    assert options_of({**values, "slots": 3}) == ModelOptions(slots=3)
    caplog.clear()


@pytest.mark.parametrize("name", LIMITS)
def test_numbers_have_limits(name: str) -> None:
    least, most = LIMITS[name]
    for value in (least, most):
        check_options(ModelOptions(**{name: value}))
    for value in (least - 1, most + 1):
        with pytest.raises(BadOption) as refused:
            check_options(ModelOptions(**{name: value}))
        assert refused.value.option == name


@pytest.mark.parametrize(
    "adapters", [(AdapterUse("a"), AdapterUse("a", 2.0)), (AdapterUse(""),), (AdapterUse("a", float("inf")),)]
)
def test_adapters_are_checked(adapters: Sequence[AdapterUse]) -> None:
    with pytest.raises(BadOption):
        check_options(ModelOptions(adapters=tuple(adapters)))


def test_the_wire_has_the_same_fields_and_limits() -> None:
    assert set(wire_models.ModelOptions.model_fields) == {field.name for field in fields(ModelOptions)}
    properties = wire_models.ModelOptions.model_json_schema()["properties"]
    for name, (least, most) in LIMITS.items():
        number = properties[name]["anyOf"][0]
        assert (number["minimum"], number["maximum"]) == (least, most)
