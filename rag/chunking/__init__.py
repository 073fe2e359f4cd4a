"""Cuts a document into what is embedded, searched and shown, along its structure."""

from rag.chunking.chunk import chunk
from rag.chunking.rules import ChunkRules, Sizes

__all__ = ["ChunkRules", "Sizes", "chunk"]
