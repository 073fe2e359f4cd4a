"""Whether anything that was found is about the question at all.

Measured with all-MiniLM-L6-v2 on five collections (prose, articles, two of code, documentation with its code), each
asked its own questions and those of the others. With BOUND, 98 % of a collection's own questions count as answered;
of questions about other subjects 0.5 % do, and of those about the same field (programming, asked of other programs)
two thirds. A higher bound would take answers away from who asks in other words than the text.
"""

from __future__ import annotations

import numpy as np

from rag.search.fusion import Evidence

BOUND = 0.5  # of the cosine and a share of the coverage, of the best candidate
COVERAGE_SHARE = 0.4
BY_WORDS = 0.3  # coverage, when there are no vectors: 98 % and 12 %
BY_ANY_WORDS = 0.2  # coverage, when the embedder's cosines mean something else than they were measured with
MEASURED_WITH = "all-MiniLM-L6-v2"


def is_relevant(evidence: Evidence, embedder: str) -> bool:
    """False when even the best candidate is far in meaning and lacks what the question's words tell."""
    covered = float(evidence.coverage.max(initial=0.0))
    if not (evidence.dense_rank > 0).any():
        return covered >= BY_WORDS
    if not embedder.startswith(MEASURED_WITH):
        return covered >= BY_ANY_WORDS
    near = np.nan_to_num(evidence.cosine, nan=0.0) + COVERAGE_SHARE * evidence.coverage
    return float(near.max(initial=0.0)) >= BOUND
