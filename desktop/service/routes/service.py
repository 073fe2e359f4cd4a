"""The service itself: health, status, doctor, settings, events, stopping, the window."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from desktop import wire
from desktop.service.answer import encode_event
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import BadRequest
from desktop.service.events import Listener, read_all
from desktop.service.lock import is_held

ROOT = "/jackdaw/v1"
IDLE_COMMENT_S = 10.0


async def health(core: Core, call: Call) -> wire.Health:
    return core.health()


async def status(core: Core, call: Call) -> wire.Status:
    return await core.status()


async def stop(core: Core, call: Call) -> wire.Nothing:
    core.ask_to_stop()
    return wire.Nothing()


async def doctor(core: Core, call: Call) -> wire.DoctorReport:
    return await core.engine.report(again=False)


async def prove(core: Core, call: Call) -> wire.DoctorReport:
    return await core.engine.report(again=True)


async def get_settings(core: Core, call: Call) -> dict[str, Any]:
    return dataclasses.asdict(core.settings.current)


async def patch_settings(core: Core, call: Call) -> dict[str, Any]:
    changed = await asyncio.to_thread(core.settings.change, call.raw_body)
    core.settings_changed()
    return dataclasses.asdict(changed)


async def events(core: Core, call: Call) -> AsyncIterator[bytes]:
    since = call.query.get("since")
    if since is not None and not (since.isascii() and since.isdigit() and len(since) < 20):
        raise BadRequest("bad_request", "since must be the id of an event.")
    return _tell(core.events.listen(None if since is None else int(since)))


async def _tell(listener: Listener) -> AsyncIterator[bytes]:
    yield b": listening\n\n"
    async for event in read_all(listener, IDLE_COMMENT_S):
        if event is None:
            yield b": still here\n\n"
        else:
            yield encode_event(event.type, {"id": event.id, "type": event.type, "data": event.data}, event.id)


async def raise_window(core: Core, call: Call) -> wire.WindowRaised:
    core.events.publish("window", {"action": "raise"})
    return wire.WindowRaised(raised=await asyncio.to_thread(is_held, core.paths.window_lock))


ROUTES = (
    ControlRoute("GET", "/health", "Whether the service is well", health, answer=wire.Health),
    ControlRoute("GET", ROOT + "/status", "What runs, and what it uses", status, answer=wire.Status),
    ControlRoute("POST", ROOT + "/stop", "End the service gracefully", stop, answer=wire.Nothing),
    ControlRoute("GET", ROOT + "/doctor", "The engine and its last proof", doctor, answer=wire.DoctorReport),
    ControlRoute("POST", ROOT + "/doctor", "Prove the engine again", prove, answer=wire.DoctorReport),
    ControlRoute("GET", ROOT + "/settings", "All settings", get_settings),
    ControlRoute("PATCH", ROOT + "/settings", "Change some settings", patch_settings, dict),
    ControlRoute("GET", ROOT + "/events", "What changes, as it changes", events, None, "events", ("since",)),
    ControlRoute("POST", ROOT + "/window", "Bring the window to the front", raise_window, dict, wire.WindowRaised),
)
