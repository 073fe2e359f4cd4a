"""One score from both sides, with weights that depend on the query and on what the sides found.

Both sides have a score for every candidate (see pool.py); a sum of shares of the best beat the fusion of ranks on every
collection it was tried on. Many features of queries and results were fitted to prose, questions, code, documentation
and histories of changes, each collection left out in turn: what still helped there was the number of words in the
query, and little else. `tests/bench/retrieval_bench.py --weights` shows the measures by weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.search.types import QueryKind

Floats = NDArray[np.float32]

# The dense side's weight for a query of USUAL_WORDS words, and how much less it is for each e-fold of words.
WEIGHT = 0.61
SLOPE = 0.15
USUAL_WORDS = 5
LEAST, MOST = 0.35, 0.75
PAGES = 0.12  # more when all that is near in meaning are pages

CROWDED = 0.15  # of its crowding that code among crowded code is held to be further away

COVERAGE = 0.3  # how far the lexical side of a short query is the share of its words
COVERAGE_CODE = 0.8  # the same when all candidates are code
COVERAGE_WORDS = (4, 9)  # short up to four words, not at all from nine on


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the candidates of a search, one row each.

    `cosine` and `crowding` (see dense.py) are NaN where there is no vector; ranks are from 1, 0 where a side did not
    list it. `group` numbers the embedders, whose cosines cannot be compared. `coverage` is the share of the query's
    words, by what they tell, that the chunk has. `paged` marks chunks of pages (PDF, slides), `code` those of source
    code. `words` is how many words the lexical side asks for, `kind` what the query is.
    """

    kind: QueryKind
    words: int
    lexical: Floats
    lexical_rank: NDArray[np.int32]
    cosine: Floats
    crowding: Floats
    dense_rank: NDArray[np.int32]
    group: NDArray[np.int32]
    coverage: Floats
    paged: NDArray[np.bool_]
    code: NDArray[np.bool_]
    document: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fused:
    """Scores 0..1 in the order of the candidates, and the weight the dense side had."""

    scores: Floats
    dense_weight: float


def fuse(evidence: Evidence, dense_weight: float | None = None) -> Fused:
    """Weigh both sides; `dense_weight` None leaves it to what the evidence looks like."""
    weight = predicted_weight(evidence) if dense_weight is None else dense_weight
    lexical, dense = lexical_share(evidence), dense_share(evidence)
    scores = weight * dense + (1.0 - weight) * lexical
    return Fused(np.asarray(scores, np.float32), weight)


def lexical_share(evidence: Evidence) -> Floats:
    """BM25 as a share of the best one's; for short queries partly the share of their words that are there at all.

    Of four words each one counts, and how often code repeats one says little; in long queries it is the other way.
    """
    best = float(evidence.lexical.max(initial=0.0))
    share = evidence.lexical / best if best > 0 else np.zeros_like(evidence.lexical)
    code = float(evidence.code.mean()) if len(evidence.code) else 0.0
    by_words = (COVERAGE + (COVERAGE_CODE - COVERAGE) * code) * _between(evidence.words, *COVERAGE_WORDS)
    return np.asarray((1.0 - by_words) * share + by_words * evidence.coverage, np.float32)


def dense_share(evidence: Evidence) -> Floats:
    """Nearness between the last of an embedder's list (0) and its best (1)."""
    shares = np.zeros(len(evidence.cosine), np.float32)
    for group in np.unique(evidence.group):
        mine = (evidence.group == group) & ~np.isnan(evidence.cosine)
        listed = mine & (evidence.dense_rank > 0)
        if not listed.any():
            continue
        nearness = _nearness(evidence, mine)
        best, floor = float(nearness[listed].max()), float(nearness[listed].min())
        spread = best - floor
        shares[mine] = np.clip((nearness[mine] - floor) / spread, 0.0, 1.0) if spread > 0 else 1.0
    return shares


def _nearness(evidence: Evidence, mine: NDArray[np.bool_]) -> Floats:
    """Cosines; of code less for what lies in a crowd of other code, more for what lies apart.

    Prose did not gain from it (Cranfield -.002 ndcg@10); code did (functions of 16 packages asked by their docstrings
    +.002, web queries +.006).
    """
    nearness = evidence.cosine.copy()
    code = mine & evidence.code & ~np.isnan(evidence.crowding)
    if code.any():
        nearness[code] -= CROWDED * (evidence.crowding[code] - evidence.crowding[code].mean())
    return nearness


def predicted_weight(evidence: Evidence) -> float:
    """The weight of the dense side for this query: the more words it has, the more they tell by themselves.

    Pages count for more, since tables and broken lines leave less of their words.
    """
    listed = evidence.dense_rank > 0
    if not listed.any():
        return 0.0
    if not (evidence.lexical > 0).any():
        return 1.0
    weight = WEIGHT - SLOPE * (math.log1p(evidence.words) - math.log1p(USUAL_WORDS))
    weight += PAGES * float(evidence.paged[listed].mean())
    return min(max(weight, LEAST), MOST)


def _between(value: float, low: float, high: float) -> float:
    """1 up to `low`, 0 from `high` on, and a straight line between them."""
    return min(max((high - value) / (high - low), 0.0), 1.0)
