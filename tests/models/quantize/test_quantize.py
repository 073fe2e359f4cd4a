"""The real llama-quantize: what it makes, what it is asked not to make, and what it leaves when it is stopped."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from pathlib import Path

import psutil
import pytest

from models.errors import BadGguf, Cancelled, DiskFull, QuantizeFailed
from models.gguf import read_header
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress
from models.quantize import names
from models.quantize.quantize import Quantized, quantize
from models.quantize.sizes import estimated_bytes
from models.quantize.temporaries import sweep_temporaries, temporary_of
from models.quantize.types import find_quant
from models.tiny_model import write_tiny_model
from tests.models.quantize.conftest import Told

pytestmark = pytest.mark.anyio

WITHOUT_IMATRIX = ["BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_0", "Q4_K_M", "IQ4_NL", "IQ4_XS", "Q3_K_M", "Q2_K"]


def content(folder: Path) -> dict[str, str]:
    """Everything in a folder with its sha256."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


async def test_several_types_in_one_job(source: Path, build: EngineBuild, told: Told) -> None:
    made = await quantize(
        source, WITHOUT_IMATRIX, source.parent, build=build, report=told, cancel=Cancel(), floor_bytes=0
    )

    assert [path.name for path in made] == [f"Tiny-Chat-{name}.gguf" for name in WITHOUT_IMATRIX]
    headers = [read_header(path) for path in made]
    assert [header.quant for header in headers] == WITHOUT_IMATRIX
    assert [header.name for header in headers] == ["Tiny Chat"] * len(made)
    for path, name in zip(made, WITHOUT_IMATRIX, strict=True):
        estimate = estimated_bytes(read_header(source), find_quant(name))
        assert estimate == pytest.approx(path.stat().st_size, rel=0.03), name
        assert path.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in source.parent.iterdir()} == {source.name, *(path.name for path in made)}


async def test_one_progress_counts_all_tensors_of_all_targets(source: Path, build: EngineBuild, told: Told) -> None:
    await quantize(source, ["Q8_0", "Q4_K_M"], source.parent, build=build, report=told, cancel=Cancel(), floor_bytes=0)

    weights = read_header(source).weights_bytes
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert {(progress.total, progress.unit) for progress in told} == {(2 * weights, "bytes")}
    assert told[-1].done == 2 * weights
    assert sum(message.startswith("Q4_K_M: tensor ") for message in told.messages) == 28
    assert "Q8_0: tensor 18 of 28" in told.messages


async def test_a_finished_file_is_handed_over_at_once(source: Path, build: EngineBuild, told: Told) -> None:
    seen: list[tuple[str, int]] = []

    async def finished(one: Quantized) -> None:
        seen.append((one.quant, len(list(source.parent.glob("*.gguf")))))
        assert one.bytes == one.path.stat().st_size
        assert one.peak_bytes > 0

    await quantize(
        source,
        ["Q8_0", "Q6_K"],
        source.parent,
        build=build,
        report=told,
        cancel=Cancel(),
        finished=finished,
        floor_bytes=0,
    )

    assert seen == [("Q8_0", 2), ("Q6_K", 3)]


async def test_the_name_of_the_model_loses_the_old_quantization(tmp_path: Path, build: EngineBuild, told: Told) -> None:
    source = write_tiny_model(tmp_path / "Some.Model.fp16.gguf", name="Some Model F16", dtype="F16")

    (made,) = await quantize(
        source, ["q4_k"], tmp_path, build=build, report=told, cancel=Cancel(), keep_output="q8_0", floor_bytes=0
    )

    header = read_header(made)
    assert (made.name, header.name) == ("Some.Model-Q4_K_M.gguf", "Some Model")
    assert {t.name: t.type for t in header.tensors}["output.weight"] == "Q8_0"


@pytest.mark.parametrize(
    ("targets", "options", "says"),
    [
        (["Q4_K_M", "Q9_X"], {}, "'Q9_X' is no quantization"),
        ([], {}, "No quantization was chosen"),
        (["Q4_K_M", "q4_k"], {}, "chosen twice"),
        (["Q8_0", "IQ2_XS", "IQ1_S"], {}, "IQ2_XS and IQ1_S cannot be made without an importance matrix"),
        (["Q8_0"], {"keep_output": "Q17"}, "cannot be kept as 'Q17'"),
        (["Q8_0"], {"imatrix": "source"}, "is no importance matrix"),
        (["Q8_0"], {"imatrix": "absent"}, "The importance matrix cannot be used"),
    ],
)
async def test_what_cannot_be_made_is_said_before_anything_starts(
    targets: list[str], options: dict[str, object], says: str, source: Path, build: EngineBuild, told: Told
) -> None:
    if "imatrix" in options:
        options = {"imatrix": source if options["imatrix"] == "source" else source.with_name("absent.gguf")}
    with pytest.raises(QuantizeFailed, match=says) as failed:
        await quantize(source, targets, source.parent, build=build, report=told, cancel=Cancel(), **options)  # type: ignore[arg-type]

    assert failed.value.hint
    assert not told
    assert [path.name for path in source.parent.iterdir()] == [source.name]


async def test_a_quantized_source_is_refused(source: Path, build: EngineBuild, told: Told) -> None:
    (made,) = await quantize(
        source, ["Q5_K_M"], source.parent, build=build, report=told, cancel=Cancel(), floor_bytes=0
    )

    with pytest.raises(QuantizeFailed, match=r"Tiny-Chat-Q5_K_M.gguf cannot be quantized: it is quantized already"):
        await quantize(made, ["Q4_K_M"], source.parent, build=build, report=told, cancel=Cancel())


async def test_an_existing_file_is_never_replaced(source: Path, build: EngineBuild, told: Told) -> None:
    precious = source.parent / "Tiny-Chat-Q8_0.gguf"
    precious.write_bytes(b"somebody else's")

    for resume in (False, True):
        with pytest.raises(QuantizeFailed, match=r"Tiny-Chat-Q8_0\.gguf is in .* already"):
            await quantize(
                source, ["Q6_K", "Q8_0"], source.parent, build=build, report=told, cancel=Cancel(), resume=resume
            )

    assert precious.read_bytes() == b"somebody else's"
    assert len(list(source.parent.iterdir())) == 2


async def test_a_resumed_job_takes_what_is_whole(source: Path, build: EngineBuild, told: Told) -> None:
    (done,) = await quantize(source, ["Q8_0"], source.parent, build=build, report=told, cancel=Cancel(), floor_bytes=0)
    written = done.stat().st_mtime_ns
    told.clear()

    made = await quantize(
        source, ["Q8_0", "Q6_K"], source.parent, build=build, report=told, cancel=Cancel(), resume=True, floor_bytes=0
    )

    assert [path.name for path in made] == ["Tiny-Chat-Q8_0.gguf", "Tiny-Chat-Q6_K.gguf"]
    assert done.stat().st_mtime_ns == written
    assert told[0].fraction == 0.5
    assert not any(message.startswith("Q8_0") for message in told.messages)


async def test_room_is_asked_for_before(source: Path, build: EngineBuild, told: Told) -> None:
    free = shutil.disk_usage(source.parent).free
    floor = free - 100_000

    with pytest.raises(DiskFull, match=r"needs .* MB in .* to stay free; .* are free") as full:
        await quantize(source, ["Q8_0"], source.parent, build=build, report=told, cancel=Cancel(), floor_bytes=floor)

    assert full.value.needed_bytes == estimated_bytes(read_header(source), find_quant("Q8_0"))
    assert not told


async def test_a_broken_source_is_refused(tmp_path: Path, build: EngineBuild, told: Told) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\3\0\0\0")

    with pytest.raises(BadGguf):
        await quantize(broken, ["Q8_0"], tmp_path, build=build, report=told, cancel=Cancel())


async def test_a_failing_tool_leaves_nothing_and_says_why(tmp_path: Path, build: EngineBuild, told: Told) -> None:
    """Its header is fine for us; llama.cpp does not know such an architecture."""
    source = write_tiny_model(tmp_path / "odd.gguf")
    source.write_bytes(source.read_bytes().replace(b"qwen2", b"qwenX"))

    with pytest.raises(QuantizeFailed, match="could not be quantized to Q8_0: llama-quantize exited") as failed:
        await quantize(source, ["Q8_0"], tmp_path, build=build, report=told, cancel=Cancel(), floor_bytes=0)

    assert "qwenX" in failed.value.log_tail
    assert [path.name for path in tmp_path.iterdir()] == ["odd.gguf"]


async def test_a_cancel_leaves_nothing_within_two_seconds(slow_source: Path, build: EngineBuild) -> None:
    """Also of the target that was finished before: the caller asked for none of them one by one."""
    before, cancel = content(slow_source.parent), Cancel()

    def report(progress: Progress) -> None:
        if progress.message.startswith("Q4_K_M: tensor"):
            cancel.set()
            moments.append(time.monotonic())

    moments: list[float] = []
    with pytest.raises(Cancelled):
        await quantize(
            slow_source,
            ["Q8_0", "Q4_K_M"],
            slow_source.parent,
            build=build,
            report=report,
            cancel=cancel,
            floor_bytes=0,
        )

    assert time.monotonic() - moments[0] < 2
    assert content(slow_source.parent) == before
    assert not psutil.Process().children(recursive=True)


async def test_a_cancelled_task_ends_its_child(slow_source: Path, build: EngineBuild, told: Told) -> None:
    task = asyncio.create_task(
        quantize(slow_source, ["Q4_K_M"], slow_source.parent, build=build, report=told, cancel=Cancel(), floor_bytes=0)
    )
    while not told:
        await asyncio.sleep(0.01)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [path.name for path in slow_source.parent.iterdir()] == [slow_source.name]
    assert not psutil.Process().children(recursive=True)


@pytest.fixture(scope="module")
def slow_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough weights for a cancel to come in the middle: 20 million."""
    from models.tiny_model import TinyShape

    shape = TinyShape(layers=24, embedding=512, heads=8, kv_heads=2, feed_forward=768, context=512)
    return write_tiny_model(tmp_path_factory.mktemp("slow") / "slow-F32.gguf", shape=shape, dtype="F32")


def test_the_sweep_takes_our_temporaries_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "org" / "repo"
    folder.mkdir(parents=True)
    ours = [temporary_of(folder / "a-Q4_K_M.gguf"), temporary_of(folder / "b.gguf")]
    ours[0].write_bytes(b"half")
    ours[1].mkdir()
    (ours[1] / "b-00001-of-00002.gguf").write_bytes(b"half")
    others = [folder / "model.gguf", folder / ".hidden", folder / "file.part", folder / "x.quantize.part"]
    for other in others:
        other.write_bytes(b"x")

    assert sweep_temporaries(tmp_path) == sorted(ours)

    assert sorted(folder.iterdir()) == sorted(others)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Model-F16", "Model-Q4_K_M.gguf"),
        ("Model.BF16", "Model-Q4_K_M.gguf"),
        ("model_fp16", "model-Q4_K_M.gguf"),
        ("Model-1.5B-Instruct-Q8_0", "Model-1.5B-Instruct-Q4_K_M.gguf"),
        ("Model", "Model-Q4_K_M.gguf"),
        ("F16", "F16-Q4_K_M.gguf"),
        ("Model-XF16", "Model-XF16-Q4_K_M.gguf"),
    ],
)
def test_an_old_quantization_in_the_name_is_not_doubled(stem: str, name: str) -> None:
    assert names.target_name(stem, "Q4_K_M") == name
