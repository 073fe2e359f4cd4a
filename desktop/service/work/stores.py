"""Jobs on what lies in all stores: `scan` looks through them, `merge_duplicates` makes equal files one."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from desktop.service.errors import BadRequest
from desktop.service.job_kinds import JobAbout, JobContext, JobKind
from desktop.service.model_tools import ModelTools
from desktop.service.work.options import Options
from models.stores.merge import Merged, merge
from models.stores.scan import scan
from models.stores.types import Duplicate, Method


def store_kinds(tools: ModelTools) -> dict[str, JobKind]:
    """The kinds `scan` and `merge_duplicates`."""

    async def about_scan(options: Mapping[str, Any]) -> JobAbout:
        _folders(options)
        return JobAbout(title="Look for models on this disk", key="scan")

    async def look(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        places = tools.places()
        places = dataclasses.replace(places, folders=(*places.folders, *_folders(options)))
        result = await scan(places, tools.hashes, await tools.library.list(), context.report, context.cancel)
        await tools.stores.keep(result)
        wasted = sum(duplicate.wasted_bytes for duplicate in result.duplicates)
        return {
            "models": len(result.models),
            "stores": len(result.stores),
            "duplicates": len(result.duplicates),
            "wasted_bytes": wasted,
        }

    async def about_merge(options: Mapping[str, Any]) -> JobAbout:
        groups = _groups(tools, options)
        files = sum(len(group.paths) for group in groups)
        return JobAbout(title=f"Merge {files} equal files", key="merge_duplicates")

    async def merge_groups(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        method, merged = _method(options), list[Merged]()
        for group in _groups(tools, options):
            merged += await asyncio.to_thread(merge, group.paths, group.sha256, method, context.report, context.cancel)
        await _rescan(tools, context)
        return {
            "saved_bytes": sum(one.saved_bytes for one in merged),
            "merged": [str(one.path) for one in merged if not one.problem],
            "left": [{"path": str(one.path), "problem": one.problem} for one in merged if one.problem],
        }

    return {
        "scan": JobKind(look, about_scan, resumable=True),
        "merge_duplicates": JobKind(merge_groups, about_merge),
    }


async def _rescan(tools: ModelTools, context: JobContext) -> None:
    """What was merged is one now: the report must not offer it again."""
    result = await scan(tools.places(), tools.hashes, await tools.library.list(), None, context.cancel)
    await tools.stores.keep(result)


def _folders(options: Mapping[str, Any]) -> list[Path]:
    folders = Options(options, "folders").texts("folders")
    if relative := [folder for folder in folders if not os.path.isabs(folder)]:  # noqa: PTH117
        raise BadRequest("bad_path", f"{relative[0]!r} is no absolute path.")
    return [Path(folder) for folder in folders]


def _groups(tools: ModelTools, options: Mapping[str, Any]) -> list[Duplicate]:
    """The duplicates named by their hash in the last scan. Only those: no path of a request is ever merged."""
    wanted = Options(options, "sha256", "method").texts("sha256")
    known = {duplicate.sha256: duplicate for duplicate in tools.stores.last.duplicates}
    missing = [sha256 for sha256 in wanted if sha256 not in known]
    if missing or not wanted:
        hint = "Scan again, then choose among what is found."
        raise BadRequest("no_duplicate", "The last scan knows no such duplicates.", hint=hint)
    return [known[sha256] for sha256 in dict.fromkeys(wanted)]


def _method(options: Mapping[str, Any]) -> Method:
    method = Options(options, "sha256", "method").text("method")
    if method not in get_args(Method):
        raise BadRequest("bad_option", "The option method must be reflink, hardlink or left out.")
    return cast("Method", method)
