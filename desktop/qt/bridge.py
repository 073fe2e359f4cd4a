"""The client thread: one asyncio loop that talks to the service, and signals that bring its answers to the widgets.

Nothing here waits on the main thread except `close()`. Answers arrive through one queued signal in the order in which
they were made; an answer whose owner is gone, or whose `Call` was cancelled, is dropped. pydantic and httpx are
imported in the client thread, after the first paint.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal, Slot

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.wire import Event

log = logging.getLogger(__name__)
T = TypeVar("T")
Phase = Literal["starting", "online", "lost", "failed", "stopped", "closed"]

BATCH_S = 0.033  # one signal for all tokens of a frame or two
RETRY_S = (0.3, 0.6, 1.0, 2.0, 4.0, 8.0)
LOOK_AGAIN_S = 2.0  # how often a window whose service was stopped looks whether somebody has started it
WAIT_FOR_LINK_S = 20.0  # how long a call waits for the service to come back before it fails
CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not work, ready to be shown: a sentence, the next step, and numbers for programs."""

    kind: str
    message: str
    hint: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """How the window stands with the service; `failure` says why it is not online.

    "lost" and "failed" are mended by themselves; a service that was "stopped" is started again only by `retry()`.
    """

    phase: Phase
    failure: Failure | None = None


class Call:
    """One request under way. `cancel()` from the main thread ends it; nothing of it is delivered afterwards."""

    def __init__(self) -> None:
        self.cancelled = False
        self._future: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def cancel(self) -> None:
        self.cancelled = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel_here)

    def _cancel_here(self) -> None:
        if self._future is not None:
            self._future.cancel()


Connect = Callable[[], Awaitable["Client"]]


class Bridge(QObject):
    """Owns the client thread. `connect` finds or starts the service and gives a client of it; `find` never starts one.

    `link_changed(Link)` and `event_seen(Event)` are emitted on the main thread.
    """

    link_changed = Signal(object)
    event_seen = Signal(object)
    _landed = Signal(object)

    def __init__(self, connect: Connect, find: Connect, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._connect = connect
        self._find = find
        self.link = Link("starting")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Client | None = None
        self._online: asyncio.Event | None = None
        self._retry_now: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._early: list[Callable[[], None]] = []
        self._stopped = False
        self._closing = False
        self._landed.connect(self._run_landed, Qt.ConnectionType.QueuedConnection)

    # -- main thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect; calls made before are kept and sent as soon as there is a service."""
        assert self._thread is None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._thread_main, name="client", daemon=True)
        self._thread.start()
        for begin in self._early:
            begin()
        self._early.clear()

    def call(
        self,
        work: Callable[[Client], Coroutine[Any, Any, T]],
        done: Callable[[T], None] | None = None,
        failed: Callable[[Failure], None] | None = None,
        *,
        owner: QObject | None = None,
    ) -> Call:
        """Run `work(client)` in the client thread, then `done(result)` or `failed(failure)` on the main thread."""

        async def run(call: Call) -> None:
            result = await work(await self._wait_client())
            if done is not None:
                self._land(call, owner, lambda: done(result))

        return self._begin(run, failed, owner)

    def stream(
        self,
        work: Callable[[Client], AsyncIterator[T]],
        received: Callable[[list[T]], None],
        ended: Callable[[Failure | None], None],
        *,
        owner: QObject | None = None,
    ) -> Call:
        """Read `work(client)` to its end; items arrive in batches, at most one every 33 ms, then `ended` once."""

        async def run(call: Call) -> None:
            client = await self._wait_client()
            batch: list[T] = []

            def flush() -> None:
                if batch:
                    items = batch.copy()
                    batch.clear()
                    self._land(call, owner, lambda: received(items))

            try:
                async for item in work(client):
                    if not batch:
                        asyncio.get_running_loop().call_later(BATCH_S, flush)
                    batch.append(item)
            finally:
                flush()
            self._land(call, owner, lambda: ended(None))

        return self._begin(run, ended, owner)

    def retry(self) -> None:
        """Try to reach the service at once instead of waiting for the next turn; start one that was stopped."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self._retry_now.set() if self._retry_now else None)

    def close(self, last: Callable[[Client], Coroutine[Any, Any, object]] | None = None) -> None:
        """End the client thread, running `last(client)` first when there is a service. Waits 5 s at most."""
        self._closing = True
        if self._thread is None or self._loop is None or not self._thread.is_alive():
            return
        loop = self._loop
        asyncio.run_coroutine_threadsafe(self._finish(last), loop)
        self._thread.join(CLOSE_S)
        self._thread = None
        self.link = Link("closed")

    @Slot(object)
    def _run_landed(self, deliver: Callable[[], None]) -> None:
        if not self._closing:
            deliver()

    # -- client thread -----------------------------------------------------------------------------------------------

    def _begin(
        self,
        run: Callable[[Call], Coroutine[Any, Any, None]],
        failed: Callable[[Failure], None] | Callable[[Failure | None], None] | None,
        owner: QObject | None,
    ) -> Call:
        call = Call()

        async def guarded() -> None:
            try:
                await run(call)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                failure = explain(error)
                if failed is not None:
                    self._land(call, owner, lambda: failed(failure))
                else:
                    log.warning("nobody asked about this failure: %s", failure.message)

        def begin() -> None:
            if call.cancelled or self._loop is None:
                return
            call._loop = self._loop
            task = self._loop.create_task(guarded())
            call._future = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        if self._loop is None:
            self._early.append(lambda: self._post(begin))
        else:
            self._post(begin)
        return call

    def _post(self, begin: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed() and not self._closing:
            self._loop.call_soon_threadsafe(begin)

    def _land(self, call: Call, owner: QObject | None, deliver: Callable[[], None]) -> None:
        def run() -> None:
            if not call.cancelled and (owner is None or shiboken6.isValid(owner)):
                deliver()

        self._landed.emit(run)

    def _thread_main(self) -> None:
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        self._online = asyncio.Event()
        self._retry_now = asyncio.Event()
        self._tasks.add(loop.create_task(self._keep_linked()))
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    async def _finish(self, last: Callable[[Client], Coroutine[Any, Any, object]] | None) -> None:
        try:
            if last is not None and self._client is not None:
                async with asyncio.timeout(CLOSE_S - 1):
                    await last(self._client)
        except Exception as error:
            log.warning("the last request to the service failed: %s", explain(error).message)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        asyncio.get_running_loop().stop()

    async def _keep_linked(self) -> None:
        """Connect, follow the events until they break, connect again; for as long as the window lives."""
        since = 0  # of no run: the service answers with a `reset` first
        client = await self._reach()
        while True:
            since, failure = await self._serve_calls(client, since)
            if self._stopped:
                self._tell(Link("stopped", _was_stopped()))
                client = await self._wait_while_stopped()
            else:
                self._tell(Link("lost", failure))
                await self._pause(RETRY_S[0])
                client = await self._reach()

    async def _reach(self) -> Client:
        """Find or start the service, as often as it takes."""
        attempt = 0
        while True:
            try:
                return await self._connect()
            except Exception as error:
                self._tell(Link("failed" if attempt else "lost", explain(error)))
                await self._pause(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1

    async def _serve_calls(self, client: Client, since: int) -> tuple[int, Failure | None]:
        """Let calls use this client while its events come; gives the last event's id and why they ended."""
        assert self._online is not None
        self._client, self._stopped, failure = client, False, None
        self._online.set()
        self._tell(Link("online"))
        try:
            async for event in client.events(since):
                since = event.id
                self._stopped = event.type == "service" and event.data.get("action") == "stopping"
                self._post_event(event)
        except Exception as error:
            failure = explain(error)
        self._online.clear()
        self._client = None
        await client.aclose()
        return since, failure

    async def _wait_while_stopped(self) -> Client:
        """Somebody ended the service on purpose: it stays so until somebody starts one, here or elsewhere."""
        while not await self._pause(LOOK_AGAIN_S):
            try:
                return await self._find()
            except Exception as error:
                log.debug("still stopped: %s", error)
        self._stopped = False
        self._tell(Link("starting"))
        return await self._reach()

    async def _pause(self, seconds: float) -> bool:
        """Wait so long; at once True when `retry()` is called meanwhile."""
        assert self._retry_now is not None
        self._retry_now.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._retry_now.wait()
        except TimeoutError:
            return False
        return True

    async def _wait_client(self) -> Client:
        assert self._online is not None
        if self._stopped and self._client is None:
            raise _Stopped
        async with asyncio.timeout(WAIT_FOR_LINK_S):
            await self._online.wait()
        assert self._client is not None
        return self._client

    def _tell(self, link: Link) -> None:
        def deliver() -> None:
            self.link = link
            self.link_changed.emit(link)

        self._landed.emit(deliver)

    def _post_event(self, event: Event) -> None:
        self._landed.emit(lambda: self.event_seen.emit(event))


class _Stopped(Exception):
    """A call while the service is stopped."""


def _was_stopped() -> Failure:
    return Failure(
        "stopped",
        "Jackdaw's service was stopped.",
        "It was ended on purpose, so it is not started again by itself. Until then models and the port are off.",
    )


def explain(error: BaseException) -> Failure:
    """Any error as something to show. Errors of ours bring their sentence; the rest is a bug and is logged as one."""
    if isinstance(error, _Stopped):
        return _was_stopped()
    message = getattr(error, "message", "")
    if message:
        details = dict(getattr(error, "details", {}) or {})
        first, _, more = str(message).partition("\n")
        if more:  # output of a program: the first line is said, the rest can be looked at
            details["output"] = str(message)
        return Failure(getattr(error, "kind", "error"), first, getattr(error, "hint", ""), details)
    if isinstance(error, TimeoutError):
        return Failure(
            "unreachable", "Jackdaw's service does not answer.", "It is started again; try once more in a moment."
        )
    if isinstance(error, OSError):
        return Failure("os_error", f"The system refused: {error.strerror or error}.")
    log.error("unexpected error in the client thread", exc_info=error)
    return Failure("bug", f"Something went wrong inside Jackdaw ({type(error).__name__}).", "The log names the place.")
