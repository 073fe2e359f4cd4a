"""The index's own types as the wire has them. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection as AnyOf
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from desktop import wire_files as wire
from rag.answer.types import NumberedSource, Support
from rag.embedding.choices import Choice, Figures
from rag.indexing.progress import IndexNow
from rag.reranking.rerankers import RerankerOption
from rag.scan.plan import Plan
from rag.scan.reasons import reason_sentence
from rag.scan.rules import MIB, ScanRules
from rag.search.types import Candidate, Found, Trace
from rag.store.rows import CheckRow, CollectionRow, Counts, FileRecord, FileRecords
from rag.types import Hit

NOT_ABOUT_IT = "Nothing seems to be about this; these are the nearest passages."


def scan_rules(rules: wire.CollectionRules) -> ScanRules:
    """The rules as the scan knows them."""
    return ScanRules(
        include=tuple(rules.include),
        exclude=tuple(rules.exclude),
        ignore_files=rules.ignore_files,
        secrets=rules.secrets,
        generated=rules.generated,
        hidden=rules.hidden,
        max_file_bytes=rules.max_file_mib * MIB,
    )


def stored_rules(rules: wire.CollectionRules) -> dict[str, Any]:
    """The rules as the store keeps them: the scan's fields as JSON values."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(scan_rules(rules)).items()}


def wire_rules(stored: Mapping[str, Any]) -> wire.CollectionRules:
    """The other way."""
    known = {name: value for name, value in stored.items() if name in wire.CollectionRules.model_fields}
    size = stored.get("max_file_bytes")
    return wire.CollectionRules(**known, **({"max_file_mib": max(1, size // MIB)} if isinstance(size, int) else {}))


def file_row(record: FileRecord) -> wire.FileRow:
    """One file of a list."""
    root = record.root.path
    return wire.FileRow(
        path=record.path or root.rpartition("/")[2],
        root=root,
        file=f"{root.rstrip('/')}/{record.path}" if record.path else root,
        bytes=record.size,
        chunks=record.chunks,
        state=record.state,
        fraction=record.fraction,
        reason=record.reason,
        message=_sentence(record.reason, record.detail),
        warnings=list(record.warnings),
        kind=record.kind,
        language=record.language,
        pages=record.pages,
        indexed_at=record.indexed_at,
        copies=record.copies,
    )


def file_page(records: FileRecords) -> wire.FilePage:
    return wire.FilePage(
        files=[file_row(record) for record in records.files],
        total=records.total,
        next=records.next,
        reasons=dict(records.reasons),
    )


def files_now(row: CollectionRow, now: IndexNow) -> list[wire.FileRow]:
    """The files that are at work at this moment."""
    roots = {root.id: root.path for root in row.roots}
    return [
        wire.FileRow(
            path=file.path,
            root=roots[file.root_id],
            file=f"{roots[file.root_id].rstrip('/')}/{file.path}" if file.path else roots[file.root_id],
            bytes=0,
            state=file.state,
            fraction=file.fraction,
        )
        for file in now.files
        if file.root_id in roots
    ]


def plan_row(plan: Plan) -> wire.Plan:
    return wire.Plan(
        files=plan.files,
        bytes=plan.bytes,
        reasons=plan.reasons,
        kinds=plan.kinds,
        folders=[
            wire.PlanFolder(path=str(folder.path), files=folder.files, bytes=folder.bytes, skipped=folder.skipped)
            for folder in plan.folders
        ],
        examples=[
            wire.FileRow(
                path=left.path,
                root=str(root),
                file=str(root / left.path) if left.path else str(root),
                bytes=left.size,
                state="skipped",
                reason=left.reason,
                message=reason_sentence(left.reason, left.detail),
            )
            for root, left in plan.examples
        ],
        complete=plan.complete,
    )


def search_result(hit: Hit) -> wire.SearchResult:
    """One passage."""
    return wire.SearchResult(**_hit_fields(hit))


def source_row(source: NumberedSource, cited: AnyOf[int] = (), local_only: AnyOf[str] = ()) -> wire.Source:
    """A passage that a model was given; `local_only` names the collections that never leave this machine."""
    return wire.Source(
        **_hit_fields(source.hit),
        number=source.number,
        cited=source.number in cited,
        whole=source.whole,
        local_only=source.hit.collection in local_only,
    )


def _hit_fields(hit: Hit) -> dict[str, Any]:
    return {
        "path": hit.path,
        "start_line": hit.start_line,
        "end_line": hit.end_line,
        "start_char": hit.start_char,
        "end_char": hit.end_char,
        "page": hit.page,
        "text": hit.text,
        "score": hit.score,
        "root": hit.root,
        "file": hit.file,
        "collection": hit.collection,
        "end_page": hit.end_page,
        "place": hit.place,
        "header": hit.header,
        "kind": hit.kind,
        "highlights": [wire.HighlightSpan(start=mark.start, end=mark.end, kind=mark.kind) for mark in hit.highlights],
        "copies": list(hit.copies),
        "chunk_ids": list(hit.chunk_ids),
    }


def search_answer(found: Found) -> wire.SearchAnswer:
    notes = [found.note] if found.note else []
    if found.hits and not found.relevant:
        notes.append(NOT_ABOUT_IT)
    return wire.SearchAnswer(
        results=[search_result(hit) for hit in found.hits],
        took_ms=round(found.took_ms, 3),
        mode=found.mode,
        complete=found.complete,
        relevant=found.relevant,
        note=" ".join(notes),
    )


def support_rows(support: Iterable[Support]) -> list[wire.SentenceSupport]:
    return [
        wire.SentenceSupport(
            start=one.start, end=one.end, numbers=list(one.numbers), support=one.support, supported=one.supported
        )
        for one in support
    ]


def why_row(question: str, trace: Trace, collections: Sequence[str], **more: Any) -> wire.Why:
    """The evidence of one search; `more` are fields of wire.Why that are known beyond it."""
    return wire.Why(
        question=question,
        **{"query": trace.query, **more},
        collections=list(collections),
        query_kind=trace.query_kind,
        dense_weight=trace.dense_weight,
        terms=list(trace.terms),
        mode=trace.mode,
        embedder=trace.embedder,
        reranker=trace.reranker,
        stages=[wire.StageRow(**dataclasses.asdict(stage)) for stage in trace.stages],
        candidates=[candidate_row(candidate) for candidate in trace.candidates],
    )


def candidate_row(candidate: Candidate) -> wire.CandidateRow:
    known = wire.CandidateRow.model_fields
    return wire.CandidateRow(**{k: v for k, v in dataclasses.asdict(candidate).items() if k in known})


def embedder_row(choice: Choice) -> wire.EmbedderChoice:
    known = wire.EmbedderChoice.model_fields
    return wire.EmbedderChoice(**{k: v for k, v in dataclasses.asdict(choice).items() if k in known})


def runtime_list(figures: Figures) -> wire.RuntimeList:
    return wire.RuntimeList(
        runtimes=[wire.RuntimeFigure(**dataclasses.asdict(figure)) for figure in figures.runtimes],
        measured_at=figures.measured_at,
    )


def reranker_row(option: RerankerOption) -> wire.RerankerChoice:
    return wire.RerankerChoice(**dataclasses.asdict(option))


def check_row(check: CheckRow, collection: str) -> wire.Check:
    return wire.Check(
        id=check.id,
        name=check.name,
        collection=collection,
        query=check.query,
        settings=dict(check.settings),
        expected=list(check.expected),
        passed=check.passed,
        message=check.message,
        ran_at=check.ran_at,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class CollectionFacts:
    """What a collection's row says beyond the stored one. `job_state` is that of its newest job that is not over."""

    counts: Counts
    embedder_name: str = ""
    watched: frozenset[int] = frozenset()
    root_problems: Mapping[int, str] = dataclasses.field(default_factory=dict)
    root_files: Mapping[int, int] = dataclasses.field(default_factory=dict)
    index_bytes: int = 0
    now: IndexNow | None = None
    job_id: str = ""
    job_state: str = ""
    job_error: str = ""
    failing_checks: int = 0


def collection_row(row: CollectionRow, facts: CollectionFacts) -> wire.Collection:
    counts = facts.counts
    state, reason = collection_state(row, facts)
    return wire.Collection(
        id=row.id,
        name=row.name,
        chat_id=row.chat_id,
        roots=[
            wire.Root(
                id=root.id,
                path=root.path,
                files=facts.root_files.get(root.id, 0),
                watching=root.id in facts.watched,
                problem=root.problem or facts.root_problems.get(root.id, ""),
            )
            for root in row.roots
        ],
        rules=wire_rules(row.rules),
        embedder=row.embedder_id,
        embedder_name=facts.embedder_name or row.embedder_id,
        next_embedder=row.next_embedder_id,
        reranker=row.reranker_id,
        local_only=row.local_only,
        watch=row.watch,
        paused=row.paused,
        files=counts.indexed,
        chunks=counts.chunks,
        skipped=counts.skipped,
        failed=counts.failed,
        text_bytes=counts.text_bytes,
        index_bytes=facts.index_bytes,
        state=state,
        pause_reason=reason,
        job_id=facts.job_id,
        indexed_at=row.indexed_at,
        problem=row.problem or facts.job_error,
        failing_checks=facts.failing_checks,
    )


def collection_state(row: CollectionRow, facts: CollectionFacts) -> tuple[Any, str]:
    """The one word for a collection, and why it is paused."""
    if row.paused or facts.job_state == "paused":
        return "paused", "asked"
    if facts.now is not None and facts.now.waits_for:
        return "paused", facts.now.waits_for
    if facts.now is not None or facts.job_state == "running":
        return "indexing", ""
    if facts.job_state in ("pending", "interrupted") or facts.counts.waiting or facts.counts.embedding:
        return "waiting", ""
    if row.problem or facts.job_error:
        return "failed", ""
    return ("ready" if facts.counts.files else "empty"), ""


def _sentence(reason: str, detail: str) -> str:
    return detail if detail or not reason else f"{reason}."
