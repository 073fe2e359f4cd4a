"""Archives: they are not unpacked, but it is told what is the matter with those that nobody should."""

from __future__ import annotations

from rag.errors import ParseFailed
from rag.reading.archives import open_zip
from rag.reading.document import Tools
from rag.types import Document


def read(data: bytes, tools: Tools) -> Document:
    """Always raises ParseFailed: damaged, encrypted, bomb, too_large or unsupported."""
    open_zip(data, tools.limits).close()
    raise ParseFailed("Archives are not read.", reason="unsupported", hint="Unpack it and add the folder.")
