"""What a quantization will weigh, held against llama-quantize's own --dry-run for models from 0.5 to 70 billion."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from models.gguf import GgufHeader, read_header
from models.llamacpp import EngineBuild, binary
from models.quantize.check import refusal
from models.quantize.mixture import Kept, tensor_types
from models.quantize.sizes import estimated_bytes, quant_types
from models.quantize.types import QUANTS, find_quant
from tests.models.quantize.headers import SHAPES, write_sparse_model

TENSOR = re.compile(r"^\[\s*\d+/\s*\d+\]\s+(\S+)\s+- \[.*?\], type = +(\S+), .*?size = .*?(?:\((\S+)\))?$", re.M)


def dry_run(build: EngineBuild, model: Path, quant: str, *options: str) -> dict[str, str]:
    """The type llama-quantize would give each tensor."""
    argv = [binary(build, "llama-quantize"), *options, "--dry-run", model, quant]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stderr
    return {name: (new or old).upper() for name, old, new in TENSOR.findall(said)}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_tensor_gets_the_type_the_tool_gives_it(shape: str, build: EngineBuild, tmp_path: Path) -> None:
    model = write_sparse_model(tmp_path / "sparse.gguf", SHAPES[shape])
    header = read_header(model)

    wrong = {quant.name: tensor_types(header, quant) == dry_run(build, model, quant.name) for quant in QUANTS}

    assert wrong == dict.fromkeys((quant.name for quant in QUANTS), True)


@pytest.mark.parametrize("shape", ["8B", "0.5B"])
def test_tensors_are_kept_as_asked(shape: str, build: EngineBuild, tmp_path: Path) -> None:
    model = write_sparse_model(tmp_path / "sparse.gguf", SHAPES[shape])
    options = ("--output-tensor-type", "Q8_0", "--token-embedding-type", "F16")

    expected = dry_run(build, model, "Q4_K_M", *options)

    assert tensor_types(read_header(model), find_quant("Q4_K_M"), Kept("Q8_0", "F16")) == expected
    assert expected["token_embd.weight"] == "F16"


def test_the_choices_of_a_model_are_sorted_and_sensible(tmp_path: Path) -> None:
    header = read_header(write_sparse_model(tmp_path / "sparse.gguf", SHAPES["8B"]))

    choices = quant_types(header)
    by_name = {choice.name: choice for choice in choices}

    assert [choice.estimated_bytes for choice in choices] == sorted((c.estimated_bytes for c in choices), reverse=True)
    assert {"F16", "F32", "BF16", "MXFP4_MOE"}.isdisjoint(by_name)
    assert by_name["Q4_K_M"].bits_per_weight == pytest.approx(4.9, abs=0.1)  # llama.cpp's README says 4.89
    assert by_name["Q8_0"].bits_per_weight == pytest.approx(8.5, abs=0.01)
    assert by_name["IQ2_XS"].needs_imatrix
    assert not by_name["Q2_K"].needs_imatrix
    assert all(choice.about.endswith(".") for choice in choices)


def test_experts_can_be_made_into_mxfp4(tmp_path: Path) -> None:
    header = read_header(write_sparse_model(tmp_path / "sparse.gguf", SHAPES["8 experts"]))

    assert "MXFP4_MOE" in {choice.name for choice in quant_types(header)}


@pytest.mark.parametrize(
    ("type_name", "shape", "reason"),
    [("Q4_K", "8B", "quantized already"), ("Q8_0", "0.5B", "quantized already"), ("MXFP4", "8 experts", "MXFP4")],
)
def test_a_quantized_model_is_not_quantized_again(type_name: str, shape: str, reason: str, tmp_path: Path) -> None:
    header = read_header(write_sparse_model(tmp_path / "sparse.gguf", SHAPES[shape], type_name))

    assert reason in refusal(header)
    assert quant_types(header) == []


def test_a_full_model_is_not_refused(tmp_path: Path) -> None:
    def header_of(type_name: str) -> GgufHeader:
        return read_header(write_sparse_model(tmp_path / f"{type_name}.gguf", SHAPES["ungrouped"], type_name))

    assert [refusal(header_of(name)) for name in ("F32", "F16", "BF16")] == ["", "", ""]


def test_the_estimate_counts_what_is_around_the_weights(tmp_path: Path) -> None:
    path = write_sparse_model(tmp_path / "sparse.gguf", SHAPES["ungrouped"])

    assert estimated_bytes(read_header(path), find_quant("F16")) == path.stat().st_size
