"""What the page says of collections, files and their state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from desktop.qt.figures import grouped_digits, in_bytes, time_left

if TYPE_CHECKING:
    from desktop.wire import Job
    from desktop.wire_files import Collection, FileRow, IndexStatus, Plan

REASONS = {
    "ignored": "ignored by a rule",
    "secret": "may hold keys or passwords",
    "generated": "generated or vendored",
    "binary": "not text",
    "too_large": "too large",
    "empty": "empty",
    "encrypted": "encrypted",
    "damaged": "damaged",
    "bomb": "unpacks to far more than it is",
    "too_deep": "nested too deep",
    "timeout": "took too long",
    "memory": "needed too much memory",
    "crashed": "ended its reader",
    "no_text": "pictures without text",
    "not_a_file": "no regular file",
    "link_outside": "leads out of its folder",
    "unreadable": "may not be read",
    "changing": "changing all the time",
    "vanished": "gone",
    "unsupported": "of a kind that is not read",
}
ICONS = {"code": "file-code", "notebook": "file-code", "table": "file-spreadsheet", "data": "file-braces"}
SUFFIX_ICONS = {
    "file-code": ".py .pyi .js .ts .tsx .jsx .c .h .cc .cpp .hpp .rs .go .java .kt .rb .php .cs .swift .sh .sql .lua",
    "file-spreadsheet": ".csv .tsv .xlsx .ods .xls",
    "file-braces": ".json .jsonl .yaml .yml .toml .xml .ini .cfg",
}
PAUSES = {"battery": "Paused: on battery", "asked": "Paused", "busy": "Waits while a chat is answered"}
_BY_SUFFIX = {suffix: icon for icon, suffixes in SUFFIX_ICONS.items() for suffix in suffixes.split()}


@dataclass(frozen=True, slots=True)
class Said:
    """Words with the colour token (or tone of a chip) and icon they are shown with."""

    text: str
    token: str = "text2"
    icon: str = ""
    fraction: float | None = None
    working: bool = False


def counted(count: int, noun: str) -> str:
    """ "1 file", "1,204 chunks"."""
    return f"{grouped_digits(count)} {noun}" if count == 1 else f"{grouped_digits(count)} {noun}s"


def holds(collection: Collection) -> str:
    """ "212 files, 1,204 chunks"."""
    if not collection.files and collection.state == "indexing":
        return "Reading…"
    return f"{counted(collection.files, 'file')}, {counted(collection.chunks, 'chunk')}"


def watch_words(collection: Collection) -> Said:
    """The chip beside the name: whether changes are seen, or why not. The token is a chip's tone."""
    lost = [root for root in collection.roots if root.problem]
    if collection.problem:
        return Said(collection.problem, "danger", "circle-alert")
    if collection.paused or collection.pause_reason:
        return Said(PAUSES.get(collection.pause_reason, "Paused"), "warning", "pause")
    if lost:
        count = f"{len(lost)} of {counted(len(collection.roots), 'folder')}"
        said = lost[0].problem if len(collection.roots) == 1 else f"{count} cannot be read"
        return Said(said, "warning", "triangle-alert")
    if not collection.roots:
        return Said("Nothing is in it yet", "neutral", "folder-open")
    if not collection.watch:
        return Said("Not watching for changes", "neutral", "eye-off")
    if all(root.watching for root in collection.roots):
        return Said("Watching for changes", "success", "eye")
    return Said("Begins to watch", "neutral", "eye")


def failing_words(checks: int) -> str:
    """The button beside the chip while saved checks do not hold."""
    return f"{counted(checks, 'check')} {'fails' if checks == 1 else 'fail'}"


def file_words(row: FileRow) -> Said:
    """The last column of a file."""
    match row.state:
        case "indexed" if row.warnings:
            return Said(row.warnings[0], "warning", "triangle-alert")
        case "indexed":
            return Said("Indexed", "text2", "circle-check")
        case "waiting":
            return Said("Waiting", "text2", "clock")
        case "reading" | "embedding":
            verb = row.state.capitalize()
            return Said(row.message or verb, "text2", fraction=row.fraction, working=True)
        case "skipped":
            return Said(_capital(REASONS.get(row.reason, "") or row.message or "left out"), "text3", "minus")
        case _:
            return Said(_capital(REASONS.get(row.reason, "") or row.message or "failed"), "danger", "circle-alert")


def spoken_file(row: FileRow) -> str:
    """A row of the table as a screen reader says it."""
    name, said = PurePath(row.path).name, file_words(row)
    parts = [name, row.path if row.path != name else "", in_bytes(row.bytes)]
    parts += [counted(row.chunks, "chunk") if row.chunks is not None else "", said.text]
    parts += [row.message if row.message.lower() != said.text.lower() else ""]
    parts += [f"{said.fraction:.0%}" if said.fraction is not None else ""]
    return ", ".join(part for part in parts if part)


def file_icon(path: str, kind: str = "") -> str:
    """An icon for a file by what it holds, else by its suffix."""
    return _BY_SUFFIX.get(PurePath(path).suffix.lower()) or ICONS.get(kind, "file-text")


def index_words(job: Job) -> tuple[str, str]:
    """ "Indexing 198 of 212 files" and "12 files/s, 52 chunks/s, 20 s left"; what it waits for stands in the second."""
    waits = {"paused": "Paused at", "interrupted": "Interrupted at", "pending": "Waiting to index"}
    verb = waits.get(job.state, "Embedding" if job.kind == "embed" else "Indexing")
    unit = job.unit.removesuffix("s") or "file"
    if job.total > 0:
        first = f"{verb} {grouped_digits(job.done)} of {counted(job.total, unit)}"
        return first, job.message or time_left(job.seconds_left)
    if job.done:
        return f"{verb} {counted(job.done, unit)}", job.message
    return job.message or f"{verb.removesuffix(' at')}…", ""


def reason_counts(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Why files are left out and how many, the commonest first, in words."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [(_capital(REASONS.get(code, code.replace("_", " "))), count) for code, count in ordered if count]


def plan_words(plan: Plan) -> str:
    """ "1,204 files will be read, 18 MB. 311 are left out." """
    left = sum(plan.reasons.values())
    more = "" if plan.complete else "At least "
    words = f"{more}{counted(plan.files, 'file')} will be read, {in_bytes(plan.bytes)}."
    return f"{words} {grouped_digits(left)} {'is' if left == 1 else 'are'} left out." if left else words


def kind_words(kinds: Mapping[str, int], most: int = 6) -> str:
    """ ".py 120, .md 31 and 9 other kinds"."""
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{suffix or 'no suffix'} {grouped_digits(count)}" for suffix, count in ordered[:most])
    rest = len(ordered) - most
    return f"{shown} and {rest} other kind{'s' if rest != 1 else ''}" if rest > 0 else shown


def disk_bytes(status: IndexStatus) -> int:
    """What the index takes on the disk, all stores together."""
    return status.database_bytes + status.vectors_bytes


def names_of(paths: Iterable[str]) -> str:
    """ "notes", "notes and 2 more"."""
    names = [PurePath(path).name or path for path in paths]
    if len(names) < 2:
        return "".join(names)
    return f"{names[0]} and {len(names) - 1} more"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
