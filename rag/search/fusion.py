"""One score from both sides, with weights that depend on the query and on what the sides found.

Both sides have a score for every candidate (see pool.py). BM25 is divided by the best one's; cosines are stretched
between the last of the dense list and the best. What is added up is bounded by 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.search.types import QueryKind

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the candidates of a search, one row each.

    `cosine` is NaN where there is no vector; ranks are from 1, 0 where a side did not list it. `group` numbers the
    embedders, whose cosines cannot be compared. `coverage` is the share of the query's words, by what they tell, that
    the chunk has. `words` is how many words the lexical side asks for, `kind` what the query is.
    """

    kind: QueryKind
    words: int
    lexical: Floats
    lexical_rank: NDArray[np.int32]
    cosine: Floats
    dense_rank: NDArray[np.int32]
    group: NDArray[np.int32]
    coverage: Floats
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
    """BM25 as a share of the best one's."""
    best = float(evidence.lexical.max(initial=0.0))
    return np.asarray(evidence.lexical / best if best > 0 else evidence.lexical * 0, np.float32)


def dense_share(evidence: Evidence) -> Floats:
    """Cosines between the last of an embedder's list (0) and its best (1)."""
    shares = np.zeros(len(evidence.cosine), np.float32)
    for group in np.unique(evidence.group):
        mine = (evidence.group == group) & ~np.isnan(evidence.cosine)
        listed = mine & (evidence.dense_rank > 0)
        if not listed.any():
            continue
        best, floor = float(evidence.cosine[listed].max()), float(evidence.cosine[listed].min())
        spread = best - floor
        shares[mine] = np.clip((evidence.cosine[mine] - floor) / spread, 0.0, 1.0) if spread > 0 else 1.0
    return shares


def predicted_weight(evidence: Evidence) -> float:
    """The weight of the dense side for this query."""
    if not (evidence.dense_rank > 0).any():
        return 0.0
    if not (evidence.lexical > 0).any():
        return 1.0
    return 0.6
