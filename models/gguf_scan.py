"""Reads a GGUF header from a file nobody trusts: every length is checked before anything is read or kept.

llama.cpp parses the same bytes in C++, where a wrong length has been a heap overflow more than once; what it would
refuse is refused here, before a child starts. Memory stays below 200 MB and time below a second for any input: texts
are capped, long arrays are stepped over and only counted.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

from models import gguf_format as form
from models.gguf_format import ArrayInfo, TensorInfo

WINDOW_BYTES = 256 * 1024
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")

Value = str | int | float | bool | ArrayInfo


class Refused(Exception):
    """Why the file is refused, as the end of a sentence that begins with its name."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


class Source(Protocol):
    """What a header is read from: a file, or ranges of one that lies elsewhere."""

    def seek(self, offset: int, /) -> int: ...

    def read(self, count: int, /) -> bytes: ...


class Scan(NamedTuple):
    """What stands in the header."""

    version: int
    alignment: int
    data_offset: int
    metadata: dict[str, Value]
    tensors: tuple[TensorInfo, ...]
    infill_token: bool  # the vocabulary holds a token that starts an infill prompt


class _Cursor:
    """A place in the file and a window of bytes around it. Every step checks the file's end and the header's cap."""

    def __init__(self, file: Source, file_bytes: int) -> None:
        self._file = file
        self.file_bytes = file_bytes
        self._window = b""
        self._window_start = 0
        self._at = 0  # in the window
        self.kept_bytes = 0
        self.array_strings = 0

    @property
    def offset(self) -> int:
        return self._window_start + self._at

    def skip(self, count: int, what: str) -> None:
        """Step over `count` bytes without reading them."""
        end = self.offset + count
        if end > self.file_bytes:
            raise Refused(
                f"the file is truncated: {what} ends at byte {end}, the file at byte {self.file_bytes}",
                hint="Download or copy it again.",
            )
        if end > form.MAX_HEADER_BYTES:
            raise Refused(f"its header is larger than {form.MAX_HEADER_BYTES // 10**6} MB")
        self._at += count

    def _need(self, count: int, what: str) -> int:
        """Step over `count` bytes that are then in the window; returns where they start in it."""
        start = self.offset
        self.skip(count, what)
        if start < self._window_start or start + count > self._window_start + len(self._window):
            self._file.seek(start)
            self._window = self._file.read(max(count, WINDOW_BYTES))
            if len(self._window) < count:
                raise Refused(f"the file became shorter while {what} was read", hint="Import it when it is complete.")
            self._window_start = start
            self._at = count
        return start - self._window_start

    def take(self, count: int, what: str) -> bytes:
        start = self._need(count, what)
        return self._window[start : start + count]

    def u32(self, what: str) -> int:
        start = self._need(4, what)
        return int(_U32.unpack_from(self._window, start)[0])

    def u64(self, what: str) -> int:
        start = self._need(8, what)
        return int(_U64.unpack_from(self._window, start)[0])

    def text(self, what: str, max_bytes: int = form.MAX_STRING_BYTES) -> str:
        """A string that is kept; bytes that are no UTF-8 become U+FFFD."""
        length = self.u64(f"the length of {what}")
        if length > max_bytes:
            raise Refused(f"{what} claims {length} bytes; at most {max_bytes} are accepted")
        self.kept_bytes += length
        if self.kept_bytes > form.MAX_KEPT_TEXT_BYTES:
            raise Refused(f"its header holds more than {form.MAX_KEPT_TEXT_BYTES // 10**6} MB of text")
        return self.take(length, what).decode("utf-8", errors="replace")

    def skip_strings(self, count: int, what: str, wanted: frozenset[bytes]) -> bool:
        """Step over `count` strings; returns whether one of them is among `wanted`."""
        self.array_strings += count
        if self.array_strings > form.MAX_ARRAY_STRINGS:
            raise Refused(f"its header lists more than {form.MAX_ARRAY_STRINGS} strings")
        lengths = {len(text) for text in wanted}
        found = False
        unpack, max_bytes = _U64.unpack_from, form.MAX_STRING_BYTES
        left = count
        while left:
            # The inner loop runs once per token of the vocabulary: it stays in the window and makes no call but one.
            window, at, last = self._window, self._at, len(self._window) - 8
            while left and at <= last:
                length = unpack(window, at)[0]
                if length > max_bytes:
                    raise Refused(f"a string of {what} claims {length} bytes; at most {max_bytes} are accepted")
                end = at + 8 + length
                if end > last + 8:
                    break
                if length in lengths and window[at + 8 : end] in wanted:
                    found = True
                at = end
                left -= 1
            self._at = at
            if left:  # the next string crosses the window's end: read it the careful way
                length = self.u64(what)
                if length > max_bytes:
                    raise Refused(f"a string of {what} claims {length} bytes; at most {max_bytes} are accepted")
                if length in lengths:
                    found = self.take(length, what) in wanted or found
                else:
                    self.skip(length, what)
                left -= 1
        self.skip(0, what)
        return found


def scan(file: Source, file_bytes: int) -> Scan:
    """Read the whole header. Raises Refused with a reason that follows "… is refused: "."""
    if file_bytes == 0:
        raise Refused("it is empty", hint="The download or copy did not finish; get it again.")
    cursor = _Cursor(file, file_bytes)
    version, tensor_count, metadata_count = _counts(cursor)
    metadata: dict[str, Value] = {}
    infill_token = False
    for _ in range(metadata_count):
        key = cursor.text("a metadata key", form.MAX_KEY_BYTES)
        if not key or key in metadata:
            raise Refused(f"the metadata key {_shown(key)} is {'there twice' if key else 'empty'}")
        wanted = form.INFILL_TOKENS if key == "tokenizer.ggml.tokens" else frozenset[bytes]()
        metadata[key], found = _value(cursor, key, wanted)
        infill_token = infill_token or found
    alignment = _alignment(metadata)
    tensors = _tensors(cursor, tensor_count, alignment)
    data_offset = -(-cursor.offset // alignment) * alignment
    _check_ends(tensors, data_offset, file_bytes)
    return Scan(version, alignment, data_offset, metadata, tensors, infill_token)


def _counts(cursor: _Cursor) -> tuple[int, int, int]:
    """Version, number of tensors, number of metadata pairs."""
    magic = cursor.take(min(4, cursor.file_bytes), "the magic number")
    if magic != form.MAGIC:
        raise Refused("it is not a GGUF file: it does not start with GGUF", hint=_other_format_hint(magic))
    version = cursor.u32("the version")
    if version not in form.VERSIONS:
        if version & 0xFFFF == 0:
            raise Refused("it is a big-endian GGUF file; this machine needs a little-endian one")
        raise Refused(f"its GGUF version is {version}; 2 and 3 are known")
    tensors = cursor.u64("the number of tensors")
    if tensors > form.MAX_TENSORS:
        raise Refused(f"its header claims {tensors} tensors; at most {form.MAX_TENSORS} are accepted")
    metadata = cursor.u64("the number of metadata pairs")
    if metadata > form.MAX_METADATA:
        raise Refused(f"its header claims {metadata} metadata pairs; at most {form.MAX_METADATA} are accepted")
    return version, tensors, metadata


def _other_format_hint(magic: bytes) -> str:
    if magic[:2] == b"PK":
        return "This looks like a zip or PyTorch file; only GGUF files can be run."
    if magic in (b"ggml", b"ggjt", b"ggla", b"lmgg", b"tjgg"):
        return "This is llama.cpp's format from before 2023-08; get the model as GGUF."
    return "Only GGUF files can be run; get the model's GGUF version."


def _value(cursor: _Cursor, key: str, wanted: frozenset[bytes]) -> tuple[Value, bool]:
    """One metadata value, and whether an array of strings held one of `wanted`."""
    kind = cursor.u32(f"the type of {_shown(key)}")
    if kind == form.STRING:
        return cursor.text(f"the text of {_shown(key)}"), False
    if kind == form.ARRAY:
        return _array(cursor, key, wanted)
    return _numbers(cursor, _number_code(kind, key), 1, key)[0], False


def _array(cursor: _Cursor, key: str, wanted: frozenset[bytes]) -> tuple[ArrayInfo, bool]:
    item = cursor.u32(f"the item type of {_shown(key)}")
    count = cursor.u64(f"the length of {_shown(key)}")
    if item == form.STRING:
        return ArrayInfo("string", count), cursor.skip_strings(count, _shown(key), wanted)
    if item == form.ARRAY:
        raise Refused(f"{_shown(key)} is an array of arrays, which no engine reads")
    code = _number_code(item, key)
    name = form.VALUE_TYPES[item][0]
    if count <= form.MAX_KEPT_ITEMS:
        return ArrayInfo(name, count, _numbers(cursor, code, count, key)), False
    cursor.skip(count * struct.calcsize(f"<{code}"), _shown(key))
    return ArrayInfo(name, count), False


def _number_code(kind: int, key: str) -> str:
    if kind not in form.VALUE_TYPES:
        raise Refused(f"{_shown(key)} has the unknown type {kind}")
    return form.VALUE_TYPES[kind][1]


def _numbers(cursor: _Cursor, code: str, count: int, key: str) -> tuple[int | float | bool, ...]:
    layout = struct.Struct(f"<{count}{code}")
    return layout.unpack(cursor.take(layout.size, _shown(key)))


def _alignment(metadata: dict[str, Value]) -> int:
    alignment = metadata.get("general.alignment", form.DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or not 0 < alignment <= form.MAX_ALIGNMENT or alignment & (alignment - 1):
        raise Refused(f"its alignment {_shown(alignment)} is not a power of 2 up to {form.MAX_ALIGNMENT}")
    return int(alignment)


def _tensors(cursor: _Cursor, count: int, alignment: int) -> tuple[TensorInfo, ...]:
    tensors: list[TensorInfo] = []
    names: set[str] = set()
    expected = 0
    for _ in range(count):
        tensor = _tensor(cursor)
        if tensor.name in names:
            raise Refused(f"the tensor {_shown(tensor.name)} is there twice")
        if tensor.offset != expected:  # as llama.cpp wants it: without gaps and without overlaps
            raise Refused(f"the tensor {_shown(tensor.name)} starts at {tensor.offset} instead of {expected}")
        expected = -(-(tensor.offset + tensor.bytes) // alignment) * alignment
        names.add(tensor.name)
        tensors.append(tensor)
    return tuple(tensors)


def _tensor(cursor: _Cursor) -> TensorInfo:
    name = cursor.text("a tensor's name", form.MAX_TENSOR_NAME_BYTES)
    dimensions = cursor.u32("a tensor's dimensions")
    if dimensions > form.MAX_DIMENSIONS:
        raise Refused(f"the tensor {_shown(name)} has {dimensions} dimensions; at most {form.MAX_DIMENSIONS} are known")
    shape = struct.unpack(f"<{dimensions}Q", cursor.take(8 * dimensions, "a tensor's shape"))
    if any(length >= 2**63 for length in shape):
        raise Refused(f"the tensor {_shown(name)} claims impossible lengths")
    kind = cursor.u32("a tensor's type")
    if kind not in form.TENSOR_TYPES:
        raise Refused(
            f"the tensor {_shown(name)} has the type {kind}, which this engine does not know",
            hint="Get another quantization of the model, or a newer Jackdaw.",
        )
    type_name, block, block_bytes = form.TENSOR_TYPES[kind]
    if shape and shape[0] % block:
        raise Refused(f"rows of the tensor {_shown(name)} have {shape[0]} values, no multiple of {type_name}'s {block}")
    offset = cursor.u64("a tensor's offset")
    unsized = TensorInfo(name, shape, type_name, offset, 0)
    return unsized._replace(bytes=unsized.parameters // block * block_bytes)


def _check_ends(tensors: tuple[TensorInfo, ...], data_offset: int, file_bytes: int) -> None:
    for tensor in tensors:
        end = data_offset + tensor.offset + tensor.bytes
        if end > file_bytes:
            raise Refused(
                f"the file is truncated: the tensor {_shown(tensor.name)} ends at byte {end}, "
                f"the file at byte {file_bytes}",
                hint="Download or copy it again.",
            )


def _shown(value: object) -> str:
    """A name from the file, safe and short enough for a message."""
    text = value if isinstance(value, str) else str(value)
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:80])
    return f"“{clean}{'…' if len(text) > 80 else ''}”"
