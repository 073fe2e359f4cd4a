"""The composition root: makes every part of the service, starts it, and closes it in reverse order."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from desktop.paths import Paths
from desktop.service.backups import Backups
from desktop.service.compose import Options, clean_up_after_a_crash, make_core
from desktop.service.control_api import control_app
from desktop.service.core import Core
from desktop.service.listeners import LOOPBACK, BindRefused, Listeners, check_bind
from desktop.service.openai_api import openai_routes
from desktop.service.port_app import port_app
from desktop.service.quiet import run_when_quiet
from engine.errors import EngineError
from models.errors import ModelsError

__all__ = ["Options", "Service", "build", "clean_up_after_a_crash"]

log = logging.getLogger(__name__)

STATUS_EVERY_S = 1.0
SAVE_KEYS_EVERY_S = 60.0
ANSWER_GRACE_S = 5.0
MEASURE_AFTER_QUIET_S = 120.0


class Service:
    """A service whose parts exist. `start` opens the listeners, `close` ends everything."""

    def __init__(self, core: Core, listeners: Listeners, closing: AsyncExitStack) -> None:
        self.core = core
        self.listeners = listeners
        self._closing = closing
        self._backups = Backups(core.database, core.busy)
        self._hurry = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the listeners, then prove the engine if need be. Returns once the control socket answers."""
        await self.listeners.start()
        self.core.engine.start_proof()
        await self.core.files.start()
        await self.core.jobs.go_on()
        measuring = self._measure_threads()
        self._tasks.append(asyncio.create_task(measuring, name="measure threads"))
        self._tasks.append(asyncio.create_task(self._backups.keep(), name="daily backups"))
        self._every(STATUS_EVERY_S, self._tell_status, "status")
        self._every(SAVE_KEYS_EVERY_S, self.core.keys.save_use, "save the use of keys")

    def hurry(self) -> None:
        """While closing: wait for nobody any more."""
        self._hurry.set()

    async def close(self) -> None:
        """Save running answers, let responses end for some seconds, make a backup if the last is older than a day.

        Then every part is closed in reverse order.
        """
        self.core.stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The last thing a listener hears: whoever hears it knows that this is no crash, and need not start us again.
        self.core.events.publish("service", {"action": "stopping"})
        self.core.events.close()
        await self.core.asking.close()
        if not await self._unless_hurried(self.listeners.close(ANSWER_GRACE_S)):
            await self.listeners.close(0)
        await self._unless_hurried(self._backups.make_if_due())
        await self._closing.aclose()

    async def _unless_hurried(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do this, or break it off as soon as somebody is in a hurry; whether it was done."""
        gentle = asyncio.create_task(work)
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([gentle, hurry], return_when=asyncio.FIRST_COMPLETED)
        done = gentle.done()
        for task in (gentle, hurry):
            task.cancel()
        for result in await asyncio.gather(gentle, hurry, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("while ending", exc_info=result)
        return done

    async def _measure_threads(self) -> None:
        """Once per machine and engine, when nobody has asked for anything for a while."""
        try:
            await run_when_quiet(self.core.engine.measure, self.core.busy, quiet_s=MEASURE_AFTER_QUIET_S)
        except (EngineError, ModelsError, OSError, RuntimeError) as error:
            log.warning("This machine was not measured: %s", error)

    async def _tell_status(self) -> None:
        """Publish the status while somebody listens; nobody pays for it otherwise."""
        await self.core.events.wait_for_listener()
        status = await self.core.status()
        self.core.events.publish("status", status.model_dump(), passing_key="status")

    def _every(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await work()
                except Exception:  # the edge of a background task: it is worth a line, never the service
                    log.exception("%s failed", name)

        self._tasks.append(asyncio.create_task(repeat(), name=name))


async def build(paths: Paths, options: Options) -> Service:
    """Make a service for a data folder whose lock the caller holds.

    Raises SettingsError, DatabaseError, BindRefused or OSError; what was opened by then is closed again.
    """
    async with AsyncExitStack() as closing:
        await asyncio.to_thread(clean_up_after_a_crash, paths)
        core = await make_core(paths, options, closing)
        bind = _addresses(core.settings.current.bind if options.bind is None else options.bind)
        check_bind(bind, confirmed=options.allow_remote, has_keys=any(not key.revoked_at for key in core.keys.all()))
        listeners = Listeners(
            port_app=port_app(core),
            control_app=control_app(core, openai_routes(core), core.version),
            control_socket=paths.control_socket,
            port=core.settings.current.port if options.port is None else options.port,
            bind=bind,
            on_change=core.port_changed,
        )
        core.listeners = listeners
        return Service(core, listeners, closing.pop_all())
    raise AssertionError("an exit stack swallows nothing")


def _addresses(bind: str) -> Sequence[str]:
    """What to bind for a wish of "" (loopback alone) or one address; an unspecified one includes its loopback."""
    if not bind:
        return LOOPBACK
    try:
        wanted = ipaddress.ip_address(bind)
    except ValueError as error:
        raise BindRefused(
            f"{bind!r} is no address to listen on: it must be an IP address such as 192.168.1.10."
        ) from error
    if not wanted.is_unspecified:
        return (*LOOPBACK, *(() if bind in LOOPBACK else (bind,)))
    return (bind, "::1") if wanted.version == 4 else ("127.0.0.1", bind)
