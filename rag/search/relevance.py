"""Whether anything that was found is about the question at all."""

from __future__ import annotations

from rag.search.fusion import Evidence

COSINE = 0.35  # of the nearest passage
COVERAGE = 0.6  # share of what the question's words tell that one passage has


def is_relevant(evidence: Evidence) -> bool:
    """False when the best passage is far in meaning and lacks what the question's words tell."""
    listed = evidence.cosine[evidence.dense_rank > 0]
    covered = float(evidence.coverage.max(initial=0.0))
    if not len(listed):
        return covered >= COVERAGE
    return float(listed.max()) >= COSINE or covered >= COVERAGE
