"""The port as the service builds it, in the test's own process: library, scheduler, keys and listeners are the real
ones; only the engine is chosen by the test. And raw HTTP, because what is tested here no client library would send."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from desktop.paths import Paths
from desktop.service.files.on_port import FilesOnPort
from desktop.service.http_protocol import Limits
from desktop.service.keys import KEYS_MIGRATION, Keys
from desktop.service.listeners import LOOPBACK, Listeners
from desktop.service.port_app import port_app
from desktop.service.speed import Speed
from desktop.wire import EngineInfo, Health
from engine.devices import held_bytes
from engine.fit import Wishes
from engine.scheduler import Scheduler, SchedulerSettings
from engine.tuning import default_tuning
from models.database import Database
from models.library import LIBRARY_MIGRATIONS, Library
from models.llamacpp import find_build
from tests.engine.rig import stub_engine

T = TypeVar("T")
SETTINGS = SchedulerSettings(
    reserve_bytes=0, first_backoff_s=0.02, wishes=Wishes(context=4096, slots=4, cache_ram_mib=0)
)


def run(work: Coroutine[Any, Any, T]) -> T:
    """On the loop the service uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@dataclass
class Core:
    """What port_app asks for."""

    library: Library
    scheduler: Scheduler
    keys: Keys
    speed: Speed = field(default_factory=Speed)
    listeners: Listeners | None = None
    files_on_port: FilesOnPort | None = None

    def health(self) -> Health:
        engine = EngineInfo(build="test", proven=True, backend="CPU")
        return Health(status="ok", version="test", port=0, engine=engine)


class Memory:
    """The machine's memory, as far as the scheduler knows: what children hold is gone from it."""

    def __init__(self) -> None:
        self.bytes = 8 * 1024**3
        self.scheduler: Scheduler | None = None

    def free(self) -> int:
        loaded = self.scheduler.snapshot() if self.scheduler is not None else ()
        return self.bytes - sum(held_bytes(model.pid) for model in loaded if model.pid is not None)


@dataclass
class Port:
    """A port that listens. `key` is a good one; `model` the id of the first model."""

    core: Core
    listeners: Listeners
    key: str
    models: list[str]
    memory: Memory = field(default_factory=Memory)

    @property
    def number(self) -> int:
        return self.listeners.port

    @property
    def model(self) -> str:
        return self.models[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.number}/v1"

    def head(self, method: str, path: str, headers: Mapping[str, str] | None = None, *, key: bool = True) -> bytes:
        """A request head; headers set to "" are left out."""
        fields = {"Host": f"127.0.0.1:{self.number}", **({"Authorization": f"Bearer {self.key}"} if key else {})}
        fields.update(headers or {})
        lines = [f"{name}: {value}" for name, value in fields.items() if value]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")

    async def ask(self, request: bytes, *, timeout_s: float = 20.0) -> Answer:
        """Send raw bytes, read one answer until the server closes or its body is complete."""
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.number, limit=2**26)
            try:
                writer.write(request)
                return await read_answer(reader)
            finally:
                writer.close()

    async def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
        return await self.ask(self.head("POST", path, fields) + data)

    async def chat(self, content: str, **fields: Any) -> Answer:
        messages = [{"role": "user", "content": content}]
        return await self.post("/v1/chat/completions", {"model": self.model, "messages": messages, **fields})

    async def child(self, target: str) -> Any:
        """Ask the model's child directly."""
        async with self.core.scheduler.hold(self.model) as server:
            return (await server.upstream.json("GET", target))[1]


@dataclass
class Answer:
    """`whole`: the body ended as HTTP says it must; False when the connection broke off."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def events(self) -> list[Any]:
        """The parsed events of a stream; `[DONE]` as itself."""
        frames = [frame[6:] for frame in self.body.split(b"\n\n") if frame.startswith(b"data: ")]
        return ["[DONE]" if frame == b"[DONE]" else json.loads(frame) for frame in frames]


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    status = int(head[0].split()[1])
    if headers.get("transfer-encoding") == "chunked":
        return await _read_chunked(reader, status, headers)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(status, headers, body, True)


async def _read_chunked(reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> Answer:
    body = b""
    try:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(status, headers, body, False)
    return Answer(status, headers, body, True)


@asynccontextmanager
async def open_port(
    paths: Paths,
    engine: Path,
    *models: Path,
    limits: Limits | None = None,
    settings: SchedulerSettings = SETTINGS,
    bind: Sequence[str] = LOOPBACK,
    number: int = 0,
) -> AsyncIterator[Port]:
    """A port over the llama-server in `engine`, with these files in its library; everything is closed at the end."""
    database = await Database.open(paths.database, [*LIBRARY_MIGRATIONS, KEYS_MIGRATION])
    library, keys = Library(database), Keys(database)
    await keys.load()
    ids = [(await library.import_path(model)).id for model in models]
    _, key = await keys.create("test")
    memory = Memory()
    build = find_build(paths.engines, {"JACKDAW_ENGINE": str(engine)})
    scheduler = Scheduler(
        build=build,
        runtime_dir=paths.runtime,
        pidfiles=paths.children,
        resolve=library.get,
        settings=settings,
        tuning=lambda: default_tuning(build),
        free_memory=memory.free,
        environ=dict(os.environ),
    )
    memory.scheduler = scheduler
    core = Core(library, scheduler, keys)
    core.listeners = Listeners(
        port_app=port_app(core),
        control_app=_nothing,
        control_socket=paths.control_socket,
        port=number,
        bind=bind,
        limits=limits,
        retry_s=0.05,
    )
    try:
        await core.listeners.start()
        yield Port(core, core.listeners, key, ids, memory)
    finally:
        await core.listeners.close(0.5)
        await scheduler.close()
        await database.close()


def misbehaving_engine(folder: Path, *, proven_by: Path | None = None) -> Path:
    """An engine folder whose llama-server is stub_llama_server.py. A service proves its engine before it loads a model;
    the real engine in `proven_by` passes that proof in the stub's place."""
    program = Path(__file__).with_name("stub_llama_server.py")
    script = f'exec "{sys.executable}" -I "{program}" "$@"\n'
    if proven_by is None:
        return stub_engine(folder / "stub", script)
    made = stub_engine(
        folder / "stub", f'case "$*" in *proof.sock*) exec "{proven_by}/llama-server" "$@" ;; esac\n' + script
    )
    (made / "llama-quantize").symlink_to(proven_by / "llama-quantize")
    return made


async def until(condition: Callable[[], Awaitable[Any]], within_s: float = 10.0) -> Any:
    """Wait for an asynchronous condition; returns its value."""
    async with asyncio.timeout(within_s):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
        return found


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("nobody speaks to the control socket here")
