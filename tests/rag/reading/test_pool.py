"""The pool: good files are read whatever lies beside them, and a child that dies, hangs or swells is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from models.jail.state import jail_state
from rag.errors import ParseFailed
from rag.reading import Limits, Parsed, ReaderPool
from rag.reading.seat import ReadersClosed
from rag.reading.transfer import Outcome
from tests.rag.reading import making
from tests.rag.reading.nasty import make_nasty

MIB = 1024**2
# 125,000 opening brackets in a language of many readings: its parser needs more memory than this, and crashes.
CRASHING = "a<" * 125_000
CRASHING_LIMITS = Limits(memory_bytes=112 * MIB)
# A parser that takes minutes for a chain of sums.
HANGING = "a+" * 120_000


@asynccontextmanager
async def readers(
    folder: Path, root: Path, limits: Limits | None = None, **options: object
) -> AsyncIterator[ReaderPool]:
    pool = ReaderPool(folder / "readers", None, limits=limits or Limits(), **options)  # type: ignore[arg-type]
    pool.allow([root])
    try:
        yield pool
    finally:
        await pool.close()


async def all_of(pool: ReaderPool, root: Path, names: list[str]) -> dict[str, Outcome]:
    """What each file gave; fails when one is told twice."""
    found: dict[str, Outcome] = {}
    async for path, outcome in pool.read_many([(root / name, root) for name in names]):
        name = str(path.relative_to(root))
        assert name not in found
        found[name] = outcome
    return found


def reasons(found: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.reason for name, outcome in found.items() if isinstance(outcome, ParseFailed)}


def children() -> list[psutil.Process]:
    """The reading children of this process."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "rag.reading.worker" in child.cmdline():
                found.append(child)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(20):
        (root / f"good{number}.py").write_text(f"def f{number}():\n    return {number}\n")
    return root


GOOD = [f"good{number}.py" for number in range(20)]


@pytest.mark.accept(24)
@pytest.mark.anyio
async def test_each_nasty_file_has_one_reason_and_all_good_files_are_read(tmp_path: Path) -> None:
    nasty = make_nasty(tmp_path)
    started = time.monotonic()
    async with readers(tmp_path, nasty.root, tesseract="") as pool, highest_memory() as highest:
        found = await all_of(pool, nasty.root, nasty.names)
    assert set(found) == set(nasty.names)
    assert reasons(found) == nasty.bad
    for name, word in nasty.good.items():
        outcome = found[name]
        assert isinstance(outcome, Parsed), name
        assert word in "".join(chunk.text for chunk in outcome.chunks), name
    for name in nasty.bad:
        outcome = found[name]
        assert isinstance(outcome, ParseFailed)
        assert outcome.message[0].isupper() or outcome.message.startswith(name)
        assert outcome.message.endswith(".") or ":" in outcome.message, outcome.message
        assert "canary" not in outcome.message
    assert time.monotonic() - started < 60
    assert highest() < 1024 * MIB


@asynccontextmanager
async def highest_memory() -> AsyncIterator[Callable[[], int]]:
    """What the largest reading child had in memory at most, in bytes."""
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            for child in children():
                with contextlib.suppress(psutil.Error):
                    most = max(most, child.memory_info().rss)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield lambda: most
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.anyio
async def test_what_is_known_of_a_file_is_of_the_bytes_that_were_read(tmp_path: Path, tree: Path) -> None:
    path = tree / "a.md"
    path.write_bytes("# Ü\n\nText\n".encode())
    async with readers(tmp_path, tree) as pool:
        parsed = await pool.read(path, tree)
    found = path.stat()
    assert (parsed.size, parsed.mtime_ns, parsed.inode) == (found.st_size, found.st_mtime_ns, found.st_ino)
    assert parsed.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (parsed.kind, parsed.title, parsed.characters, parsed.encoding) == ("prose", "Ü", 10, "utf-8")
    (chunk,) = parsed.chunks
    assert (chunk.text, chunk.start, chunk.end, chunk.start_line, chunk.end_line) == ("# Ü\n\nText", 0, 9, 1, 3)


@pytest.mark.accept(25)
@pytest.mark.anyio
async def test_a_crash_in_a_batch_blames_the_guilty_file_alone(tmp_path: Path, tree: Path) -> None:
    (tree / "crash.cpp").write_text(CRASHING)
    async with readers(tmp_path, tree, CRASHING_LIMITS) as pool:
        found = await all_of(pool, tree, ["crash.cpp", *GOOD])
        assert reasons(found).keys() == {"crash.cpp"}
        assert reasons(found)["crash.cpp"] in ("crashed", "memory")
        assert isinstance(await pool.read(tree / GOOD[0], tree), Parsed)


@pytest.mark.accept(25)
@pytest.mark.anyio
async def test_a_file_that_never_ends_is_given_up_and_its_child_replaced(tmp_path: Path, tree: Path) -> None:
    (tree / "hang.fs").write_text(HANGING)
    async with readers(tmp_path, tree, Limits(seconds=3.0), workers=1) as pool:
        await pool.read(tree / GOOD[0], tree)
        (before,) = children()
        found = await all_of(pool, tree, ["hang.fs", *GOOD])
        assert reasons(found) == {"hang.fs": "timeout"}
        assert before not in children()


@pytest.mark.accept(25)
@pytest.mark.anyio
async def test_too_much_memory_is_the_reason_of_one_file(tmp_path: Path, tree: Path) -> None:
    (tree / "large.html").write_text("<b>x</b> &amp; " * 600_000)
    async with readers(tmp_path, tree, Limits(memory_bytes=256 * MIB)) as pool:
        found = await all_of(pool, tree, ["large.html", *GOOD])
    assert reasons(found) == {"large.html": "memory"}


@pytest.mark.accept(25)
@pytest.mark.anyio
async def test_a_killed_child_costs_the_file_it_read(tmp_path: Path, tree: Path) -> None:
    (tree / "slow.fs").write_text(HANGING)
    async with readers(tmp_path, tree, workers=1) as pool:
        await pool.read(tree / GOOD[0], tree)
        (child,) = children()
        reading = asyncio.create_task(pool.read(tree / "slow.fs", tree))
        await busy(child)
        child.kill()
        with pytest.raises(ParseFailed) as failed:
            await reading
        assert failed.value.reason == "crashed"
        assert reasons(await all_of(pool, tree, GOOD)) == {}


async def busy(child: psutil.Process) -> None:
    """Wait until a child computes."""
    used = sum(child.cpu_times()[:2])
    while sum(child.cpu_times()[:2]) < used + 0.2:
        await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_a_stopped_child_is_replaced_and_nothing_lost(tmp_path: Path, tree: Path) -> None:
    async with readers(tmp_path, tree, Limits(seconds=3.0), workers=1) as pool:
        await pool.read(tree / GOOD[0], tree)
        (child,) = children()
        child.send_signal(signal.SIGSTOP)
        found = await all_of(pool, tree, GOOD)
        assert reasons(found) == {}
        assert not child.is_running()


@pytest.mark.anyio
async def test_a_child_cannot_read_what_is_not_allowed(tmp_path: Path, tree: Path) -> None:
    if "files" not in (await jail_state()).layers:
        pytest.skip("no Landlock here")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("words")
    async with readers(tmp_path, tree) as pool:
        with pytest.raises(ParseFailed) as failed:
            await pool.read(other / "a.txt", other)
        assert failed.value.reason == "unreadable"
        pool.allow([tree, other])
        assert (await pool.read(other / "a.txt", other)).characters == 5


@pytest.mark.anyio
async def test_a_file_that_changes_all_the_time_is_told_so(tmp_path: Path, tree: Path) -> None:
    path = tree / "busy.log"
    path.write_bytes(b"entry\n" * 5_000_000)
    stop = asyncio.Event()

    async def write() -> None:
        with open(path, "ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"more\n")
                await asyncio.sleep(0.0005)

    writing = asyncio.create_task(write())
    async with readers(tmp_path, tree) as pool:
        with pytest.raises(ParseFailed) as failed:
            await pool.read(path, tree)
    stop.set()
    await writing
    assert failed.value.reason == "changing"


@pytest.mark.anyio
async def test_leaving_early_and_closing_leave_nothing_behind(tmp_path: Path, tree: Path) -> None:
    (tree / "hang.fs").write_text(2 * HANGING)  # too large to go with others
    async with readers(tmp_path, tree) as pool:
        reading = pool.read_many([(tree / name, tree) for name in (*GOOD, "hang.fs")])
        async for _ in reading:
            break
        await reading.aclose()
        reading_one = asyncio.create_task(pool.read(tree / "hang.fs", tree))
        await asyncio.sleep(0)
        while not children():
            await asyncio.sleep(0.02)
        await pool.close()
        with pytest.raises(ReadersClosed):
            await reading_one
        with pytest.raises(ReadersClosed):
            await pool.read(tree / GOOD[0], tree)


@pytest.mark.anyio
async def test_idle_children_end(tmp_path: Path, tree: Path) -> None:
    async with readers(tmp_path, tree, idle_s=0.1) as pool:
        await pool.read(tree / GOOD[0], tree)
        assert children()
        while children():
            await asyncio.sleep(0.02)
        await pool.read(tree / GOOD[0], tree)


@pytest.mark.anyio
async def test_pages_that_are_pictures_go_through_tesseract(tmp_path: Path, tree: Path) -> None:
    program = tmp_path / "tess" / "bin" / "tesseract"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\n[ "$1" = --list-langs ] && echo eng && exit\nhead -c 2\necho " seen with $4"\n')
    program.chmod(0o700)
    (tree / "scan.pdf").write_bytes(making.picture_pdf())
    async with readers(tmp_path, tree, tesseract=os.fspath(program)) as pool:
        parsed = await pool.read(tree / "scan.pdf", tree)
    assert [(chunk.text, chunk.page) for chunk in parsed.chunks] == [("P5 seen with eng", 1)]


@pytest.mark.accept(25)
@pytest.mark.anyio
async def test_a_child_that_is_killed_while_it_starts_is_started_again(tmp_path: Path, tree: Path) -> None:
    async with readers(tmp_path, tree, workers=1) as pool:
        reading = asyncio.create_task(all_of(pool, tree, GOOD))
        for _ in range(2):
            while not (started := children()):
                await asyncio.sleep(0.005)
            started[0].kill()
            await asyncio.to_thread(started[0].wait)

        assert not reasons(await reading)


@pytest.mark.anyio
async def test_a_start_that_failed_long_ago_is_nobody_elses_error(tmp_path: Path, tree: Path) -> None:
    async with readers(tmp_path, tree, workers=1) as pool:
        left = asyncio.create_task(pool.read(tree / GOOD[0], tree))
        while not (started := children()):
            await asyncio.sleep(0.005)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        started[0].kill()
        await asyncio.to_thread(started[0].wait)

        assert (await pool.read(tree / GOOD[0], tree)).chunks
