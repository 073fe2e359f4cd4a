"""What the tests of loading share: a scheduler over a real engine, models by name, and waiting for conditions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from desktop.paths import Paths
from engine.devices import held_bytes
from engine.fit import Wishes
from engine.scheduler import Scheduler, SchedulerSettings
from engine.tuning import default_tuning
from engine.types import LoadedModel
from models.errors import ModelNotFound
from models.library import LibraryModel
from models.llamacpp import EngineBuild, find_build
from models.orphans import mark_process

SMALL = Wishes(context=512, slots=2, cache_ram_mib=0)
QUICK = SchedulerSettings(reserve_bytes=0, first_backoff_s=0.02, wishes=SMALL)


def library_model(model_id: str, path: Path, kind: Any = "chat") -> LibraryModel:
    return LibraryModel(
        id=model_id,
        path=path,
        format="gguf",
        arch="qwen2",
        name=model_id,
        params=1,
        quant="F16",
        bytes=path.stat().st_size,
        context_length=4096,
        kind=kind,
        has_chat_template=True,
        supports_infill=False,
        source="import",
        licence="",
        added_at=0.0,
    )


class Rig:
    """A scheduler and what it told. `budget` plays the machine's memory: what children hold is gone from it."""

    def __init__(self, paths: Paths, build: EngineBuild, models: dict[str, LibraryModel]) -> None:
        self.paths = paths
        self.build = build
        self.models = models
        self.changes: list[LoadedModel] = []
        self.suspects: list[tuple[str, str]] = []
        self.budget = 8 * 1024**3
        self.scheduler: Scheduler

    def free_memory(self) -> int:
        pids = [model.pid for model in self.scheduler.snapshot() if model.pid is not None]
        return self.budget - sum(held_bytes(pid) for pid in pids)

    async def resolve(self, model_id: str) -> LibraryModel:
        if model_id not in self.models:
            raise ModelNotFound(f"No model is called {model_id}.")
        return self.models[model_id]

    async def suspect(self, model_id: str, reason: str) -> None:
        self.suspects.append((model_id, reason))

    def states(self, model_id: str) -> list[str]:
        """The states a model went through, without repetitions."""
        told = [change.state for change in self.changes if change.model_id == model_id]
        return [state for index, state in enumerate(told) if index == 0 or told[index - 1] != state]

    def pids(self, model_id: str) -> set[int]:
        return {change.pid for change in self.changes if change.model_id == model_id and change.pid is not None}


@asynccontextmanager
async def rig(
    paths: Paths,
    engine_bin: Path,
    models: dict[str, LibraryModel],
    settings: SchedulerSettings = QUICK,
    **arguments: Any,
) -> AsyncIterator[Rig]:
    """A Rig with a running scheduler; it is closed at the end whatever happened."""
    build = find_build(paths.engines, {"JACKDAW_ENGINE": str(engine_bin)})
    made = Rig(paths, build, models)
    made.scheduler = Scheduler(
        build=build,
        runtime_dir=paths.runtime,
        pidfiles=paths.children,
        resolve=made.resolve,
        settings=settings,
        tuning=lambda: default_tuning(build),
        on_change=made.changes.append,
        free_memory=made.free_memory,
        mark_suspect=made.suspect,
        environ=arguments.pop("environ", dict(os.environ)),
        **arguments,
    )
    try:
        yield made
    finally:
        await made.scheduler.close()


def stub_engine(folder: Path, script: str) -> Path:
    """A folder with a llama-server that behaves as `script` (sh) says: for what a real one does too rarely."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "llama-server"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o700)
    return folder


async def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait for a condition, looking every 10 ms."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    return mark_process(pid) is not None


def chat(content: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 4, "temperature": 0, **fields}
