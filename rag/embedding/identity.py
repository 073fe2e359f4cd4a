"""Which vectors can be compared: the identity of an embedder, and the shape its answers must have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag.errors import EmbedderFailed
from rag.types import EmbedderIdentity, Vectors

_SHORT_HASH = 8


def identity_of(
    model: str,
    dimensions: int,
    max_tokens: int,
    pooling: str,
    *,
    query_prefix: str = "",
    passage_prefix: str = "",
) -> EmbedderIdentity:
    """An identity with its key. What computes the vectors is no part of it: runtimes agree, weights do not.

    `model` must name the weights themselves where they are known, see `name_with_hash`.
    """
    parts = [model, dimensions, max_tokens, pooling, query_prefix, passage_prefix]
    key = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return EmbedderIdentity(key, model, dimensions, max_tokens, pooling, query_prefix, passage_prefix)


def name_with_hash(name: str, sha256: str) -> str:
    """ "all-MiniLM-L6-v2@53aa5117"."""
    return f"{name}@{sha256[:_SHORT_HASH]}"


def hash_files(paths: Sequence[Path]) -> str:
    """The sha256 of a file, or one over those of several in the given order. Blocks: about 0.1 s for 100 MB."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def unit_vectors(vectors: Vectors, rows: int, dimensions: int, name: str) -> Vectors:
    """The vectors with rows of norm 1. Raises EmbedderFailed unless they are `rows` × `dimensions` finite numbers.

    A row of zeros stays one: it is like nothing, and the doctor counts it.
    """
    if vectors.shape != (rows, dimensions):
        got = " × ".join(str(size) for size in vectors.shape)
        raise EmbedderFailed(
            f"{name} answered with {got} numbers where {rows} × {dimensions} were expected.",
            hint="The model may have been replaced. Choose the embedder anew, so that all texts are embedded by one.",
        )
    if not np.isfinite(vectors).all():
        raise EmbedderFailed(f"{name} answered with something that is not a finite number.", hint="Try it again.")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
