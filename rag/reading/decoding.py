"""Bytes as text: what they are encoded in, and whether they are text at all."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from rag.errors import ParseFailed

_SAMPLE = 64 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Python's coding lines, XML's declaration and HTML's meta elements.
_DECLARED = re.compile(rb"""(?:coding[:=]|encoding=|charset=)\s*["']?([A-Za-z0-9._-]{2,30})""")
# Control characters that no text has; bytes 0x1b and 0x0c are in logs and old sources.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1b\x08"))
_CONTROL_SHARE = 0.02
_WIDE = re.compile("[^\x00-\x7f\uff61-\uff9f]")  # half-width kana are what any Western text gives
_KANA = re.compile("[\u3041-\u30ff]")
_KANA_SHARE = 0.2
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """`text` decoded from `encoding`; `lossy` when characters had to be replaced. A byte order mark is left out."""

    text: str
    encoding: str
    lossy: bool = False


def decode(data: bytes) -> Decoded:
    """Decode a text file: by its mark, as UTF-8, as declared, as its bytes suggest, else as cp1252.

    Raises ParseFailed (binary) for what is no text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            text = data.decode(encoding, "replace")
            return Decoded(text, encoding, "\ufffd" in text)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_other(data)
    if "\0" not in text and not _looks_binary(data[:_SAMPLE]):
        return Decoded(text, "utf-8")
    return _decode_wide(data)


def clean(text: str) -> str:
    """The same text without halves of surrogate pairs, which no database takes; the length stays."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)
    return text


def _decode_other(data: bytes) -> Decoded:
    if b"\0" in data[:_SAMPLE] or _looks_binary(data[:_SAMPLE]):
        return _decode_wide(data)
    if (declared := _declared(data)) is not None:
        return declared
    if _broken_utf8(data):
        return Decoded(data.decode("utf-8", "replace"), "utf-8", lossy=True)
    encoding = _guess(data)
    text = data.decode(encoding, "replace")
    return Decoded(text, encoding, "\ufffd" in text)


def _declared(data: bytes) -> Decoded | None:
    found = _DECLARED.search(data, 0, 1024)
    if found is None:
        return None
    try:
        codec = codecs.lookup(found[1].decode("ascii"))
        return Decoded(codec.decode(data)[0], codec.name) if codec._is_text_encoding else None
    except (LookupError, UnicodeError):
        return None


def _broken_utf8(data: bytes) -> bool:
    """Whether it is UTF-8 with a few bytes wrong: many sequences are right, and few are not."""
    text = data[:_SAMPLE].decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(1 for character in text if character > "\x7f") - wrong
    return right > 10 * wrong


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    # Single-byte Western text is what most such files are, and what the statistics tell worst from its neighbours.
    sample = _with_letters(data)
    if (japanese := _japanese(sample)) is not None:
        return japanese
    best = from_bytes(sample, steps=8, chunk_size=512, threshold=0.2, enable_fallback=False).best()
    if best is None or best.encoding in ("ascii", "utf_8", "latin_1") or _mostly_ascii(sample):
        return "cp1252"
    return best.encoding if _alphabet_is_rare(best.encoding) else "cp1252"


def _japanese(sample: bytes) -> str | None:
    """Japanese is told by its kana, which the statistics of the library take for rare Korean."""
    for encoding in ("cp932", "euc_jp"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        wide = len(_WIDE.findall(text))
        if wide and len(_KANA.findall(text)) > _KANA_SHARE * wide:
            return encoding
    return None


def _with_letters(data: bytes) -> bytes:
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, (first.start() if first else 0) - 256)
    return data[start : start + 16 * 1024]


def _mostly_ascii(sample: bytes) -> bool:
    return len(sample.translate(None, bytes(range(128)))) < 0.08 * len(sample)


def _alphabet_is_rare(encoding: str) -> bool:
    """Whether an encoding is of another script than the Latin one, where a guess can be trusted."""
    return not encoding.startswith(
        ("cp1250", "cp1252", "cp1254", "cp1257", "cp437", "cp85", "cp86", "iso8859_", "mac_")
    ) or (
        encoding in ("iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "cp855", "cp866", "mac_cyrillic", "mac_greek")
    )


def _decode_wide(data: bytes) -> Decoded:
    """UTF-16 without a mark, or nothing that is text: in text, nearly every second byte is zero."""
    sample = data[: _SAMPLE // 2 * 2]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if half >= 4 and zeros > 0.6 * half and others < 0.05 * half:
            text = data.decode(encoding, "replace")
            if not _looks_binary(text[:_SAMPLE].encode("latin-1", "replace")):
                return Decoded(text, encoding, "\ufffd" in text)
    raise ParseFailed("This file is no text.", reason="binary")


def _looks_binary(sample: bytes) -> bool:
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls > _CONTROL_SHARE * len(sample)
