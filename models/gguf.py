"""What a GGUF file says about its model, read without any engine and without believing it.

`read_header` is the preflight every file passes before a child sees it: see gguf_scan.py for what is refused.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from models import gguf_format as form
from models.errors import BadGguf
from models.gguf_format import ArrayInfo, TensorInfo
from models.gguf_scan import Refused, Scan, Value, scan

__all__ = ["ArrayInfo", "GgufHeader", "Kind", "TensorInfo", "header_of", "read_header"]

Kind = Literal["chat", "embedding", "rerank"]

# No real size of a model comes near; above it a number is treated as not there, and never overflows SQLite or C.
MAX_COUNT = 2**31 - 1
MAX_SHOWN_CHARACTERS = 200

# Without O_NONBLOCK opening a FIFO would wait for its writer for ever; O_BINARY is Windows' own.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class GgufHeader:
    """One file's header. Sizes that the file does not state, or states absurdly, are 0; texts are ""."""

    version: int
    file_bytes: int
    alignment: int
    data_offset: int
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...] = field(repr=False)
    has_infill_token: bool = False

    @cached_property
    def architecture(self) -> str:
        return self._text("general.architecture")

    @cached_property
    def name(self) -> str:
        return self._text("general.name")

    @cached_property
    def licence(self) -> str:
        return self._text("general.license") or self._text("general.license.name")

    @cached_property
    def file_kind(self) -> str:
        """general.type: "model", "adapter", "mmproj", "imatrix", … Files from before it was there have ""."""
        return self._text("general.type")

    @cached_property
    def context_length(self) -> int:
        """Tokens the model was trained for."""
        return self._size("context_length")

    @cached_property
    def block_count(self) -> int:
        return self._size("block_count")

    @cached_property
    def embedding_length(self) -> int:
        return self._size("embedding_length")

    @cached_property
    def head_count(self) -> int | tuple[int, ...]:
        """Attention heads; a tuple with one number per layer where the layers differ."""
        return self._sizes("attention.head_count")

    @cached_property
    def head_count_kv(self) -> int | tuple[int, ...]:
        """Key/value heads, in the same form; a file without them has as many as heads."""
        return self._sizes("attention.head_count_kv") or self.head_count

    @cached_property
    def key_length(self) -> int:
        """Values per key head; embedding_length / head_count unless stated."""
        return self._size("attention.key_length") or self._head_length

    @cached_property
    def value_length(self) -> int:
        return self._size("attention.value_length") or self._head_length

    @cached_property
    def feed_forward_length(self) -> int:
        sizes = self._sizes("feed_forward_length")
        return sizes if isinstance(sizes, int) else max(sizes, default=0)

    @cached_property
    def expert_count(self) -> int:
        return self._size("expert_count")

    @cached_property
    def sliding_window(self) -> int:
        """Tokens the windowed layers look back; 0 when every layer sees all."""
        return self._size("attention.sliding_window")

    @cached_property
    def vocab_size(self) -> int:
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        return tokens.count if isinstance(tokens, ArrayInfo) else self._size("vocab_size")

    @cached_property
    def parameter_count(self) -> int:
        """Values in all tensors of this file."""
        return sum(tensor.parameters for tensor in self.tensors)

    @cached_property
    def weights_bytes(self) -> int:
        """Bytes of all tensors of this file, without header and padding."""
        return sum(tensor.bytes for tensor in self.tensors)

    @cached_property
    def quant(self) -> str:
        """What llama-quantize calls it, e.g. "Q4_K_M"; else the type that most bytes are stored in."""
        file_type = self.metadata.get("general.file_type")
        if isinstance(file_type, int) and file_type in form.FILE_TYPES:
            return form.FILE_TYPES[file_type]
        bytes_by_type: Counter[str] = Counter()
        for tensor in self.tensors:
            bytes_by_type[tensor.type] += tensor.bytes
        return bytes_by_type.most_common(1)[0][0] if bytes_by_type else ""

    @cached_property
    def chat_template(self) -> str | None:
        """The template's source. It comes from strangers: only the engine renders it."""
        template = self.metadata.get("tokenizer.chat_template")
        return template if isinstance(template, str) and template.strip() else None

    @cached_property
    def pooling_type(self) -> int | None:
        """llama.cpp's number: 0 none, 1 mean, 2 first token, 3 last token, 4 rank."""
        pooling = self.metadata.get(f"{self.architecture}.pooling_type")
        return pooling if isinstance(pooling, int) and 0 <= pooling <= form.RANK_POOLING else None

    @cached_property
    def kind(self) -> Kind:
        """What the model is for: a rank head makes a reranker; pooling or an encoder makes embeddings."""
        if self.pooling_type == form.RANK_POOLING or any(tensor.name in form.RERANK_TENSORS for tensor in self.tensors):
            return "rerank"
        if self.pooling_type not in (None, form.NO_POOLING) or self.architecture in form.ENCODERS:
            return "embedding"
        return "chat"

    @cached_property
    def supports_infill(self) -> bool:
        """Whether llama-server's /infill has the tokens it needs."""
        return self.kind == "chat" and (self.has_infill_token or any(key in self.metadata for key in form.INFILL_KEYS))

    @cached_property
    def split_count(self) -> int:
        """Files the model is split into; 1 for a whole one."""
        count = self.metadata.get("split.count")
        return count if isinstance(count, int) and 1 < count <= MAX_COUNT else 1

    @property
    def _head_length(self) -> int:
        heads = self.head_count if isinstance(self.head_count, int) else max(self.head_count, default=0)
        return self.embedding_length // heads if heads else 0

    def _text(self, key: str) -> str:
        value = self.metadata.get(key)
        text = value if isinstance(value, str) else ""
        return "".join(char for char in text[:MAX_SHOWN_CHARACTERS] if char.isprintable()).strip()

    def _size(self, key: str) -> int:
        sizes = self._sizes(key)
        return sizes if isinstance(sizes, int) else max(sizes, default=0)

    def _sizes(self, key: str) -> int | tuple[int, ...]:
        value = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(value, ArrayInfo):
            return tuple(_size_or_zero(item) for item in value.values or ())
        return _size_or_zero(value)


def read_header(path: Path) -> GgufHeader:
    """Check the header of one file and return it; under 1 s and 200 MB whatever the file holds.

    Raises BadGguf when the file is missing, unreadable, no regular file, empty, truncated, not GGUF, or claims what
    no real model has: see gguf_format.py for the limits.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadGguf(f"{path} cannot be opened: {reason}.", hint="Check the path and its permissions.") from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise BadGguf(f"{path} is not a regular file.", hint="Choose a .gguf file.")
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            found = scan(file, info.st_size)
    except Refused as error:
        raise BadGguf(f"{path.name} is refused: {error}.", hint=error.hint) from None
    except OSError as error:
        raise BadGguf(f"{path} cannot be read: {error.strerror}.", hint="Check the disk it is on.") from error
    finally:
        os.close(descriptor)
    return header_of(found, info.st_size)


def header_of(found: Scan, file_bytes: int) -> GgufHeader:
    """What was found in a file of `file_bytes`, as a header."""
    return GgufHeader(
        version=found.version,
        file_bytes=file_bytes,
        alignment=found.alignment,
        data_offset=found.data_offset,
        metadata=found.metadata,
        tensors=found.tensors,
        has_infill_token=found.infill_token,
    )


def _size_or_zero(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= MAX_COUNT else 0
