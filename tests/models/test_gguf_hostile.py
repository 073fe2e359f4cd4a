"""Ten thousand broken headers, each under a second, all under 200 MB, none with anything but BadGguf."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.errors import BadGguf
from models.gguf import read_header
from tests.models import gguf_bytes as make

# A process of its own: its peak memory is the reader's, not pytest's (ru_maxrss would count pytest's, from the fork).
PEAK = """
def peak_bytes():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
"""
FUZZ = """
import json, random, struct, sys, time
from pathlib import Path
from models.errors import BadGguf
from models.gguf import read_header

source, target, runs = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), int(sys.argv[3])
header_bytes = read_header(Path(sys.argv[1])).data_offset
rng = random.Random(16)
HOSTILE = [0, 1, 2**7, 2**8 - 1, 2**15, 2**16, 2**24, 2**24 + 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**63, 2**64 - 1]

def mutate():
    header = bytearray(source[:header_bytes])
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(header))
        how = rng.randrange(6)
        if how == 0:
            header[at] = rng.randrange(256)
        elif how == 1:
            header[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            header[at:at + 8] = struct.pack("<Q", rng.choice(HOSTILE))
        elif how == 3:
            header[at:at + 4] = struct.pack("<I", rng.choice(HOSTILE) & 0xFFFFFFFF)
        elif how == 4:
            del header[at:at + rng.randrange(1, 64)]
        else:
            other = rng.randrange(len(header))
            header[at:at] = header[other:other + rng.randrange(1, 256)]
    return bytes(header)

refused, slowest = 0, 0.0
for _ in range(runs):
    target.write_bytes(mutate() + bytes(rng.choice((0, 100, 100_000))))
    started = time.process_time()
    try:
        header = read_header(target)
        for name in dir(header):
            getattr(header, name)
    except BadGguf as error:
        refused += 1
        assert error.message.isprintable(), error.message
    slowest = max(slowest, time.process_time() - started)
print(json.dumps({"refused": refused, "slowest_s": slowest, "peak_bytes": peak_bytes()}))
"""

READ_ONE = """
import json, sys, time
from pathlib import Path
from models.errors import BadGguf
from models.gguf import read_header
started, reason = time.process_time(), ""
try:
    read_header(Path(sys.argv[1]))
except BadGguf as error:
    reason = error.message
print(json.dumps({"reason": reason, "slowest_s": time.process_time() - started, "peak_bytes": peak_bytes()}))
"""


def in_its_own_process(script: str, *arguments: object) -> dict[str, float]:
    argv = [sys.executable, "-c", PEAK + script, *map(str, arguments)]
    result: dict[str, float] = json.loads(subprocess.run(argv, check=True, capture_output=True, timeout=170).stdout)
    assert result["slowest_s"] < 1
    assert result["peak_bytes"] < 200_000_000
    return result


@pytest.mark.accept(16)
@pytest.mark.slow
def test_ten_thousand_mutated_headers(tmp_path: Path, tiny_fim_gguf: Path) -> None:
    result = in_its_own_process(FUZZ, tiny_fim_gguf, tmp_path / "mutated.gguf", 10_000)
    assert result["refused"] > 5_000  # the mutations do reach what is checked


@pytest.mark.accept(16)
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, tiny_chat_gguf: Path) -> None:
    whole = tiny_chat_gguf.read_bytes()
    header_bytes = read_header(tiny_chat_gguf).data_offset
    rng = random.Random(1)
    cuts = [*rng.sample(range(header_bytes), 800), *rng.sample(range(header_bytes, len(whole)), 200)]
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole)
    for cut in sorted(cuts, reverse=True):
        with path.open("r+b") as file:
            file.truncate(cut)
        with pytest.raises(BadGguf, match=r"truncated|empty|not a GGUF"):
            read_header(path)


def test_a_flipped_bit_is_refused_or_changes_only_what_it_says(tmp_path: Path, tiny_chat_gguf: Path) -> None:
    whole = bytearray(tiny_chat_gguf.read_bytes())
    right = read_header(tiny_chat_gguf)
    rng = random.Random(2)
    path = tmp_path / "flipped.gguf"
    path.write_bytes(whole)
    refused = 0
    for _ in range(1_000):
        at, bit = rng.randrange(right.data_offset), 1 << rng.randrange(8)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(bytes([whole[at] ^ bit]))
        try:
            found = read_header(path)
            # What was accepted still lies inside the file, whatever it is called.
            assert found.data_offset + found.weights_bytes <= found.file_bytes
        except BadGguf:
            refused += 1
        with path.open("r+b") as file:
            file.seek(at)
            file.write(bytes([whole[at]]))
    assert refused > 100
    assert read_header(path) == right


def sparse(path: Path, content: bytes, file_bytes: int) -> Path:
    """A file that claims to be huge and holds little."""
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(file_bytes)
    return path


def the_most_strings_in_a_sparse_file() -> bytes:
    return make.gguf([make.ARCHITECTURE, make.strings("tokenizer.ggml.tokens", [], 2_000_000)])


def strings_that_step_over_the_whole_cap() -> bytes:
    return make.gguf([make.ARCHITECTURE, make.strings("k", ["x" * 600_000] * 250)])


def as_many_pairs_as_may_be() -> bytes:
    return make.gguf([make.u32(f"key.{number}", number) for number in range(100_000)])


def as_many_tensors_as_may_be() -> bytes:
    tensors = [make.tensor(f"blk.{number}.weight", [32], 0, 128 * number) for number in range(100_000)]
    return make.gguf([make.ARCHITECTURE], tensors, data_bytes=12_800_000)


def as_much_text_as_may_be() -> bytes:
    wide = "\U0001f426" + "x" * (2**24 - 100)  # one wide character makes Python keep four bytes for each
    return make.gguf([make.string("k", wide)])


def text_over_text() -> bytes:
    return make.gguf([make.string(f"k{number}", "\U0001f426" + "x" * 2**20) for number in range(64)])


def a_huge_array_of_numbers() -> bytes:
    return make.gguf([make.numbers("k", 0, "B", [], 2**33)])


@pytest.mark.accept(16)
@pytest.mark.parametrize(
    "content",
    [
        the_most_strings_in_a_sparse_file,
        strings_that_step_over_the_whole_cap,
        as_many_pairs_as_may_be,
        as_many_tensors_as_may_be,
        as_much_text_as_may_be,
        text_over_text,
        a_huge_array_of_numbers,
    ],
)
def test_the_worst_a_header_may_hold_is_read_fast_and_in_little_memory(tmp_path: Path, content: object) -> None:
    assert callable(content)
    written: bytes = content()
    path = sparse(tmp_path / "worst.gguf", written, max(len(written), 2**34))
    in_its_own_process(READ_ONE, path)


@pytest.mark.parametrize(("key_bytes", "cap"), [(2**27, "header is larger than 134 MB"), (2**33, "134 MB")])
def test_a_huge_header_is_refused_without_reading_it(tmp_path: Path, key_bytes: int, cap: str) -> None:
    path = sparse(tmp_path / "huge.gguf", make.gguf([make.numbers("k", 0, "B", [], key_bytes)]), 2**34)
    started = time.process_time()
    with pytest.raises(BadGguf, match=cap):
        read_header(path)
    assert time.process_time() - started < 0.5
