"""files add, list, search, open, status, rm, doctor, why: the user's own files and their index."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from desktop import wire
from desktop import wire_files as files
from desktop.cli import files_text as text
from desktop.cli.context import DONE, FAILED, Context
from desktop.cli.work import follow, whole_path
from desktop.client import Client

_WHY_ID = re.compile(r"[0-9a-f]{16}")
_PLACE = re.compile(r"(?P<path>.+?)(?::(?P<line>\d+))?")


async def add(context: Context) -> int:
    """Show what would be read, add it, and follow the indexing; Ctrl-C leaves that to the service."""
    wanted = context.arguments
    paths = [whole_path(path) for path in wanted.paths]
    async with context.client() as client:
        context.console.progress(None, "looking at the folders")
        plan = await client.plan_files(files.PlanRequest(paths=paths))
        context.console.note(text.plan(plan))
        added = await client.add_roots(files.AddRoots(collection=wanted.collection, paths=paths))
        job = await client.job(added.job_id)
        if wanted.wait:
            job = await until_indexed(context, client, job)
        collection = await client.collection(added.collection.id)
    value = {"plan": plan.model_dump(), "collection": collection.model_dump(), "job": job.model_dump()}
    context.console.result(value, text.added(collection, job))
    return FAILED if job.state == "failed" else DONE


async def until_indexed(context: Context, client: Client, job: wire.Job) -> wire.Job:
    """Follow an indexing job to its end. Ctrl-C leaves it to the service, and says so."""
    try:
        return await follow(context, client, job)
    except (KeyboardInterrupt, asyncio.CancelledError):
        context.console.note(
            f"The service goes on with it. Follow it: jackdaw jobs watch {job.id}, end it: jackdaw jobs cancel {job.id}"
        )
        raise


async def show_all(context: Context) -> int:
    """The files of one collection, or of all."""
    wanted = context.arguments
    async with context.client() as client:
        names = [wanted.collection] if wanted.collection else [one.name for one in await client.collections()]
        pages = {name: await _page(client, name, wanted.state, wanted.find, wanted.limit) for name in names}
    value = {name: page.model_dump() for name, page in pages.items()}
    chosen = bool(wanted.state or wanted.find)
    context.console.result(value, text.pages(context.console, pages, chosen=chosen))
    return DONE


async def _page(client: Client, name: str, state: str, find: str, limit: int) -> files.FilePage:
    """The first `limit` files, over as many pages as that takes."""
    page = await client.files_list(name, state, find, limit=min(limit, 1000))
    found = list(page.files)
    while page.next and len(found) < limit:
        page = await client.files_list(name, state, find, page.next, min(limit - len(found), 1000))
        found += page.files
    return page.model_copy(update={"files": found})


async def search(context: Context) -> int:
    """The best passages, with the sentence that decides; `files open N` opens one of them."""
    wanted = context.arguments
    request = files.SearchRequest(
        collection=wanted.collection, query=" ".join(wanted.query), k=wanted.k, mode=wanted.mode, path=wanted.path
    )
    async with context.client() as client:
        context.console.progress(None, "searching")
        answer = await client.search_files(request)
    remember(context, answer.results)
    context.console.result(answer.model_dump(), text.results(answer, styled=context.console.styled))
    return DONE


async def open_one(context: Context) -> int:
    """Open a result of the last search by its number, or a file that is in the index, in the user's editor."""
    asked = context.arguments.what
    request = _result(context, int(asked)) if asked.isdigit() else _named(asked)
    if request is None:
        context.console.error(f"The last search had no result {asked}.", "Search first: jackdaw files search WORDS")
        return FAILED
    async with context.client() as client:
        opened = await client.open_file(request)
    context.console.result(opened.model_dump(), f"Opened {request.file} with {Path(opened.command[0]).name}.")
    return DONE


async def status(context: Context) -> int:
    async with context.client() as client:
        index, collections = await client.files_status(), await client.collections()
    value = {"index": index.model_dump(), "collections": [one.model_dump() for one in collections]}
    context.console.result(value, text.status(context.console, index, collections))
    return DONE


async def remove(context: Context) -> int:
    """Take paths out of the index and print the receipt; the files themselves stay. 1 when none of them was in it."""
    wanted = context.arguments
    request = files.RemoveRequest(collection=wanted.collection, paths=[whole_path(path) for path in wanted.paths])
    async with context.client() as client:
        context.console.progress(None, "removing, and looking for what might be left")
        receipt = await client.remove_files(request)
    context.console.result(receipt.model_dump(), text.receipt(context.console, receipt))
    return DONE if receipt.proven and receipt.items else FAILED


async def doctor(context: Context) -> int:
    """Whether the stores agree; 1 when something is left that does not."""
    wanted = context.arguments
    request = files.FilesDoctorRequest(collection=wanted.collection, repair=wanted.repair, deep=wanted.deep)
    async with context.client() as client:
        context.console.progress(None, "comparing files, database and vectors")
        report = await client.files_doctor(request)
    context.console.result(report.model_dump(), text.doctor(context.console, report))
    return DONE if report.ok else FAILED


async def why(context: Context) -> int:
    """Why these passages and not others: of an answer by its id, or of a new search."""
    wanted = context.arguments
    query = " ".join(wanted.query)
    async with context.client() as client:
        if _WHY_ID.fullmatch(query):
            found = await client.why(query)
        else:
            request = files.WhyRequest(
                collection=wanted.collection, query=query, k=wanted.k, mode=wanted.mode, save_as_check=wanted.save
            )
            found = await client.why_files(request)
    context.console.result(found.model_dump(), text.why(context.console, found))
    return DONE


def _named(what: str) -> files.OpenRequest:
    """PATH or PATH:LINE as it was typed here."""
    match = _PLACE.fullmatch(what)
    if match is None or Path(what).exists():
        return files.OpenRequest(file=whole_path(what))
    return files.OpenRequest(file=whole_path(match["path"]), line=max(1, int(match["line"] or 1)))


def _memory(context: Context) -> Path:
    return context.paths.cache / "last-search.json"


def remember(context: Context, results: Sequence[files.SearchResult]) -> None:
    """Where the results were, for `open N`; none of their text."""
    places = [{"file": one.file, "line": one.start_line, "page": one.page} for one in results]
    with suppress(OSError):
        _memory(context).parent.mkdir(parents=True, exist_ok=True)
        _memory(context).write_text(json.dumps(places), encoding="utf-8")


def _result(context: Context, number: int) -> files.OpenRequest | None:
    try:
        places = json.loads(_memory(context).read_text(encoding="utf-8"))
        return files.OpenRequest.model_validate(places[number - 1]) if number > 0 else None
    except (OSError, ValueError, IndexError, TypeError):
        return None
