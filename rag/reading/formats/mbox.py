"""Mailboxes in one file: a message begins with a line "From " after a blank one. Source: RFC 4155."""

from __future__ import annotations

import re

from rag.errors import ParseFailed
from rag.reading.builder import TextBuilder
from rag.reading.document import Tools
from rag.reading.formats.mail import add_message, left_out
from rag.types import Document

_FROM = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def read(data: bytes, tools: Tools) -> Document:
    """A document of all messages, each below its subject. Raises ParseFailed (damaged) when there is none."""
    starts = list(_FROM.finditer(data))
    if not starts:
        raise ParseFailed("This mailbox has no message.", reason="damaged")
    builder = TextBuilder(tools.limits)
    attachments = list[str]()
    ends = [found.start() for found in starts[1:]] + [len(data)]
    broken = 0
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        builder.outline.leave()
        message = _QUOTED_FROM.sub(rb"\1", data[start.end() : end])
        try:
            attachments += add_message(builder, message, f"message {number}")[1]
        except ParseFailed as failed:
            if failed.reason != "damaged":
                raise
            broken += 1
    told = (f"Messages that could not be read: {broken}.",) if broken else ()
    return Document(
        "mail",
        builder.text,
        exact=False,
        blocks=tuple(builder.blocks),
        warnings=(*left_out(attachments), *told),
    )
