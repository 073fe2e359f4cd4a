"""Writes GGUF headers byte by byte, right ones and wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence

U32, STRING, ARRAY, U64 = 4, 8, 9, 10


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def u32(key: str, value: int) -> bytes:
    return pair(key, U32, struct.pack("<I", value))


def string(key: str, value: str | bytes) -> bytes:
    return pair(key, STRING, text(value))


def strings(key: str, values: Sequence[str], count: int | None = None) -> bytes:
    body = b"".join(text(value) for value in values)
    return pair(key, ARRAY, struct.pack("<IQ", STRING, len(values) if count is None else count) + body)


def numbers(key: str, kind: int, code: str, values: Sequence[int], count: int | None = None) -> bytes:
    body = struct.pack(f"<{len(values)}{code}", *values)
    return pair(key, ARRAY, struct.pack("<IQ", kind, len(values) if count is None else count) + body)


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0, dimensions: int | None = None) -> bytes:
    return (
        text(name)
        + struct.pack("<I", len(shape) if dimensions is None else dimensions)
        + struct.pack(f"<{len(shape)}Q", *shape)
        + struct.pack("<IQ", kind, offset)
    )


def gguf(
    pairs: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    *,
    version: int = 3,
    magic: bytes = b"GGUF",
    tensor_count: int | None = None,
    pair_count: int | None = None,
    data_bytes: int = 0,
    alignment: int = 32,
) -> bytes:
    """A file: header, padding, `data_bytes` zeros. Counts may lie."""
    head = magic + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(pairs) if pair_count is None else pair_count,
    )
    body = head + b"".join(pairs) + b"".join(tensors)
    return body + b"\0" * (-len(body) % alignment) + b"\0" * data_bytes


ARCHITECTURE = string("general.architecture", "llama")
