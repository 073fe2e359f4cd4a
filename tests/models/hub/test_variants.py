"""Files of a repository become variants: what is one model, what it is called, and which one is recommended."""

from __future__ import annotations

import pytest

from models.hub.convertible import convert_files, convert_problem
from models.hub.quants import find_quant
from models.hub.types import HubFile
from models.hub.variants import find_variant, recommend, sort_files

GB = 10**9


def files(*paths: str, size: int = GB) -> list[HubFile]:
    return [HubFile(path, size, "a" * 64) for path in paths]


@pytest.mark.parametrize(
    ("name", "label", "kind"),
    [
        ("Qwen3-0.6B-Q8_0", "Q8_0", "Q8_0"),
        ("Llama-3.2-3B-Instruct-Q4_K_M", "Q4_K_M", "Q4_K_M"),
        ("llama-2-7b.q4_K_M", "Q4_K_M", "Q4_K_M"),
        ("model-IQ4_XS", "IQ4_XS", "IQ4_XS"),
        ("model.IQ2_XXS", "IQ2_XXS", "IQ2_XXS"),
        ("Qwen3-30B-A3B-UD-Q4_K_XL", "UD-Q4_K_XL", "Q4_K_M"),
        ("model-UD-IQ1_S", "UD-IQ1_S", "IQ1_S"),
        ("model-UD-Q8_K_XL", "UD-Q8_K_XL", "Q8_0"),
        ("model-Q6_K_L", "Q6_K_L", "Q6_K"),
        ("model-Q3_K_XL", "Q3_K_XL", "Q3_K_M"),
        ("gpt-oss-20b-mxfp4", "MXFP4", "MXFP4"),
        ("gpt-oss-20b-MXFP4_MOE", "MXFP4", "MXFP4"),
        ("model_Q4_0", "Q4_0", "Q4_0"),
        ("model-Q4_K", "Q4_K_M", "Q4_K_M"),
        ("model-BF16", "BF16", "BF16"),
        ("model.fp16", "F16", "F16"),
        ("model-f32", "F32", "F32"),
        ("F16-model-Q5_K_S", "Q5_K_S", "Q5_K_S"),
        ("bitnet-TQ1_0", "TQ1_0", "TQ1_0"),
        ("model-Q4_K_M-imat", "Q4_K_M", "Q4_K_M"),
        ("Phi-4", "", ""),
        ("Q4000", "", ""),
        ("modelQ4_K_M", "", ""),
        ("IQ9_XS", "", ""),
    ],
)
def test_a_quantization_is_recognized_by_name(name: str, label: str, kind: str) -> None:
    found = find_quant(name)

    assert (found.label, found.type) == (label, kind)
    assert found.about.endswith(".")


def test_parts_of_a_split_model_are_one_variant_in_their_order() -> None:
    parts = [f"BF16/M-BF16-0000{number}-of-00003.gguf" for number in (3, 1, 2)]

    (variant,) = sort_files(files(*parts)).variants

    assert (variant.name, variant.quant, variant.bytes) == ("BF16", "BF16", 3 * GB)
    assert [file.path for file in variant.files] == sorted(parts)


def test_a_split_model_without_all_its_parts_is_none() -> None:
    parts = ["M-Q8_0-00001-of-00003.gguf", "M-Q8_0-00003-of-00003.gguf"]

    found = sort_files(files(*parts, "M-Q4_K_M.gguf"))

    assert [variant.name for variant in found.variants] == ["Q4_K_M"]
    assert [file.path for file in found.others] == parts


def test_a_folder_names_the_quantization_where_the_file_does_not() -> None:
    found = sort_files(
        files("Q6_K/model.gguf", "UD-Q2_K_XL/model-00001-of-00002.gguf", "UD-Q2_K_XL/model-00002-of-00002.gguf")
    )

    assert {variant.name for variant in found.variants} == {"Q6_K", "UD-Q2_K_XL"}


def test_the_picture_part_goes_with_every_variant_in_16_bits() -> None:
    found = sort_files(
        files("M-Q4_K_M.gguf", "M-Q8_0.gguf", "mmproj-M-Q8_0.gguf", "mmproj-M-F16.gguf", "mmproj-M-F32.gguf")
    )

    assert {variant.projector and variant.projector.path for variant in found.variants} == {"mmproj-M-F16.gguf"}
    assert found.variants[0].bytes == 2 * GB
    assert [file.path for file in found.variants[0].all_files][-1] == "mmproj-M-F16.gguf"
    assert [file.path for file in found.others] == ["mmproj-M-F32.gguf", "mmproj-M-Q8_0.gguf"]


def test_what_is_no_model_is_not_offered_as_one() -> None:
    names = ("imatrix.gguf", "M-imatrix.gguf", "style-lora-f16.gguf", "ggml-vocab-llama.gguf", "config.json")

    found = sort_files(files("M-Q4_K_M.gguf", *names))

    assert [variant.name for variant in found.variants] == ["Q4_K_M"]
    assert {file.path for file in found.others} == set(names)


def test_names_are_told_apart_where_several_share_a_quantization() -> None:
    found = sort_files(files("gemma-2b.Q4_K_M.gguf", "gemma-7b.Q4_K_M.gguf", "gemma-2b.Q8_0.gguf", "plain.gguf"))

    assert {variant.name for variant in found.variants} == {"Q4_K_M-gemma-2b", "Q4_K_M-gemma-7b", "Q8_0", "plain"}


@pytest.mark.parametrize(
    ("quants", "params", "memory", "best"),
    [
        (("Q2_K", "Q4_K_M", "Q8_0", "F16"), 8 * GB, None, "Q4_K_M"),
        (("Q2_K", "Q4_K_M", "Q8_0", "F16"), GB // 2, None, "Q8_0"),
        (("F16", "MXFP4"), 20 * GB, None, "MXFP4"),
        (("Q6_K", "Q8_0", "BF16"), 8 * GB, None, "Q6_K"),
        (("UD-Q4_K_XL", "Q8_0"), 8 * GB, None, "UD-Q4_K_XL"),
        (("UD-Q4_K_XL", "Q4_K_M"), 8 * GB, None, "Q4_K_M"),
        (("Q2_K", "Q4_K_M", "Q8_0"), 8 * GB, 3 * GB, "Q2_K"),
        (("Q2_K", "Q4_K_M", "Q8_0"), 8 * GB, GB, "Q2_K"),
    ],
)
def test_the_recommended_one(quants: tuple[str, ...], params: int, memory: int | None, best: str) -> None:
    sizes = {"Q2_K": 2, "Q4_K_M": 4, "UD-Q4_K_XL": 4, "MXFP4": 4, "Q6_K": 6, "Q8_0": 8, "F16": 16, "BF16": 16}
    found = sort_files([HubFile(f"M-{quant}.gguf", sizes[quant] * GB) for quant in quants]).variants

    marked = [one.name for one in recommend(found, params=params, memory_bytes=memory) if one.recommended]

    assert marked == [best]


def test_what_somebody_types_finds_a_variant() -> None:
    found = sort_files(files("M-Q4_K_M.gguf", "M-UD-Q4_K_XL.gguf", "M-Q8_0.gguf")).variants

    assert find_variant(found, "q8_0") is find_variant(found, "Q8_0") is not None
    assert (named := find_variant(found, "ud-q4_k_xl")) and named.name == "UD-Q4_K_XL"
    assert (chosen := find_variant(found, "")) and chosen.recommended
    assert find_variant(found, "Q3_K_M") is None


@pytest.mark.accept(19)
@pytest.mark.parametrize(
    ("names", "tags", "config", "says"),
    [
        (["model.safetensors", "config.json"], [], {}, ""),
        (["model.safetensors", "config.json", "tokenizer.py"], [], {}, "code of its own (tokenizer.py)"),
        (["model.safetensors", "config.json"], ["custom_code"], {}, "code of its own"),
        (["model.safetensors", "config.json"], [], {"auto_map": {}}, "code of its own"),
        (["pytorch_model.bin", "config.json"], [], {}, "pickled"),
        (["model.ckpt"], [], {}, "pickled"),
        (["model.onnx"], [], {}, "no safetensors"),
        (["model.safetensors"], [], {}, "no config.json"),
        (["model.safetensors", "config.json"], [], {"quantization_config": {"quant_method": "gptq"}}, "already (gptq)"),
        (["a.safetensors", "config.json", "adapter_config.json"], [], {}, "adapter"),
    ],
)
def test_what_cannot_be_converted_says_why_before_it_is_fetched(
    names: list[str], tags: list[str], config: dict[str, object], says: str
) -> None:
    problem = convert_problem(names, tags, config)

    assert says in problem and bool(problem) is bool(says)


def test_a_conversion_fetches_what_it_needs_and_no_second_copy() -> None:
    wanted = {"model-00001-of-00002.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.model"}
    wanted |= {"tokenizer.json", "chat_template.jinja", "merges.txt", "1_Pooling/config.json"}
    others = {"consolidated.safetensors", "original/model.safetensors", "onnx/config.json", "M-Q8_0.gguf"}

    assert {file.path for file in convert_files(files(*wanted, *others))} == wanted
