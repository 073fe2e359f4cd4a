"""Embedders as they are shown for choosing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rag.embedding.choices import BUILT_IN, Choice, Definition, Figures
from rag.embedding.families import family_of
from rag.embedding.gguf import MOST_TOKENS
from rag.embedding.ollama_server import USUAL_URL
from rag.embedding.package import DIMENSIONS, MAX_TOKENS, NAME
from rag.embedding.remote import is_here
from rag.types import EmbedderIdentity

if TYPE_CHECKING:
    from models.library import LibraryModel


def package_row(figures: Figures, folder: Path | None) -> Choice:
    """The built-in embedder; `folder` of None means that its package is missing."""
    speed = next((figure.chunks_per_s for figure in figures.runtimes if figure.chosen), None)
    return Choice(
        BUILT_IN,
        NAME,
        "package",
        dimensions=DIMENSIONS,
        max_tokens=MAX_TOKENS,
        pooling="mean",
        available=folder is not None,
        reason="" if folder is not None else "Its package is not installed.",
        is_default=True,
        runtime=figures.chosen,
        chunks_per_s=speed,
        note="Small and quick, for English; works without network.",
    )


def added_row(embedder_id: str, definition: Definition, identity: EmbedderIdentity | None) -> Choice:
    """One that the user added; sizes are known once it was opened."""
    in_folder = definition.kind == "sentence-transformers"
    name = Path(definition.name).name if in_folder else definition.name
    family = family_of(name)
    missing = in_folder and not Path(definition.name).is_dir()
    local = in_folder or is_here(definition.url or USUAL_URL)
    query = family.query_prefix if definition.query_prefix is None else definition.query_prefix
    passage = family.passage_prefix if definition.passage_prefix is None else definition.passage_prefix
    return Choice(
        embedder_id,
        name,
        definition.kind,
        dimensions=identity.dimensions if identity is not None else definition.dimensions,
        max_tokens=identity.max_tokens if identity is not None else None,
        query_prefix=identity.query_prefix if identity is not None else query,
        passage_prefix=identity.passage_prefix if identity is not None else passage,
        pooling=identity.pooling if identity is not None else family.pooling,
        available=not missing,
        reason=f"{definition.name} is not there any more." if missing else "",
        multilingual=family.multilingual,
        local=local,
        note="" if local else f"Texts are sent to {definition.url}.",
    )


def gguf_row(embedder_id: str, model: LibraryModel) -> Choice:
    """An embedding model of the library."""
    family = family_of(f"{model.name} {model.id} {model.repo}")
    return Choice(
        embedder_id,
        model.id,
        "gguf",
        max_tokens=min(model.context_length or MOST_TOKENS, MOST_TOKENS),
        query_prefix=family.query_prefix,
        passage_prefix=family.passage_prefix,
        pooling=family.pooling,
        available=not model.suspect,
        reason=model.suspect,
        multilingual=family.multilingual,
    )
