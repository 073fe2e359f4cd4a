"""The header of a safetensors file, read without any library and without believing it.

Source of the format: the safetensors README: 8 bytes length (little endian), a JSON header, then the data.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from models.errors import ConvertRefused

MAX_HEADER_BYTES = 100_000_000  # what the library itself accepts at most
BITS = {
    **{"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6},
    **{"I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "F6_E3M2": 6},
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header states it; `dtype` in safetensors' names."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return prod(self.shape)


def read_tensors(path: Path) -> tuple[Tensor, ...]:
    """The tensors of one file. Raises ConvertRefused when it is truncated or no safetensors file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
                raise _refused(path, "it is truncated or no safetensors file")
            header = json.loads(file.read(length))
        return tuple(_tensors(path, header, size - 8 - length))
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused(path, "its header is no safetensors header") from error


def _tensors(path: Path, header: dict[str, Any], data_bytes: int) -> list[Tensor]:
    found, end = [], 0
    for name, entry in dict(header).items():
        if name == "__metadata__":
            continue
        shape = tuple(int(size) for size in entry["shape"])
        first, last = (int(offset) for offset in entry["data_offsets"])
        tensor = Tensor(name, str(entry["dtype"]), shape)
        if tensor.dtype not in BITS:
            raise _refused(path, f"tensor {name[:80]!r} has the type {tensor.dtype[:20]!r}, which is not known")
        if min((*shape, first), default=0) < 0 or (last - first) * 8 != tensor.parameters * BITS[tensor.dtype]:
            raise _refused(path, f"tensor {name[:80]!r} claims a size that it does not have")
        if last > data_bytes:
            raise _refused(path, f"it is truncated: {last - data_bytes:,} bytes are missing")
        end = max(end, last)
        found.append(tensor)
    if end != data_bytes:
        raise _refused(path, f"{data_bytes - end:,} bytes in it belong to no tensor")
    return found


def _refused(path: Path, reason: str) -> ConvertRefused:
    return ConvertRefused(f"{path.name} is refused: {reason}.", hint="Get the file again.")
