"""E-mail: the heads people read, then the text. Attachments are named, not read."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage

from rag.errors import ParseFailed
from rag.reading.builder import TextBuilder, one_line
from rag.reading.decoding import decode
from rag.reading.document import Tools
from rag.reading.formats.html import html_into
from rag.types import BlockKind, Document

_HEADS = ("From", "To", "Cc", "Date", "Subject")
_PARAGRAPH = re.compile(r"[^\S\n]*\S[^\n]*(?:\n[^\S\n]*\S[^\n]*)*")
_MOST_PARTS = 1000


def read(data: bytes, tools: Tools) -> Document:
    """A document of one message. Raises ParseFailed (damaged) for what has no head of a message."""
    builder = TextBuilder(tools.limits)
    title, attachments = add_message(builder, data)
    return Document(
        "mail", builder.text, title=title, exact=False, blocks=tuple(builder.blocks), warnings=left_out(attachments)
    )


def left_out(attachments: list[str]) -> tuple[str, ...]:
    """The sentence on attachments, if there are any."""
    if not attachments:
        return ()
    names = ", ".join(attachments[:5]) + (f" and {len(attachments) - 5} more" if len(attachments) > 5 else "")
    return (f"Attachments were not read: {names}.",)


def add_message(builder: TextBuilder, data: bytes, place: str = "") -> tuple[str, list[str]]:
    """Add one message; returns its subject and the names of its attachments."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    heads = [f"{name}: {value}" for name in _HEADS if (value := _head(message, name))]
    if not heads:
        raise ParseFailed("This is no e-mail: it has no sender, date or subject.", reason="damaged")
    builder.add("meta", "\n".join(heads), place=place)
    if subject := _head(message, "Subject"):
        builder.outline.enter(1, subject)
    parts = list(_parts(message))
    shown = _shown(parts)
    for part in shown:
        _add_part(builder, part, place)
    attachments = [one_line(_name(part), 80) for part in parts if part not in shown and _name(part)]
    return subject, attachments


def _head(message: EmailMessage, name: str) -> str:
    try:
        return one_line(str(message.get(name, "")), 1000)
    except (ValueError, IndexError, AttributeError, TypeError):  # the standard library's parser fails on broken heads
        return ""


def _name(part: EmailMessage) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):
        return "without name"


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that hold something themselves."""
    for number, part in enumerate(message.walk()):
        if number >= _MOST_PARTS:
            raise ParseFailed(f"This message has more than {_MOST_PARTS:,} parts.", reason="bomb")
        if not part.is_multipart():
            yield part


def _shown(parts: list[EmailMessage]) -> list[EmailMessage]:
    """Plain text; HTML where there is none."""
    own = [part for part in parts if part.get_content_disposition() != "attachment"]
    plain = [part for part in own if part.get_content_type() == "text/plain"]
    return plain or [part for part in own if part.get_content_type() == "text/html"]


def _add_part(builder: TextBuilder, part: EmailMessage, place: str) -> None:
    text = _text(part)
    if part.get_content_type() == "text/html":
        html_into(builder, text, place=place, anchored=False)
        return
    for found in _PARAGRAPH.finditer(text.replace("\r\n", "\n")):
        kind: BlockKind = "quote" if found[0].lstrip().startswith(">") else "paragraph"
        builder.add(kind, found[0], place=place)


def _text(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeError):
        return decode(data).text
