"""models scan and models disk: what lies on this machine, in whose store, and what of it twice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from desktop import wire_models as wire
from desktop.cli.console import bytes_text
from desktop.cli.context import DONE, FAILED, WRONG_USAGE, Context
from desktop.cli.work import see_through, whole_path
from desktop.client import Client, ClientError
from desktop.merge_words import METHODS

STORES = {
    "ollama": "Ollama",
    "lm-studio": "LM Studio",
    "huggingface": "Hugging Face",
    "llama.cpp": "llama.cpp",
    "folder": "folder",
    "jackdaw": "Jackdaw",
    "hub": "Hub",
    "made": "made here",
}


async def scan(context: Context) -> int:
    """Look through all stores; with --add take what is usable into the library, with --merge make equal files one."""
    wanted = context.arguments
    folders = [whole_path(folder) for folder in wanted.folders]
    async with context.client() as client:
        again = "jackdaw models scan"
        await see_through(context, client, await client.start_job("scan", {"folders": folders}), go_on=again)
        report = await client.stores()
        added = await _add(context, client, report) if wanted.add else []
        if added:
            report = await client.stores()
        saved = 0
        if wanted.merge and (groups := [one for one in report.duplicates if one.method]):
            if not await _agreed(context, groups):
                context.console.error("Nothing was merged.", "Agree with --yes, or answer y.")
                return FAILED if sys.stdin.isatty() else WRONG_USAGE
            saved = await _merge(context, client, groups)
            report = await client.stores()
    text = report_text(context, report)
    text += f"\n{_taken(len(added))}" if wanted.add else ""
    text += f"\nMerging freed {bytes_text(saved)}." if wanted.merge else ""
    context.console.result({**report.model_dump(), "added": added, "saved_bytes": saved}, text)
    return DONE


def _taken(count: int) -> str:
    if not count:
        return "Nothing new was found for the library."
    return f"Took {'one model' if count == 1 else f'{count} models'} into the library; files stay where they are."


async def _add(context: Context, client: Client, report: wire.StoreReport) -> list[str]:
    added = []
    for found in report.models:
        if found.model_id or found.problem:
            continue
        context.console.progress(None, f"taking in {found.label}")
        try:
            added.append((await client.import_model(Path(found.path))).id)
        except ClientError as error:
            context.console.note(f"{found.label} stays out: {error.message}")
    return added


async def _agreed(context: Context, groups: Sequence[wire.Duplicate]) -> bool:
    """Consent, file by file on the screen: other programs' files are touched, though their content stays."""
    room = bytes_text(sum(group.wasted_bytes for group in groups))
    lines = ["\n".join(f"  {path}" for path in group.paths) for group in groups]
    head = "Equal files become one on the disk, and every path stays:"
    what = [METHODS[method] for method in sorted({group.method for group in groups}) if method]
    context.console.note("\n".join([head, "\n\n".join(lines), *what]))
    if context.arguments.yes:
        return True
    if not sys.stdin.isatty():
        return False
    answer = await asyncio.to_thread(input, f"Merge {len(groups)} groups and free {room}? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


async def _merge(context: Context, client: Client, groups: Sequence[wire.Duplicate]) -> int:
    saved = 0
    for method in sorted({group.method for group in groups}):
        hashes = [group.sha256 for group in groups if group.method == method]
        job = await client.start_job("merge_duplicates", {"sha256": hashes, "method": method})
        result = (await see_through(context, client, job)).result or {}
        saved += int(result.get("saved_bytes", 0))
        for left in result.get("left", []):
            context.console.note(f"{left['path']} was left as it is: {left['problem']}")
    return saved


def report_text(context: Context, report: wire.StoreReport) -> str:
    table = context.console.table
    rows = [
        (STORES.get(seen.store, seen.store), seen.folder, str(seen.models), bytes_text(seen.bytes), seen.problem)
        for seen in report.stores
    ]
    parts = [table(("STORE", "FOLDER", "MODELS", "SIZE", ""), rows) if rows else "No store of models is on this disk."]
    if report.models:
        found = [_found_row(model) for model in report.models]
        parts.append(table(("MODEL", "STORE", "QUANT", "SIZE", "IN THE LIBRARY"), found))
    if twice := [one for one in report.duplicates if one.wasted_bytes]:
        parts.append(_duplicates_text(twice))
    if report.unhashed:
        parts.append(f"{report.unhashed} files of equal size were not compared yet.")
    return "\n\n".join(parts)


def _found_row(model: wire.FoundModel) -> tuple[str, ...]:
    state = model.model_id or model.problem or "no"
    return model.label, STORES.get(model.store, model.store), model.quant or "-", bytes_text(model.bytes), state


def _duplicates_text(duplicates: Sequence[wire.Duplicate]) -> str:
    wasted = sum(duplicate.wasted_bytes for duplicate in duplicates)
    what = "One content is" if len(duplicates) == 1 else f"{len(duplicates)} contents are"
    lines = [f"{what} here more than once; {bytes_text(wasted)} could be freed:"]
    for duplicate in duplicates:
        how = {"reflink": "by shared blocks", "hardlink": "by hard links", "": duplicate.problem or "cannot be merged"}
        lines.append(f"  {bytes_text(duplicate.wasted_bytes)}, {how[duplicate.method]}")
        lines += [f"    {path}" for path in duplicate.paths]
    if any(duplicate.method for duplicate in duplicates):
        lines.append("Merge them with: jackdaw models scan --merge")
    return "\n".join(lines)


async def disk(context: Context) -> int:
    """What our models take, and what deleting each would free."""
    async with context.client() as client:
        use = await client.disk()
    rows = [
        (model.id, STORES.get(model.store, model.store), bytes_text(model.file_bytes), bytes_text(model.bytes),
         ", ".join(model.shared_with))
        for model in use.models
    ]  # fmt: skip
    text = "\n".join(
        [
            f"{use.folder}: {bytes_text(use.used_bytes)} of ours, {bytes_text(use.partial_bytes)} of it unfinished",
            f"{bytes_text(use.free_bytes)} free of {bytes_text(use.disk_bytes)}",
            "",
            context.console.table(("MODEL", "STORE", "SIZE", "DELETING FREES", "SHARED WITH"), rows),
        ]
    )
    context.console.result(use.model_dump(), text)
    return DONE
