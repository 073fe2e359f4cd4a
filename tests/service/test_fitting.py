"""What a chat's answers teach about the speed of models here."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from desktop.paths import Paths
from desktop.service.engine_state import EngineState
from desktop.service.fitting import Fitting
from desktop.service.schema import MIGRATIONS
from engine.fit_speed import SpeedStore
from engine.machine_speed import MachineSpeed
from models.database import Database
from models.measure.store import Measurements
from tests.engine.rig import library_model, rig

HERE = MachineSpeed(20e9, 200e9, 10e9, 50e9, 20e-6, "here")
LONG = {"prompt_tokens": 400, "completion_tokens": 60, "tokens_per_s": 900.0, "prompt_tokens_per_s": 9000.0}


@pytest.mark.parametrize(
    ("usage", "learned"),
    [
        (LONG, {"generate", "prompt"}),
        ({**LONG, "cached_tokens": 380}, {"generate"}),
        ({**LONG, "completion_tokens": 5}, set()),
        ({}, set()),
    ],
)
def test_only_telling_answers_teach(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, usage: dict[str, Any], learned: set[str]
) -> None:
    async def go() -> None:
        database = await Database.open(home.database, MIGRATIONS)
        try:
            async with rig(home, engine_bin, {"m": library_model("m", tiny_chat_gguf)}) as made:
                engine = EngineState(home.engines, dict(os.environ))
                engine.speed = HERE
                store = SpeedStore(database)
                fitting = Fitting(made.scheduler, engine, store, Measurements(database))
                await fitting.learn_from_answer("m", usage)
                assert (await store.seen("here")).ratios == {}  # not loaded: nothing is known of it
                async with made.scheduler.hold("m"):
                    await fitting.learn_from_answer("m", usage)
                    assert (await store.seen("here")).ratios == {}  # others were answered beside it
                await fitting.learn_from_answer("m", usage)
                seen = (await store.seen("here")).ratios
                assert {phase for subject, phase in seen if subject == "model:m"} == learned
                if learned:
                    judged = await fitting.of_model("m")
                    assert (judged.speed_source, judged.verdict) == ("measured", "fits")
        finally:
            await database.close()

    asyncio.run(go())


def test_the_first_question_measures_the_machine_and_lists_do_not_wait_for_it(
    home: Paths, engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path
) -> None:
    async def go() -> None:
        database = await Database.open(home.database, MIGRATIONS)
        engine = EngineState(tmp_path / "engines", {**os.environ, "JACKDAW_ENGINE": str(engine_bin)})
        await engine.find()
        try:
            async with rig(home, engine_bin, {"m": library_model("m", tiny_chat_gguf)}) as made:
                fitting = Fitting(made.scheduler, engine, SpeedStore(database), Measurements(database))
                assert (await fitting.estimate("m")).tokens_per_s is None
                assert engine.speed is None
                machines = await asyncio.gather(fitting.machine(), fitting.machine())  # measured once for both
                assert machines[0].speed is machines[1].speed is engine.speed is not None
                assert (await fitting.of_model("m")).tokens_per_s
                assert (await fitting.estimate("m")).tokens_per_s
        finally:
            await engine.close()
            await database.close()

    asyncio.run(go())


def test_without_a_build_the_speed_stays_unknown(tmp_path: Path) -> None:
    async def go() -> None:
        engine = EngineState(tmp_path / "engines", {"JACKDAW_ENGINE": str(tmp_path / "none")})
        await engine.find()
        assert await engine.need_speed() is None
        await engine.close()

    asyncio.run(go())
