"""The importance matrix, and splitting and merging, by the real tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import BadGguf, Cancelled, DiskFull, QuantizeFailed
from models.gguf import read_header
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress
from models.quantize.imatrix import imatrix, matrix_bytes, neutral_text
from models.quantize.quantize import quantize
from models.quantize.split import merge, split
from models.split_gguf import read_model
from tests.models.quantize.conftest import Told

pytestmark = pytest.mark.anyio


def weights(*paths: Path) -> dict[str, bytes]:
    """The bytes of every tensor of a model."""
    found = {}
    for path in paths:
        header = read_header(path)
        data = np.memmap(path, dtype=np.uint8, mode="r")
        for tensor in header.tensors:
            start = header.data_offset + tensor.offset
            found[tensor.name] = data[start : start + tensor.bytes].tobytes()
    return found


async def test_a_matrix_of_the_neutral_text_makes_two_bits_possible(
    source: Path, build: EngineBuild, told: Told
) -> None:
    out = source.parent / "Tiny-Chat.imatrix.gguf"

    made = await imatrix(source, out, build=build, report=told, cancel=Cancel(), max_chunks=6, floor_bytes=0)
    counted = [progress.done for progress in told]
    (two_bits,) = await quantize(
        source, ["Q2_K_S"], source.parent, build=build, report=told, cancel=Cancel(), imatrix=made, floor_bytes=0
    )

    assert counted == [0, 1, 2, 3, 4, 5, 6]
    assert told.messages[3] == "Importance matrix: chunk 3 of 6"
    header = read_header(out)
    assert header.file_kind == "imatrix"
    assert header.metadata["imatrix.chunk_count"] == 6
    assert matrix_bytes(read_header(source)) == pytest.approx(out.stat().st_size, rel=0.5)
    # What it was made with is told without the folders of this machine.
    facts = read_header(two_bits).metadata
    assert facts["quantize.imatrix.file"] == "Tiny-Chat.imatrix.gguf"
    assert facts["quantize.imatrix.dataset"] == "neutral_text.txt"
    assert read_header(two_bits).quant == "Q2_K_S"


def test_the_neutral_text_is_varied() -> None:
    text = neutral_text().read_text(encoding="utf-8")

    assert 35_000 < len(text.encode()) < 60_000
    for sample in ("def ", "SELECT", "fn ", "Die ", "il ", "Le ", "村子", "駅前", "Мастерская", "Proof.", "Dear ", "−"):
        assert sample in text, sample
    assert text.count("\n---\n") > 25
    assert max(len(line) for line in text.splitlines()) < 1_200


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"too short", r"of 2\.0 kB to 268 MB is needed"),
        (b"\0binary" * 1000, "is no text"),
        (b"a" * 2048 + b"\n", None),
    ],
)
async def test_a_text_that_is_none_is_refused(
    content: bytes, says: str | None, source: Path, tmp_path: Path, build: EngineBuild, told: Told
) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(content)
    out = source.parent / "out.gguf"

    if says is None:
        await imatrix(source, out, build=build, report=told, cancel=Cancel(), text=text, floor_bytes=0)
        return
    with pytest.raises(QuantizeFailed, match=says):
        await imatrix(source, out, build=build, report=told, cancel=Cancel(), text=text, floor_bytes=0)
    assert [path.name for path in source.parent.iterdir()] == [source.name]


async def test_a_cancelled_matrix_leaves_nothing(source: Path, build: EngineBuild) -> None:
    cancel = Cancel()

    def report(progress: Progress) -> None:
        if progress.done == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        await imatrix(source, source.parent / "out.gguf", build=build, report=report, cancel=cancel, floor_bytes=0)

    assert [path.name for path in source.parent.iterdir()] == [source.name]


async def test_a_model_is_split_and_merged_without_a_changed_weight(
    source: Path, build: EngineBuild, told: Told
) -> None:
    parts = await split(source, source.parent, 1_000_000, build=build, report=told, cancel=Cancel(), floor_bytes=0)
    merged_folder = source.parent / "merged"
    merged_folder.mkdir()
    whole = await merge(parts[1], merged_folder, build=build, report=told, cancel=Cancel(), floor_bytes=0)

    assert [path.name for path in parts] == [f"Tiny-Chat-F16-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    assert all(path.stat().st_size < 1_100_000 for path in parts)
    assert read_model(parts[2]).parameter_count == read_header(source).parameter_count
    assert weights(*parts) == weights(source) == weights(whole)
    assert whole.name == "Tiny-Chat-F16.gguf"
    assert {path.name for path in source.parent.iterdir()} == {source.name, "merged", *(part.name for part in parts)}
    assert told[-1].fraction == 1.0


async def test_a_split_model_is_quantized_whole(source: Path, build: EngineBuild, told: Told) -> None:
    parts = await split(source, source.parent, 1_000_000, build=build, report=told, cancel=Cancel(), floor_bytes=0)

    (made,) = await quantize(
        parts[1], ["Q8_0"], source.parent, build=build, report=told, cancel=Cancel(), floor_bytes=0
    )

    assert made.name == "Tiny-Chat-Q8_0.gguf"
    assert read_header(made).split_count == 1
    assert len(read_header(made).tensors) == 28


async def test_what_cannot_be_split_or_merged_is_said(source: Path, build: EngineBuild, told: Told) -> None:
    async def splitting(path: Path, size: int) -> None:
        await split(path, source.parent, size, build=build, report=told, cancel=Cancel(), floor_bytes=0)

    with pytest.raises(QuantizeFailed, match="cannot be split into parts of 100 MB"):
        await splitting(source, 100_000_000)
    with pytest.raises(QuantizeFailed, match="cannot be split into parts of 10 B"):
        await splitting(source, 10)
    with pytest.raises(QuantizeFailed, match="is whole already"):
        await merge(source, source.parent, build=build, report=told, cancel=Cancel())
    with pytest.raises(DiskFull):
        await split(source, source.parent, 1_000_000, build=build, report=told, cancel=Cancel(), floor_bytes=1 << 60)
    parts = await split(source, source.parent, 1_000_000, build=build, report=told, cancel=Cancel(), floor_bytes=0)
    with pytest.raises(QuantizeFailed, match="is split already"):
        await splitting(parts[0], 1_000_000)
    with pytest.raises(QuantizeFailed, match=r"-of-00003.gguf is in .* already"):
        await splitting(source, 1_000_000)
    with pytest.raises(QuantizeFailed, match=r"Tiny-Chat-F16.gguf is in .* already"):
        await merge(parts[0], source.parent, build=build, report=told, cancel=Cancel())
    parts[1].unlink()
    with pytest.raises(BadGguf, match="is missing"):
        await merge(parts[0], source.parent, build=build, report=told, cancel=Cancel())


async def test_a_cancelled_split_leaves_nothing(source: Path, build: EngineBuild) -> None:
    cancel = Cancel()

    with pytest.raises(Cancelled):
        await split(
            source,
            source.parent,
            1_000_000,
            build=build,
            report=lambda progress: cancel.set(),
            cancel=cancel,
            floor_bytes=0,
        )

    assert [path.name for path in source.parent.iterdir()] == [source.name]
