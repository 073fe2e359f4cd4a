"""What a reading worker can be asked for (models/worker_loop.py): it runs jailed and may die of any file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.worker_loop import Buffers, Method
from rag.errors import ParseFailed
from rag.reading.document import Tools, read_document
from rag.reading.transfer import Outcome, pack_outcome
from rag.reading.types import Limits, Parsed


def methods() -> Mapping[str, Method]:
    """`ready` answers when it can; `read` takes {"files": [[path, root], …], "limits": {…}, "tesseract": ""}.

    It answers per file, in order.
    """
    return {"ready": _ready, "read": _read}


def _ready(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    del params, buffers
    return None, ()


def _read(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    del buffers
    tools = Tools(Limits(**params["limits"]), params["tesseract"])
    packed = [pack_outcome(_outcome(Path(path), Path(root), tools)) for path, root in params["files"]]
    pieces = [piece for _, out in packed for piece in out]
    return {"files": [value for value, _ in packed], "resident_bytes": _resident_bytes()}, pieces


def _outcome(path: Path, root: Path, tools: Tools) -> Outcome:
    try:
        return read_file(path, root, tools)
    except ParseFailed as failed:
        return failed
    except MemoryError:
        most = tools.limits.memory_bytes // 1024**2
        return ParseFailed(f"Reading {path.name} takes more than {most:,} MiB of memory.", reason="memory")


def read_file(path: Path, root: Path, tools: Tools) -> Parsed:
    """Read and chunk one file below `root`. Raises ParseFailed."""
    from rag.chunking import chunk

    started = time.perf_counter()
    read = read_document(path, root, tools)
    document, source = read.document, read.source
    chunks = chunk(document, source=read.decoded if document.anchors else "")
    return Parsed(
        sha256=source.sha256,
        size=len(source.data),
        mtime_ns=source.mtime_ns,
        inode=source.inode,
        kind=document.kind,
        title=document.title,
        language=document.language,
        encoding=document.encoding,
        lossy=document.lossy,
        pages=len(document.pages),
        characters=len(document.text),
        warnings=document.warnings,
        chunks=chunks,
        seconds=time.perf_counter() - started,
    )


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError):  # no Linux: the limit has to do
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
