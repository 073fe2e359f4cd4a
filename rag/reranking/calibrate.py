"""Scores of rerankers on one scale: 0..1, higher is better. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rag.errors import RerankerFailed


def probabilities(scores: Sequence[float], name: str, *, logits: bool = True) -> list[float]:
    """Logits through the logistic function, probabilities as they are. Raises RerankerFailed for what is no number."""
    if not all(isinstance(score, int | float) and math.isfinite(score) for score in scores):
        raise RerankerFailed(f"{name} answered with something that is no score.", hint="Is it a reranker?")
    if logits:
        return [_logistic(score) for score in scores]
    return [min(1.0, max(0.0, score)) for score in scores]


def _logistic(score: float) -> float:
    if score >= 0:
        return 1 / (1 + math.exp(-score))
    grown = math.exp(score)
    return grown / (1 + grown)
