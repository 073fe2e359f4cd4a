"""What the commands about files print. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from desktop import wire
from desktop import wire_files as files
from desktop.cli.console import Console, bytes_text, one_line, plain
from desktop.cli.markdown import BOLD, DIM, RESET

QUOTE_CHARACTERS = 320
SHOWN_CANDIDATES = 20
SHOWN_ITEMS = 50


def count(number: int, noun: str) -> str:
    """ "1 file", "2 files"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def plan(found: files.Plan) -> str:
    """What would be read, and what is left out."""
    about = "" if found.complete else "at least "
    lines = [f"{about}{count(found.files, 'file')} to read, {bytes_text(found.bytes)}"]
    if found.reasons:
        left = ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in _largest(found.reasons))
        lines.append(f"left out: {left}")
    return "\n".join(lines)


def added(collection: files.Collection, job: wire.Job) -> str:
    """What an indexing job came to."""
    lines = [_totals(collection)]
    if job.state in ("pending", "running"):
        lines.append(f"It is being indexed: jackdaw jobs watch {job.id}")
    elif job.state != "done":
        lines.append(f"The indexing was {job.state}: {job.error or 'go on with jackdaw jobs resume ' + job.id}")
    if collection.failed:
        name = collection.name
        lines.append(f"{count(collection.failed, 'file')} failed: jackdaw files list -c {name} --state failed")
    return "\n".join(lines)


def _totals(collection: files.Collection) -> str:
    parts = [count(collection.files, "file"), count(collection.chunks, "passage")]
    parts += [f"{collection.skipped:,} left out"] if collection.skipped else []
    return f"{collection.name}: {', '.join(parts)} ({collection.state})"


def pages(console: Console, found: Mapping[str, files.FilePage], *, chosen: bool) -> str:
    """The files of collections; `chosen` when only some of them were asked for."""
    rows = [
        (
            name,
            file.state,
            bytes_text(file.bytes),
            "" if file.chunks is None else str(file.chunks),
            file.file,
            file.message,
        )
        for name, page in found.items()
        for file in page.files
    ]
    if not rows:
        return "No such files." if chosen else "No files. Add some: jackdaw files add FOLDER"
    table = console.table(("COLLECTION", "STATE", "SIZE", "PASSAGES", "FILE", ""), rows)
    more = [f"{name}: {page.total - len(page.files):,} more" for name, page in found.items() if page.next]
    return "\n".join([table, *more])


def place(one: files.SearchResult) -> str:
    """Where a passage is, as editors and terminals take it: "docs/a.md:3-9"; with a page "a.pdf:p4"."""
    if one.page is not None:
        return f"{one_line(one.path)}:p{one.page}"
    lines = f"{one.start_line}" if one.end_line <= one.start_line else f"{one.start_line}-{one.end_line}"
    return f"{one_line(one.path)}:{lines}"


def results(answer: files.SearchAnswer, *, styled: bool) -> str:
    """Numbered passages with the sentence that decides."""
    if not answer.results:
        return "Nothing found." + (f" {answer.note}" if answer.note else "")
    blocks = [_result(number, one, styled=styled) for number, one in enumerate(answer.results, 1)]
    notes = [answer.note] if answer.note else []
    notes += [] if answer.complete else ["Not all files are indexed yet."]
    return "\n\n".join([*blocks, *notes])


def _result(number: int, one: files.SearchResult, *, styled: bool) -> str:
    bold, dim, off = (BOLD, DIM, RESET) if styled else ("", "", "")
    headings = plain(one.header.partition("\n")[0])  # below them stand the columns of a table
    header = f"  {dim}{headings}{off}" if headings else ""
    return f"{number}. {bold}{plain(place(one))}{off}  {one.score:.2f}{header}\n{quote(one, styled=styled)}"


def quote(one: files.SearchResult, *, styled: bool) -> str:
    """The text around the decisive sentence; on a terminal the sentence is bold, elsewhere it stands alone."""
    sentences = [span for span in one.highlights if span.kind == "sentence"]
    start, end = (sentences[0].start, sentences[0].end) if sentences else (0, min(len(one.text), QUOTE_CHARACTERS))
    decisive = plain(" ".join(one.text[start:end].split()))
    if not styled:
        return f"   {decisive}"
    room = max(0, QUOTE_CHARACTERS - (end - start)) // 2
    before = plain(" ".join(one.text[max(0, start - room) : start].split()))
    after = plain(" ".join(one.text[end : end + room].split()))
    return "   " + " ".join(part for part in (before, f"{BOLD}{decisive}{RESET}", after) if part)


def status(console: Console, index: files.IndexStatus, found: Sequence[files.Collection]) -> str:
    """The index as a whole, and each collection."""
    battery = {True: "on battery", False: "plugged in", None: ""}[index.on_battery]
    facts = (
        ("files", f"{index.files:,} with {index.chunks:,} passages, {index.vectors:,} vectors"),
        ("on the disk", f"{bytes_text(index.database_bytes)} and {bytes_text(index.vectors_bytes)} of vectors"),
        ("embedder", f"{index.embedder_name} by {index.runtime}" if index.runtime else index.embedder_name),
        ("watching", count(index.watching, "folder")),
        ("power", battery),
        ("problem", index.problem),
    )
    lines = [f"{name:<12} {value}" for name, value in facts if value]
    return "\n".join([*lines, "", collections(console, found)])


def collections(console: Console, found: Sequence[files.Collection]) -> str:
    """One line each, and their folders."""
    if not found:
        return "No collections yet. Add a folder: jackdaw files add FOLDER"
    rows = []
    for one in found:
        flags = ", ".join(
            [
                *(["never leaves"] if one.local_only else []),
                *([] if one.watch else ["not watched"]),
                *([f"changes to {one.next_embedder}"] if one.next_embedder else []),
                *([f"paused: {one.pause_reason}"] if one.pause_reason else []),
                *([one.problem] if one.problem else []),
            ]
        )
        numbers = (f"{one.files:,}", f"{one.chunks:,}", f"{one.skipped + one.failed:,}")
        rows.append((one.name, one.state, *numbers, one.embedder_name, flags))
    table = console.table(("COLLECTION", "STATE", "FILES", "PASSAGES", "LEFT OUT", "EMBEDDER", ""), rows)
    roots = [f"  {one.name}: {root.path} {root.problem}".rstrip() for one in found for root in one.roots]
    return "\n".join([table, *roots])


def rules(console: Console, found: files.CollectionRules) -> str:
    """What of its folders a collection reads, by the names of the options."""
    rows = []
    for name, value in found.model_dump().items():
        if isinstance(value, bool):
            shown = "yes" if value else "no"
        else:
            shown = " ".join(value) if isinstance(value, list) else str(value)
        rows.append((name.replace("_", "-"), shown or "-"))
    return console.table(("RULE", ""), rows)


def receipt(console: Console, found: files.Receipt) -> str:
    """What was removed, and the proof."""
    if not found.items:
        return found.message
    header = ("FILE", "PASSAGES", "VECTORS", "")
    rows = [(one.file, str(one.chunks), str(one.vectors), one.kept_because) for one in found.items[:SHOWN_ITEMS]]
    more = [f"and {len(found.items) - SHOWN_ITEMS:,} more"] if len(found.items) > SHOWN_ITEMS else []
    proof = (
        f"{found.probes:,} texts were looked for: {found.found_by_search} found by search,"
        f" {found.found_in_bytes} in the bytes of {count(len(found.files_checked), 'file')} of the index."
    )
    return "\n".join([console.table(header, rows), *more, found.message, proof, f"receipt {found.id}"])


def doctor(console: Console, report: files.FilesDoctorReport) -> str:
    """Counts that must agree, and what does not."""
    header = ("COLLECTION", "ON DISK", "IN INDEX", "LEFT OUT", "FAILED", "PASSAGES", "BY WORDS", "VECTORS", "SEARCHED")
    rows = [
        (
            one.collection,
            *(
                f"{number:,}"
                for number in (
                    *(one.on_disk, one.in_database, one.skipped, one.failed, one.chunks),
                    *(one.lexical_rows, one.database_vectors, one.index_vectors),
                )
            ),
        )
        for one in report.counts
    ]
    lines = [console.table(header, rows)]
    for finding in report.findings:
        mark = "repaired" if finding.repaired else finding.kind.replace("_", " ")
        where = f"{finding.collection}: " if finding.collection else ""
        lines.append(f"[{mark}] {where}{finding.message} {finding.hint}".rstrip())
        lines += [f"    {one_line(example)}" for example in finding.examples[:5]]
    if report.ok:
        lines.append("All of it agrees.")
    elif any(finding.repairable and not finding.repaired for finding in report.findings):
        lines.append("Mend it: jackdaw files doctor --repair")
    return "\n".join(lines)


def why(console: Console, found: files.Why) -> str:
    """The inspector in a terminal: stages, candidates and what became of them."""
    lines = [f"{found.question}"]
    if found.rewritten:
        lines.append(f"searched for: {found.query}")
    lines.append(
        f"{found.query_kind}, {found.mode or 'hybrid'}, weight of meaning {found.dense_weight:.2f},"
        f" words: {', '.join(found.terms) or '-'}"
    )
    stages = [(one.name, f"{one.took_ms:.1f} ms", str(one.candidates), one.note) for one in found.stages]
    lines += ["", console.table(("STAGE", "TIME", "LEFT", ""), stages), ""]
    header = ("", "PLACE", "WORDS", "MEANING", "TOGETHER", "RERANKED", "")
    rows = [_candidate(one) for one in found.candidates[:SHOWN_CANDIDATES]]
    lines.append(console.table(header, rows))
    if len(found.candidates) > SHOWN_CANDIDATES:
        lines.append(f"and {len(found.candidates) - SHOWN_CANDIDATES} more; --json shows all")
    if found.model:
        lines += ["", f"answered by {found.model}: {found.prompt_tokens or '?'} tokens of {found.allocated_context}"]
    return "\n".join([*lines, f"why {found.id}"] if found.id else lines)


def _candidate(one: files.CandidateRow) -> tuple[str, ...]:
    path = one_line(one.path)
    where = f"{path}:{one.start_line}-{one.end_line}" if one.page is None else f"{path}:p{one.page}"
    rank = "" if one.final_rank is None or one.dropped else str(one.final_rank)
    scores = (one.lexical_score, one.dense_score, one.fused_score, one.rerank_score)
    return (rank, where, *("-" if score is None else f"{score:.3f}" for score in scores), one.why or one.dropped)


def embedders(
    console: Console,
    found: Sequence[files.EmbedderChoice],
    measured: files.RuntimeList,
    rerankers: Sequence[files.RerankerChoice],
) -> str:
    """What embeds, how fast it is here, and what reranks."""
    rows = [
        (
            "*" if one.is_default else "",
            one.id,
            one.kind,
            str(one.dimensions or ""),
            f"{one.chunks_per_s:.0f}/s" if one.chunks_per_s else "",
            one.note if one.available else one.reason,
        )
        for one in found
    ]
    lines = [console.table(("", "EMBEDDER", "KIND", "DIMENSIONS", "SPEED", ""), rows)]
    if measured.runtimes:
        lines += ["", runtimes(console, measured)]
    if rerankers:
        listed = [(one.id, one.kind, "" if one.available else one.reason) for one in rerankers]
        lines += ["", console.table(("RERANKER", "KIND", ""), listed)]
    return "\n".join(lines)


def runtimes(console: Console, measured: files.RuntimeList) -> str:
    """The ways to run the built-in embedder, as measured here."""
    rows = [
        (
            "*" if one.chosen else "",
            one.name,
            f"{one.chunks_per_s:.0f}" if one.chunks_per_s else "-",
            f"{one.cosine:.5f}",
            f"{one.query_ms:.1f}",
            one.note,
        )
        for one in measured.runtimes
    ]
    return console.table(("", "RUNTIME", "CHUNKS/S", "COSINE", "MS A QUERY", ""), rows)


def checks(console: Console, found: Sequence[files.Check]) -> str:
    """Saved checks with how they ended."""
    if not found:
        return "No checks yet. Keep one: jackdaw files checks add -c NAME QUESTION"
    words = {True: "holds", False: "fails", None: "-"}
    rows = [(str(one.id), words[one.passed], one.collection, one.name, one.message) for one in found]
    return console.table(("ID", "", "COLLECTION", "NAME", ""), rows)


def _largest(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda item: -item[1])
