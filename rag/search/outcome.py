"""What a search comes to: ranked candidates become passages, hits, and the account of every candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rag.search import passages
from rag.search.clock import Clock
from rag.search.fusion import Fused
from rag.search.gathering import Gathered
from rag.search.highlights import highlight
from rag.search.passages import Left, Passage, Scored
from rag.search.pool import Entry, Floats
from rag.search.types import Candidate, SearchWish
from rag.types import Highlight, Hit

FOLDED_BEYOND = 10  # candidates after the first k: some of those go into others


@dataclass(slots=True)
class Ranking:
    """Candidates by their last score: `order` are places in the list of candidates, best first."""

    gathered: Gathered
    fused: Fused
    scores: Floats
    order: list[int]
    reranked: Mapping[int, float] = field(default_factory=dict)
    left: dict[int, Left] = field(default_factory=dict)


def rank(gathered: Gathered, fused: Fused, reranked: Mapping[int, float]) -> Ranking:
    """Order candidates: those a reranker has read by its scores, then the others by the fused ones.

    Without the phrases that stood in quotes none is left, as long as some have them. The order of equals is that of
    the chunks' ids.
    """
    scores = fused.scores.copy()
    if reranked:
        read = np.asarray(list(reranked), np.int64)
        least = float(min(reranked.values()))
        scores *= least / max(float(scores.max(initial=0.0)), 1e-6)
        scores[read] = np.asarray(list(reranked.values()), np.float32)
    ids = [entry.stored.id for entry in gathered.entries]
    order = sorted(range(len(ids)), key=lambda at: (-float(scores[at]), ids[at]))
    ranking = Ranking(gathered, fused, scores, order, reranked)
    if gathered.held is not None:
        held = gathered.held
        gone = Left("phrase", "It does not hold the words in quotes as they stand there.")
        ranking.left = {at: gone for at in order if not held[at]}
        ranking.order = [at for at in order if held[at]]
    return ranking


def choose(ranking: Ranking, wish: SearchWish, clock: Clock) -> list[Passage]:
    """The passages of a ranking, best first; what is left out is noted in it."""
    scored = [Scored(at, ranking.gathered.entries[at], float(ranking.scores[at])) for at in ranking.order]
    if wish.merge:
        found, left = passages.fold(scored, wish.k + FOLDED_BEYOND)
        ranking.left |= left
        clock.stage("fold", len(found))
        found, left = passages.join(found)
        ranking.left |= left
        clock.stage("merge", len(found))
    else:
        found = [Passage([each], each.score) for each in scored]
    found, left = passages.limit(found, wish.k, wish.budget_tokens)
    ranking.left |= left
    clock.stage("budget", len(found))
    return found


def hits(found: Sequence[Passage], names: Mapping[int, str], worth: Mapping[str, float]) -> tuple[Hit, ...]:
    """The passages as they are handed out, with what answers best in them marked."""
    texts = [passages.text_of(passage) for passage in found]
    marks = highlight(texts, worth)
    return tuple(
        _hit(passage, names, text, highlights) for passage, text, highlights in zip(found, texts, marks, strict=True)
    )


def candidates(ranking: Ranking, found: Sequence[Passage], names: Mapping[int, str]) -> tuple[Candidate, ...]:
    """Every candidate, best first, with what became of it."""
    evidence = ranking.gathered.evidence
    places = {id(passage): number for number, passage in enumerate(found, 1)}
    of_member = {member.position: places[id(passage)] for passage in found for member in passage.members}
    rows = []
    for at in sorted(range(len(ranking.gathered.entries)), key=lambda at: -float(ranking.scores[at])):
        left = ranking.left.get(at)
        cosine, crowding = float(evidence.cosine[at]), float(evidence.crowding[at])
        into = places.get(id(left.into)) if left is not None and left.into is not None else None
        rows.append(
            Candidate(
                **_place(ranking.gathered.entries[at], names),
                lexical_rank=int(evidence.lexical_rank[at]) or None,
                lexical_score=float(evidence.lexical[at]) if evidence.words else None,
                dense_rank=int(evidence.dense_rank[at]) or None,
                dense_score=None if np.isnan(cosine) else cosine,
                crowding=None if np.isnan(crowding) else crowding,
                fused_score=float(ranking.fused.scores[at]),
                rerank_score=ranking.reranked.get(at),
                final_rank=of_member.get(at, into),
                dropped=left.rule if left is not None else "",
                why=left.why if left is not None else "",
            )
        )
    return tuple(rows)


def _place(entry: Entry, names: Mapping[int, str]) -> dict[str, Any]:
    """Which chunk a candidate is."""
    chunk = entry.stored.chunk
    return {
        "chunk_id": entry.stored.id,
        "collection": names[entry.collection_id],
        "path": entry.stored.files[0].path or entry.stored.files[0].file.rpartition("/")[2],
        "start_line": chunk.start_line,
        "end_line": chunk.end_line,
        "page": chunk.page,
        "header": chunk.header,
        "text": chunk.text,
    }


def _hit(passage: Passage, names: Mapping[int, str], text: str, highlights: tuple[Highlight, ...]) -> Hit:
    first, last = passage.chunks[0], passage.chunks[-1]
    entry = passage.members[0].entry
    file, *others = entry.stored.files
    copies = dict.fromkeys(
        ref.file for ref in (*others, *(ref for each in passage.copies for ref in each.stored.files))
    )
    copies.pop(file.file, None)
    in_file = first.file_start >= 0 and last.file_end >= 0
    return Hit(
        chunk_ids=tuple(member.entry.stored.id for member in passage.members),
        collection=names[entry.collection_id],
        root=file.root,
        path=file.path or file.file.rpartition("/")[2],
        file=file.file,
        start_char=first.file_start if in_file else first.start,
        end_char=last.file_end if in_file else last.end,
        start_line=first.start_line,
        end_line=last.end_line,
        page=first.page,
        end_page=last.end_page,
        place=first.place,
        header=first.header,
        kind=first.kind,
        text=text,
        score=min(max(passage.score, 0.0), 1.0),
        highlights=highlights,
        copies=tuple(copies),
    )
