"""What the Why view says: how a question was understood, what each stage did, what became of each candidate. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from desktop.qt.figures import grouped_digits
from desktop.qt.files.place_words import name_of, place_words

if TYPE_CHECKING:
    from desktop.wire_files import CandidateRow, StageRow, Why

STAGES = {
    "analyse": "Understand the query",
    "rewrite": "Rewrite the question",
    "lexical": "Search by words",
    "dense": "Search by meaning",
    "embed": "Embed the query",
    "fuse": "Join both",
    "rerank": "Rerank",
    "fold": "Fold near-duplicates",
    "merge": "Merge neighbours",
    "budget": "Fit the budget",
    "gate": "Judge relevance",
    "highlight": "Find the decisive sentence",
    "assemble": "Write the prompt",
}
DROPS = {
    "duplicate": "Near-duplicate",
    "merged": "Merged",
    "budget": "No room",
    "below_k": "Below the last one taken",
    "irrelevant": "Not relevant",
}
MODES = ("auto", "hybrid", "lexical", "dense")
MODE_NAMES = ("As the query is", "Hybrid", "Words", "Meaning")


def stage_name(name: str) -> str:
    return STAGES.get(name, name.replace("_", " ").capitalize())


def stage_words(stage: StageRow) -> str:
    """ "40 candidates, 3.1 ms. Eight terms of eleven were asked for." """
    words = f"{grouped_digits(stage.candidates)} candidate{'s' if stage.candidates != 1 else ''}"
    return f"{words}, {stage.took_ms:.1f} ms{'. ' + stage.note if stage.note else ''}"


def why_facts(why: Why) -> list[tuple[str, str]]:
    """Names and values that say how the question was understood."""
    total = sum(stage.took_ms for stage in why.stages)
    prompt = f"{grouped_digits(why.prompt_tokens)} tokens" if why.prompt_tokens else ""
    if prompt and why.allocated_context:
        prompt += f" of {grouped_digits(why.allocated_context)} allocated"
    removed = ", ".join(f"[{number}]" for number in why.removed_citations)
    rows = [
        ("Question", why.question),
        ("Searched for", why.query if why.rewritten or why.query != why.question else ""),
        ("In", ", ".join(why.collections)),
        ("Looks like", f"{why.query_kind} (meaning counts {why.dense_weight:.0%})" if why.query_kind else ""),
        ("Words asked for", ", ".join(why.terms)),
        ("Mode", why.mode),
        ("Embedder", why.embedder),
        ("Reranker", why.reranker),
        ("Model", why.model),
        ("Attached", "; ".join(why.attachments)),
        ("Passages may take", f"{grouped_digits(why.budget_tokens)} tokens" if why.budget_tokens else ""),
        ("Prompt", prompt),
        ("Removed citations", f"{removed}: no passage has that number" if removed else ""),
        ("Took", f"{total:.0f} ms" if why.stages else ""),
    ]
    return [(name, value) for name, value in rows if value]


def candidate_name(row: CandidateRow) -> str:
    """ "transcript.py · lines 88–131"."""
    return f"{name_of(row.path)} · {place_words(row)}"


def candidate_end(row: CandidateRow) -> str:
    """What became of it: its number among the sources, or the rule that dropped it."""
    if row.dropped:
        merged = f" into {row.final_rank}" if row.dropped == "merged" and row.final_rank else ""
        return f"{DROPS.get(row.dropped, row.dropped.replace('_', ' ').capitalize())}{merged}"
    return f"Given as {row.final_rank}" if row.final_rank else "–"


def scored(rank: int | None, score: float | None) -> str:
    """ "3 · 0.71", "–" when that side did not find it."""
    if rank is None and score is None:
        return "–"
    shown = f"{score:.2f}" if score is not None else ""
    return f"{rank} · {shown}".strip(" ·") if rank is not None else shown


def spoken_candidate(row: CandidateRow) -> str:
    """A candidate as a screen reader says it."""
    parts = [candidate_name(row), candidate_end(row), row.why]
    for name, rank, score in (
        ("by words", row.lexical_rank, row.lexical_score),
        ("by meaning", row.dense_rank, row.dense_score),
        ("joined", None, row.fused_score),
        ("reranked", None, row.rerank_score),
    ):
        if rank is not None or score is not None:
            parts.append(f"{name} {scored(rank, score)}")
    return ", ".join(part for part in parts if part)


def prompt_text(prompt: list[dict[str, str]]) -> str:
    """The exact messages under one another, each below its role."""
    return "\n\n".join(f"── {message.get('role', '')} ──\n{message.get('content', '')}" for message in prompt)


def expected_of(why: Why) -> list[str]:
    """The passages of now, as a check keeps them."""
    return [f"{source.path}:{source.start_line}-{source.end_line}" for source in why.sources]


def request_fields(
    *, query: str, collection: str, mode: str, k: int, dense_weight: float | None, rerank: bool | None, merge: bool
) -> dict[str, Any]:
    """As a WhyRequest has it."""
    return {
        "query": query,
        "collection": collection,
        "mode": mode,
        "k": k,
        "dense_weight": dense_weight,
        "rerank": rerank,
        "merge": merge,
    }
