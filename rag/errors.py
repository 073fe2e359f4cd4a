"""Errors of the rag package: the world said no.

RagError
├── CollectionNotFound   no collection of that name or id
├── CollectionExists     the name is taken
├── BadCollection        a name, root or rule that cannot be used
├── RootNotFound         a folder or file that was added is not there
├── ParseFailed          one file could not be read; `reason` is a SkipReason
├── EmbedderMissing      the embedding model of a collection is not here, or does not start
├── EmbedderFailed       it gave no vectors, or vectors of another shape
├── EmbeddingMismatch    vectors of another embedder than the collection's
├── RerankerFailed       the reranker gave no scores
├── VectorsBroken        the vector index cannot be used; it is being rebuilt
├── BadQuery             a search that asks for nothing, or for something there is not
├── CheckNotFound        no saved check of that id
└── IndexTooNew          a newer version wrote the index; it is left alone
"""

from __future__ import annotations

from rag.types import SkipReason


class RagError(Exception):
    """A failure the user can act on: the message is a sentence, `hint` the next step."""

    kind = "files_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CollectionNotFound(RagError):
    """No collection of that name or id."""

    kind = "collection_not_found"


class CollectionExists(RagError):
    """Another collection has that name."""

    kind = "collection_exists"


class BadCollection(RagError):
    """A name, root or rule that cannot be used; the message says which and why."""

    kind = "bad_collection"


class RootNotFound(RagError):
    """A folder or file that was added, or is to be, is not there."""

    kind = "root_not_found"


class ParseFailed(RagError):
    """One file could not be read; the others are not concerned."""

    kind = "parse_failed"

    def __init__(self, message: str, *, reason: SkipReason, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class EmbedderMissing(RagError):
    """The embedding model is not here, or does not start."""

    kind = "embedder_missing"


class EmbedderFailed(RagError):
    """An embedding model gave no vectors, or such of another shape than it is known for."""

    kind = "embedder_failed"


class EmbeddingMismatch(RagError):
    """Vectors of one embedder met a question of another."""

    kind = "embedding_mismatch"


class RerankerFailed(RagError):
    """The reranker gave no scores."""

    kind = "reranker_failed"


class VectorsBroken(RagError):
    """The vector index cannot be used now. What it held is in the database, and it is built again from there."""

    kind = "vectors_broken"


class BadQuery(RagError):
    """A search that asks for nothing, or in a way there is not."""

    kind = "bad_query"


class CheckNotFound(RagError):
    """No saved check of that id."""

    kind = "check_not_found"


class IndexTooNew(RagError):
    """A newer version wrote the index; it is left alone."""

    kind = "index_too_new"
