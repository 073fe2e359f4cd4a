"""files collections, embedders, checks: how the index is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from desktop import wire_files as files
from desktop.cli import files_text as text
from desktop.cli.context import DONE, FAILED, Context
from desktop.cli.files import until_indexed
from desktop.cli.work import whole_path
from desktop.client import Client, ClientError


async def collections(context: Context) -> int:
    async with context.client() as client:
        found = await client.collections()
    context.console.result([one.model_dump() for one in found], text.collections(context.console, found))
    return DONE


async def new_collection(context: Context) -> int:
    wanted = context.arguments
    new = files.NewCollection(
        name=wanted.name,
        rules=files.CollectionRules(**_said(context)),
        embedder=wanted.embedder,
        local_only=wanted.local_only,
        watch=not wanted.no_watch,
    )
    async with context.client() as client:
        made = await client.new_collection(new)
    context.console.result(
        made.model_dump(), f"Made the collection {made.name}. Fill it: jackdaw files add -c {made.name} PATH"
    )
    return DONE


async def rules(context: Context) -> int:
    """Change those rules that are said, and show all of them. A list that is said takes the place of the old one."""
    said = _said(context)
    async with context.client() as client:
        one = await collection_of(client, context.arguments.name)
        if said:
            new = files.CollectionRules.model_validate({**one.rules.model_dump(), **said})
            one = await client.change_collection(one.id, files.CollectionPatch(rules=new))
    context.console.result(one.rules.model_dump(), text.rules(context.console, one.rules))
    return DONE


def _said(context: Context) -> dict[str, Any]:
    """The rules that the arguments name."""
    values = {name: getattr(context.arguments, name) for name in files.CollectionRules.model_fields}
    return {name: value for name, value in values.items() if value is not None}


async def rename(context: Context) -> int:
    return await _change(context, files.CollectionPatch(name=context.arguments.new))


async def change_embedder(context: Context) -> int:
    """Embed a collection by another model; the old vectors answer until the new ones are whole."""
    return await _change(context, files.CollectionPatch(embedder=context.arguments.embedder))


async def change_reranker(context: Context) -> int:
    chosen = context.arguments.reranker
    return await _change(context, files.CollectionPatch(reranker="" if chosen == "none" else chosen))


async def local_only(context: Context) -> int:
    return await _change(context, files.CollectionPatch(local_only=context.arguments.switch == "on"))


async def watch(context: Context) -> int:
    return await _change(context, files.CollectionPatch(watch=context.arguments.switch == "on"))


async def pause(context: Context) -> int:
    return await _change(context, files.CollectionPatch(paused=True))


async def resume(context: Context) -> int:
    return await _change(context, files.CollectionPatch(paused=False))


async def _change(context: Context, patch: files.CollectionPatch) -> int:
    async with context.client() as client:
        one = await collection_of(client, context.arguments.name)
        changed = await client.change_collection(one.id, patch)
    context.console.result(changed.model_dump(), text.collections(context.console, [changed]))
    return DONE


async def remove_collection(context: Context) -> int:
    async with context.client() as client:
        one = await collection_of(client, context.arguments.name)
        context.console.progress(None, "removing, and looking for what might be left")
        receipt = await client.remove_collection(one.id)
    context.console.result(receipt.model_dump(), text.receipt(context.console, receipt))
    return DONE if receipt.proven else FAILED


async def index(context: Context) -> int:
    """Compare a collection with the disk now."""
    async with context.client() as client:
        one = await collection_of(client, context.arguments.name)
        job = await until_indexed(context, client, await client.reindex(one.id))
        one = await client.collection(one.id)
    value = {"collection": one.model_dump(), "job": job.model_dump()}
    context.console.result(value, text.added(one, job))
    return FAILED if job.state == "failed" else DONE


async def collection_of(client: Client, name: str) -> files.Collection:
    """A collection by its name. Raises ClientError naming those there are."""
    found = await client.collections()
    for one in found:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in found) or "none yet"
    raise ClientError("collection_not_found", f"There is no collection {name!r}.", hint=f"There are: {names}.")


async def embedders(context: Context) -> int:
    async with context.client() as client:
        found, runtimes, rerankers = await client.embedders(), await client.runtimes(), await client.rerankers()
    value = {
        "embedders": [one.model_dump() for one in found],
        "runtimes": runtimes.model_dump(),
        "rerankers": [one.model_dump() for one in rerankers],
    }
    context.console.result(value, text.embedders(context.console, found, runtimes, rerankers))
    return DONE


async def add_embedder(context: Context) -> int:
    wanted = context.arguments
    fields: dict[str, object] = {"kind": wanted.kind, "name": wanted.name, "url": wanted.url}
    if wanted.kind == "sentence-transformers":
        fields["name"] = whole_path(wanted.name)
    for name in ("query_prefix", "passage_prefix", "dimensions"):
        if getattr(wanted, name) is not None:
            fields[name] = getattr(wanted, name)
    async with context.client() as client:
        context.console.progress(None, "asking it for a vector")
        added = await client.add_embedder(files.NewEmbedder.model_validate(fields))
    said = (
        f"Added {added.id} ({added.dimensions} dimensions). Use it: jackdaw files collections embedder NAME {added.id}"
    )
    context.console.result(added.model_dump(), said)
    return DONE


async def remove_embedder(context: Context) -> int:
    async with context.client() as client:
        await client.remove_embedder(context.arguments.id)
    context.console.result({"id": context.arguments.id}, f"Forgot {context.arguments.id}.")
    return DONE


async def measure_embedder(context: Context) -> int:
    async with context.client() as client:
        context.console.progress(None, "measuring the ways to run the built-in embedder")
        found = await client.measure_runtimes()
    context.console.result(found.model_dump(), text.runtimes(context.console, found))
    return DONE


async def checks(context: Context) -> int:
    async with context.client() as client:
        found = await client.checks()
    context.console.result([one.model_dump() for one in found], text.checks(context.console, found))
    return DONE


async def run_checks(context: Context) -> int:
    """Run all checks; 1 when one fails."""
    async with context.client() as client:
        context.console.progress(None, "asking")
        found = await client.run_checks()
    context.console.result([one.model_dump() for one in found], text.checks(context.console, found))
    return DONE if all(one.passed for one in found) else FAILED


async def add_check(context: Context) -> int:
    wanted = context.arguments
    async with context.client() as client:
        roots = [Path(root.path) for root in (await collection_of(client, wanted.collection)).roots]
        new = files.NewCheck(
            name=wanted.name,
            collection=wanted.collection,
            query=" ".join(wanted.query),
            expected=[_expected(place, roots) for place in wanted.expect],
        )
        made = await client.new_check(new)
    context.console.result(made.model_dump(), text.checks(context.console, [made]))
    return DONE


def _expected(place: str, roots: Sequence[Path]) -> str:
    """A place as it was typed here: made whole where that names a file of the collection."""
    path, colon, lines = place.rpartition(":")
    if not colon or not re.fullmatch(r"\d+(-\d+)?", lines):
        path, colon, lines = place, "", ""
    whole = Path(path).expanduser().resolve()
    known = any(whole.is_relative_to(root) for root in roots) and whole.exists()
    return f"{whole}{colon}{lines}" if known else place


async def remove_check(context: Context) -> int:
    async with context.client() as client:
        await client.remove_check(context.arguments.id)
    context.console.result({"id": context.arguments.id}, "The check is gone.")
    return DONE
