"""Files as text with positions: one reader per format, run in jailed children."""

from rag.reading.pool import ReaderPool
from rag.reading.types import Limits, Parsed
from rag.reading.version import PARSER_VERSION

__all__ = ["PARSER_VERSION", "Limits", "Parsed", "ReaderPool"]
