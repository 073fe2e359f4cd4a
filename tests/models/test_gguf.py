"""The preflight: right headers are read as gguf-py reads them, wrong ones are refused with the reason."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import gguf
import pytest

from models import gguf_format as form
from models.errors import BadGguf
from models.gguf import ArrayInfo, GgufHeader, read_header
from tests.conftest import Make
from tests.models import gguf_bytes as make

A = make.ARCHITECTURE


def header_of(folder: Path, content: bytes) -> GgufHeader:
    path = folder / "a.gguf"
    path.write_bytes(content)
    return read_header(path)


@pytest.mark.parametrize("arguments", [{}, {"kind": "embedding"}, {"kind": "rerank"}, {"fim": True}, {"dtype": "Q8_0"}])
def test_agrees_with_gguf_pys_reader_on_whole_files(tiny_models: Make, arguments: dict[str, object]) -> None:
    path = tiny_models("agree-" + "-".join(str(value) for value in arguments.values()), **arguments)
    ours, theirs = read_header(path), gguf.GGUFReader(path)

    assert ours.data_offset == theirs.data_offset
    assert ours.alignment == theirs.alignment
    fields = {name: field for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    assert set(ours.metadata) == set(fields)
    for name, value in ours.metadata.items():
        contents = fields[name].contents()
        if not isinstance(value, ArrayInfo):
            assert value == contents
        else:
            assert value.count == len(contents)
            assert value.values is None or list(value.values) == contents
    assert [(t.name, t.shape, t.type, t.bytes, ours.data_offset + t.offset) for t in ours.tensors] == [
        (t.name, tuple(int(n) for n in t.shape), t.tensor_type.name, t.n_bytes, t.data_offset) for t in theirs.tensors
    ]


def test_the_tables_are_gguf_pys() -> None:
    known = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: entry for kind, entry in form.TENSOR_TYPES.items() if kind in known} == known
    file_types = {
        int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
        for kind in gguf.LlamaFileType
        if kind != gguf.LlamaFileType.GUESSED
    }
    assert {kind: name for kind, name in form.FILE_TYPES.items() if kind in file_types} == file_types


def test_what_a_tiny_model_says_about_itself(tiny_chat_gguf: Path) -> None:
    header = read_header(tiny_chat_gguf)

    assert (header.architecture, header.name, header.licence, header.quant) == ("qwen2", "Tiny Chat", "cc0-1.0", "F16")
    assert (header.context_length, header.block_count, header.embedding_length) == (4096, 2, 256)
    assert (header.head_count, header.head_count_kv, header.key_length, header.value_length) == (4, 2, 64, 64)
    assert (header.feed_forward_length, header.vocab_size, header.expert_count) == (512, 259, 0)
    assert (header.sliding_window, header.pooling_type, header.kind, header.supports_infill) == (0, None, "chat", False)
    assert header.chat_template is not None and "<|im_start|>" in header.chat_template
    assert header.file_bytes == tiny_chat_gguf.stat().st_size
    assert header.weights_bytes < header.file_bytes < header.weights_bytes + 20_000
    assert 1_000_000 < header.parameter_count < 2_000_000


def test_kinds_and_infill_are_told_apart(
    tiny_embedding_gguf: Path, tiny_rerank_gguf: Path, tiny_fim_gguf: Path
) -> None:
    assert read_header(tiny_embedding_gguf).kind == "embedding"
    assert read_header(tiny_rerank_gguf).kind == "rerank"
    infill = read_header(tiny_fim_gguf)
    assert (infill.kind, infill.supports_infill) == ("chat", True)


def test_sizes_that_differ_per_layer_are_kept(tmp_path: Path) -> None:
    pairs = [
        A,
        make.numbers("llama.attention.head_count_kv", 5, "i", [8, 0, 8]),
        make.numbers("llama.feed_forward_length", 5, "i", [100, 300]),
        make.u32("llama.attention.head_count", 16),
        make.u32("llama.embedding_length", 1024),
    ]
    header = header_of(tmp_path, make.gguf(pairs))
    assert header.head_count_kv == (8, 0, 8)
    assert (header.feed_forward_length, header.key_length) == (300, 64)


@pytest.mark.parametrize(
    "pairs",
    [
        [A, make.string("llama.context_length", "many")],
        [A, make.pair("llama.context_length", make.U64, struct.pack("<Q", 2**64 - 1))],
        [A, make.pair("llama.context_length", 5, struct.pack("<i", -1))],
        [A, make.pair("llama.context_length", 6, struct.pack("<f", float("nan")))],
        [],
    ],
)
def test_absurd_or_missing_sizes_count_as_not_stated(tmp_path: Path, pairs: list[bytes]) -> None:
    header = header_of(tmp_path, make.gguf(pairs))
    assert header.context_length == 0
    assert (header.head_count, header.head_count_kv, header.key_length, header.vocab_size) == (0, 0, 0, 0)


def test_names_lose_what_cannot_be_shown_and_bad_utf_8_is_marked(tmp_path: Path) -> None:
    pairs = [A, make.string("general.name", "a\x1b[31m\u202eb\n" + "x" * 500), make.string("general.license", b"\xff")]
    header = header_of(tmp_path, make.gguf(pairs))
    assert header.name.startswith("a[31mbxxx") and len(header.name) <= 200
    assert header.licence == "\N{REPLACEMENT CHARACTER}"


def test_without_a_known_file_type_the_quant_is_what_most_bytes_are(tmp_path: Path) -> None:
    tensors = [make.tensor("a", [32], 0), make.tensor("b", [256, 4], 12, 128)]
    content = make.gguf([A, make.u32("general.file_type", 9999)], tensors, data_bytes=128 + 576)
    assert header_of(tmp_path, content).quant == "Q4_K"


def test_a_big_vocabulary_is_counted_and_infill_found_across_window_borders(tmp_path: Path) -> None:
    tokens = [f"token {number}" for number in range(300_000)]
    for place in (1, 150_000, 299_999):
        with_infill = [*tokens[:place], "<|fim_prefix|>", *tokens[place:]]
        header = header_of(tmp_path, make.gguf([A, make.strings("tokenizer.ggml.tokens", with_infill)]))
        assert (header.vocab_size, header.supports_infill) == (300_001, True)
    assert not header_of(tmp_path, make.gguf([A, make.strings("tokenizer.ggml.tokens", tokens)])).supports_infill
    assert not header_of(tmp_path, make.gguf([A, make.strings("general.tags", ["<|fim_prefix|>"])])).supports_infill


ONE = make.tensor("t", [32])
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "three bytes": (b"GGU", "not a GGUF file"),
    "only the magic": (b"GGUF", "truncated"),
    "text": (b"hello world, this is no model", "not a GGUF file"),
    "zip": (b"PK\x03\x04" + b"\0" * 100, "not a GGUF file"),
    "version 1": (make.gguf(version=1), "version is 1"),
    "version 4": (make.gguf(version=4), "version is 4"),
    "big-endian": (make.gguf(version=0x03000000), "big-endian"),
    "too many tensors": (make.gguf(tensor_count=100_001), "claims 100001 tensors"),
    "all tensors": (make.gguf(tensor_count=2**64 - 1), "at most 100000"),
    "too many pairs": (make.gguf(pair_count=100_001), "claims 100001 metadata pairs"),
    "pairs that are not there": (make.gguf([A], pair_count=100_000), "is empty"),
    "key length": (make.gguf([struct.pack("<Q", 2**63) + b"x"]), "metadata key claims"),
    "empty key": (make.gguf([make.u32("", 1)]), "empty"),
    "key twice": (make.gguf([A, A]), "there twice"),
    "string length": (make.gguf([make.pair("k", make.STRING, struct.pack("<Q", 2**40))]), "claims 1099511627776 bytes"),
    "string one byte over": (make.gguf([make.pair("k", 8, struct.pack("<Q", 2**24 + 1))]), "claims 16777217 bytes"),
    "string past the end": (make.gguf([make.pair("k", make.STRING, struct.pack("<Q", 1000))]), "truncated"),
    "unknown type": (make.gguf([make.pair("k", 13, b"")]), "unknown type 13"),
    "array of unknown": (make.gguf([make.pair("k", 9, struct.pack("<IQ", 99, 1))]), "unknown type 99"),
    "array of arrays": (make.gguf([make.pair("k", 9, struct.pack("<IQ", 9, 1))]), "array of arrays"),
    "array length": (make.gguf([make.numbers("k", 4, "I", [], 2**63)]), "truncated"),
    "strings": (make.gguf([make.strings("k", [], 2**63)]), "more than 2000000 strings"),
    "strings past the end": (make.gguf([make.strings("k", ["a"], 1000)]), "truncated"),
    "string in array": (make.gguf([make.pair("k", 9, struct.pack("<IQQ", 8, 1, 2**50))]), "claims"),
    "alignment 0": (make.gguf([A, make.u32("general.alignment", 0)]), "alignment"),
    "alignment 48": (make.gguf([A, make.u32("general.alignment", 48)]), "alignment"),
    "alignment 128 KiB": (make.gguf([A, make.u32("general.alignment", 2**17)]), "alignment"),
    "alignment is text": (make.gguf([A, make.string("general.alignment", "32")]), "alignment"),
    "dimensions": (make.gguf([A], [make.tensor("t", [1] * 5)]), "5 dimensions"),
    "all dimensions": (make.gguf([A], [make.tensor("t", [], dimensions=2**32 - 1)]), "4294967295 dimensions"),
    "impossible length": (make.gguf([A], [make.tensor("t", [2**63])]), "impossible lengths"),
    "exabytes": (make.gguf([A], [make.tensor("t", [2**62, 2**62])], data_bytes=64), "truncated"),
    "tensor type": (make.gguf([A], [make.tensor("t", [32], 4)]), "type 4"),
    "no whole block": (make.gguf([A], [make.tensor("t", [33], 8)]), "no multiple of Q8_0's 32"),
    "tensor name": (make.gguf([A], [make.tensor("t" * 64, [32])]), "at most 63"),
    "tensor twice": (make.gguf([A], [ONE, make.tensor("t", [32], 0, 128)], data_bytes=256), "there twice"),
    "overlap": (make.gguf([A], [ONE, make.tensor("u", [32], 0, 64)], data_bytes=256), "starts at 64 instead of 128"),
    "gap": (make.gguf([A], [ONE, make.tensor("u", [32], 0, 256)], data_bytes=512), "starts at 256 instead of 128"),
    "offset": (make.gguf([A], [make.tensor("t", [32], 0, 2**64 - 32)], data_bytes=128), "starts at"),
    "no weights": (make.gguf([A], [ONE]), "truncated"),
    "one byte short": (make.gguf([A], [ONE], data_bytes=127), "truncated"),
}


@pytest.mark.accept(16)
@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_its_name_and_the_reason(tmp_path: Path, case: str) -> None:
    content, reason = BAD[case]
    with pytest.raises(BadGguf) as caught:
        header_of(tmp_path, content)
    assert reason in caught.value.message
    assert caught.value.message.startswith("a.gguf is refused: ")
    assert caught.value.message.endswith(".")


def test_the_limits_themselves_are_accepted(tmp_path: Path) -> None:
    pairs = [A, make.u32("general.alignment", 2**16), make.string("k", "x" * (2**20))]
    content = make.gguf(pairs, [make.tensor("t" * 63, [32, 1, 1, 1])], data_bytes=128, alignment=2**16)
    assert header_of(tmp_path, content).data_offset % 2**16 == 0


def test_names_from_the_file_cannot_forge_a_message(tmp_path: Path) -> None:
    evil = "x\n\x1b]0;owned\x07" + "y" * 1000
    with pytest.raises(BadGguf) as caught:
        header_of(tmp_path, make.gguf([make.pair(evil, 77, b"")]))
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_what_is_no_readable_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.gguf")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    for path in (tmp_path, tmp_path / "fifo.gguf", tmp_path / "loop.gguf", tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(BadGguf):
            read_header(path)
    with pytest.raises(BadGguf):
        read_header(tmp_path / "a\0b")
