"""A session of a real service on a tiny disk that fills up: run by test_full_disk.py in a mount namespace of its own.

`python -m tests.service.full_disk STAGE HOME MODEL` mounts a tmpfs of 8 MB over HOME, so it must be run by
`unshare -Urm`. It prints what it saw as JSON; what is right is decided by the test.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from desktop.client import AskDelta, AskEnd, Client, ClientError
from desktop.paths import Paths, find_paths
from desktop.wire import AskRequest, ChatPatch, Job, Message, NewChat, SamplingParameters
from tests.fake_hub import FakeHub
from tests.service.running import RunningService, collect, eventually_async, running

DISK_BYTES = 8 * 1024 * 1024
PAGE_BYTES = 4096
SHORT = SamplingParameters(max_tokens=8)
LONG = SamplingParameters(max_tokens=3_000, temperature=0)
Seen = dict[str, Any]


class Disk:
    """The tmpfs; `fill` leaves not a page of it free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def mount(self) -> None:
        options = f"size={DISK_BYTES},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)], check=True)

    def fill(self, leave_bytes: int = 0) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            if leave_bytes:
                room = os.statvfs(self.folder)
                file.write(b"x" * (room.f_bavail * room.f_frsize - leave_bytes))
                return
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def is_full(self) -> bool:
        try:
            (self.folder / "probe").write_bytes(b"x" * 4096)
        except OSError as error:
            return error.errno == errno.ENOSPC
        finally:
            (self.folder / "probe").unlink(missing_ok=True)
        return False

    def free(self) -> None:
        self._ballast.unlink()


async def outcome(work: Coroutine[Any, Any, Any]) -> Seen:
    """How a request ended: {} or the error as a person sees it."""
    try:
        await work
    except ClientError as error:
        return {"kind": error.kind, "message": error.message, "hint": error.hint, "status": error.status}
    return {}


async def last_message(client: Client, chat_id: str, request: AskRequest) -> Message:
    end = (await collect(client, chat_id, request))[-1]
    assert isinstance(end, AskEnd)
    return end.message


async def chat_stage(client: Client, disk: Disk, model: Path) -> Seen:
    """Ask on a full disk; and once more after room was made."""
    await client.import_model(model)
    chat = await client.new_chat(NewChat(parameters=SHORT))
    first = await last_message(client, chat.id, AskRequest(content="before"))
    old = (await client.chat(chat.id)).model_dump()["messages"]
    disk.fill()
    full = await outcome(fill_with_questions(client, chat.id, first.id))
    seen: Seen = {"full": full, "is_full": disk.is_full()}
    seen["kept"] = [row for row in (await client.chat(chat.id)).model_dump()["messages"] if row in old] == old
    seen["usable"] = (await client.health()).status in ("ok", "degraded")
    disk.free()
    after = await last_message(client, chat.id, AskRequest(content="after", parent_id=first.id))
    return {**seen, "after": after.state, "error": after.error}


async def fill_with_questions(client: Client, chat_id: str, parent_id: str) -> None:
    """Pages that the database has already are used up by a few questions; then one must fail."""
    for number in range(200):
        await last_message(client, chat_id, AskRequest(content=f"{number} " + "words " * 4000, parent_id=parent_id))


async def answer_stage(client: Client, disk: Disk, model: Path) -> Seen:
    """The disk fills while the answer is written; the reader still gets all of it, and hears that it is not saved."""
    await client.import_model(model)
    chat = await client.new_chat(NewChat(parameters=LONG))
    end: Message | None = None
    async for event in client.ask(chat.id, AskRequest(content="write a lot")):
        if isinstance(event, AskDelta) and not disk.is_full():
            disk.fill()
        if isinstance(event, AskEnd):
            end = event.message
    assert end is not None
    seen: Seen = {"state": end.state, "error": end.error, "hint": end.hint, "content": bool(end.content)}
    disk.free()
    await client.patch_chat(chat.id, ChatPatch(parameters=SHORT))
    after = await last_message(client, chat.id, AskRequest(content="after", parent_id=end.id))
    return {**seen, "after": after.state}


async def load_stage(client: Client, disk: Disk, model: Path) -> Seen:
    """The model has to be loaded for the answer while there is no room even for its key."""
    model_id = (await client.import_model(model)).id
    disk.fill()
    full = await outcome(client.load_model(model_id))
    disk.free()
    return {"full": full, "after": (await client.load_model(model_id)).state}


async def settings_stage(client: Client, disk: Disk, model: Path) -> Seen:
    await client.patch_settings({"theme": "dark"})
    file = disk.folder / "settings.toml"
    before = file.read_bytes()
    disk.fill()
    full = await outcome(client.patch_settings({"theme": "light"}))
    seen: Seen = {"full": full, "kept": file.read_bytes() == before, "told": (await client.settings())["theme"]}
    seen["leftovers"] = [path.name for path in disk.folder.glob(".settings-*")]
    disk.free()
    await client.patch_settings({"theme": "light"})
    return {**seen, "after": (await client.settings())["theme"]}


async def import_stage(client: Client, disk: Disk, model: Path) -> Seen:
    disk.fill()
    full = await outcome(import_many(client, disk, model))
    listed = len(await client.models())
    disk.free()
    added = disk.folder.parent / "one-more.gguf"
    added.symlink_to(model)
    await outcome(client.import_model(added))
    return {"full": full, "after": len(await client.models()) - listed}


async def import_many(client: Client, disk: Disk, model: Path) -> None:
    """A row is small: the pages that the database has already take some."""
    for number in range(500):
        name = disk.folder.parent / f"{'long-name-' * 20}{number}.gguf"
        os.link(model, name)
        await client.import_model(name)


async def log_stage(client: Client, disk: Disk, model: Path) -> Seen:
    """The log has no room for one more line; what would be logged is that an answer could not be saved."""
    log = disk.folder / "logs" / "service.log"
    model_id = (await client.import_model(model)).id
    chat = await client.new_chat(NewChat(parameters=LONG))
    async for event in client.ask(chat.id, AskRequest(content="write a lot")):
        if isinstance(event, AskDelta) and not disk.is_full():
            disk.fill()
            fill_last_page(log)  # last: whatever else is logged now finds no page either
    seen: Seen = {"beyond_the_page": log.stat().st_size % PAGE_BYTES, "usable": (await client.health()).status}
    disk.free()
    for file in (disk.folder / "run" / "children").glob("*.json"):  # an engine that is killed is worth a line
        os.kill(int(file.stem), signal.SIGKILL)
    await eventually_async(lambda: is_unloaded(client, model_id))
    return {**seen, "killed": log.read_text().count("SIGKILL"), "after": (await client.load_model(model_id)).state}


async def download_stage(client: Client, disk: Disk, model: Path) -> Seen:
    """There is no room to begin with; then there is, and it goes away while the file comes; then it comes back."""
    with FakeHub() as hub:
        hub.add_repo("acme/tiny-GGUF", {"tiny-F16.gguf": model})
        await client.patch_settings({"hub_endpoint": hub.endpoint, "disk_floor_gib": 0})
        disk.fill(leave_bytes=model.stat().st_size // 2)
        job = await client.start_job("download", {"repo": "acme/tiny-GGUF"})
        before = await resting(client, job.id)
        asked = len(hub.seen("cdn"))
        disk.free()
        hub.rate = 1_000_000.0
        await client.resume_job(job.id)
        await eventually_async(lambda: has_begun(client, job.id))
        disk.fill(leave_bytes=300_000)
        midway = await resting(client, job.id)
        listed = len(await client.models())
        disk.free()
        hub.rate = None
        await client.resume_job(job.id)
        after = await resting(client, job.id)
    whole = [path.read_bytes() == model.read_bytes() for path in disk.folder.rglob("*.gguf")]
    return {
        "before": before.model_dump(),
        "asked": asked,
        "midway": midway.model_dump(),
        "listed": listed,
        "after": after.state,
        "whole": whole,
        "partial": [path.name for path in disk.folder.rglob("*.part*")],
    }


async def has_begun(client: Client, job_id: str) -> bool:
    return (await client.job(job_id)).done > 0


async def resting(client: Client, job_id: str) -> Job:
    """The job once it does not move any more."""

    async def found() -> Job | None:
        job = await client.job(job_id)
        return job if job.state not in ("pending", "running") else None

    job = await eventually_async(found, 40)
    assert job is not None
    return job


async def is_unloaded(client: Client, model_id: str) -> bool:
    return (await client.model(model_id)).state != "ready"


def fill_last_page(file: Path) -> None:
    with file.open("ab") as end:
        end.write(b"\n" * (-file.stat().st_size % PAGE_BYTES))


STAGES: dict[str, Callable[[Client, Disk, Path], Coroutine[Any, Any, Seen]]] = {
    "chat": chat_stage,
    "answer": answer_stage,
    "load": load_stage,
    "settings": settings_stage,
    "import": import_stage,
    "log": log_stage,
    "download": download_stage,
}


def integrity(paths: Paths) -> str:
    with contextlib.closing(sqlite3.connect(paths.database)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def session(service: RunningService, stage: str, disk: Disk, model: Path) -> Seen:
    return service.use(lambda client: STAGES[stage](client, disk, model))


def main(stage: str, home: str, model: str) -> None:
    disk = Disk(Path(home))
    disk.mount()
    paths = find_paths(disk.folder)
    paths.create()
    with running(paths) as service:
        seen = session(service, stage, disk, Path(model))
    seen["exit"] = service.process.returncode
    seen["integrity"] = integrity(paths)
    seen["traceback"] = "Traceback" in service.said + (paths.logs / "service.log").read_text()
    with running(paths) as again:
        seen["restarts"] = again.use(lambda client: client.health()).version != ""
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
