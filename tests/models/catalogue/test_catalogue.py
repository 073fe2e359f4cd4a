"""The data that ships is whole and honest, and a mistake in it is found."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from models.catalogue import (
    BITS_PER_WEIGHT,
    Catalogue,
    CatalogueFault,
    by_task,
    for_desktops,
    load_catalogue,
    of_family,
    parse,
    up_to_bytes,
)
from models.catalogue.families import TASKS

# The families of 2026 that a developer will look for.
FAMILIES = (
    "Qwen 3", "Qwen 3 Coder", "Qwen 3.5", "Qwen 3.6", "Qwen 3.8", "Qwen 2.5 Coder", "Gemma 3", "Gemma 3n", "Gemma 4",
    "EmbeddingGemma", "FunctionGemma", "gpt-oss", "Llama 3", "Llama 4", "Mistral Small 3", "Magistral", "Ministral 3",
    "Mistral Small 4", "Devstral 2", "Mistral Large 3", "DeepSeek R1", "DeepSeek V3 and V4", "GLM", "Phi 4", "Hermes",
    "SmolLM", "Granite", "Nemotron", "LFM2", "Muse Glimmer", "Kimi", "MiniMax", "Qwen3 Embedding", "nomic-embed-text",
    "BGE", "multilingual-e5", "all-MiniLM", "Nemotron 3 Embed", "BGE Reranker", "Qwen3 Reranker", "Jina Reranker",
    "MS MARCO MiniLM",
)  # fmt: skip


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def raw() -> dict[str, Any]:
    text = resources.files("models.catalogue").joinpath("families.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def test_every_family_is_there_and_every_task_has_models_for_small_machines(catalogue: Catalogue) -> None:
    assert tuple(dict.fromkeys(entry.family for entry in catalogue.entries)) == FAMILIES
    for task in TASKS:
        small = up_to_bytes(by_task(catalogue.entries, task), 4_000_000_000)
        assert small and all(task in entry.tasks and entry.file_bytes <= 4e9 for entry in small)
        assert small == sorted(small, key=lambda entry: -entry.file_bytes)


def test_nothing_is_said_to_be_checked_that_was_not(catalogue: Catalogue) -> None:
    assert not any(entry.checked for entry in catalogue.entries)
    assert "could be compared with the Hub" in catalogue.note
    assert raw()["checked"] is False


def test_a_size_nobody_stated_is_estimated_and_marked(catalogue: Catalogue) -> None:
    entries = {entry.name: entry for entry in catalogue.entries}
    stated, estimated = entries["Qwen3 8B"], entries["Qwen3 4B"]
    assert (stated.file_bytes, "bytes" in stated.unsure) == (5_300_000_000, False)
    assert estimated.file_bytes == round(4e9 * BITS_PER_WEIGHT["Q4_K_M"] / 8) and "bytes" in estimated.unsure
    assert entries["DeepSeek V4 Pro"].file_bytes == 0 and entries["DeepSeek V4 Pro"].server_class


def test_what_runs_on_no_desktop_is_told_apart(catalogue: Catalogue) -> None:
    desktop = {entry.name for entry in for_desktops(catalogue.entries)}
    assert {"Qwen3 8B", "gpt-oss 20B", "GLM 4.7 Flash"} <= desktop
    assert not desktop & {"Qwen3 235B-A22B", "Kimi K2", "Mistral Large 3 675B", "GLM 5.2"}


def test_a_model_overrides_its_family(catalogue: Catalogue) -> None:
    llama = {entry.name: entry for entry in of_family(catalogue.entries, "llama 3")}
    assert llama["Llama 3.2 3B"].licence == "llama3.2" and llama["Llama 3.3 70B"].licence == "llama3.3"
    gemma = {entry.name: entry for entry in of_family(catalogue.entries, "Gemma 4")}
    assert (gemma["Gemma 4 E2B"].context_length, gemma["Gemma 4 12B"].context_length) == (131072, 262144)
    # Its own context is as good as its source; the family's mark is for the family's value.
    hermes = {entry.name: entry for entry in of_family(catalogue.entries, "SmolLM")}
    assert "context" not in hermes["SmolLM3 3B"].unsure


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("params", "8B", "wrong params"),
        ("params", True, "wrong params"),
        ("params", None, "no parameters"),
        ("params", -1, "below zero"),
        ("bytes", 53_000_000_000, "a size no such file has"),
        ("active_params", 9_000_000_000, "more active parameters"),
        ("quant", "Q9_Z", "unknown quant"),
        ("repo", "../../etc", "no repo"),
        ("repo", "", "no repo"),
        ("tasks", ["dance"], "unknown ones"),
        ("tasks", [], "no tasks"),
        ("unsure", ["colour"], "unknown field"),
        ("unsure", [1], "wrong unsure"),
        ("about", "no sentence", "no sentence"),
        ("checked", True, "checked and is unsure"),
        ("sise", 1, "unknown sise"),
        ("name", "Qwen3 14B", "twice"),
    ],
)
def test_a_mistake_in_a_model_is_named(field: str, value: object, reason: str) -> None:
    data = raw()
    model = next(one for one in data["families"][0]["models"] if one["name"] == "Qwen3 8B")
    model[field] = value
    with pytest.raises(CatalogueFault, match=reason):
        parse(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "schema"),
        ('{"schema": 2}', "schema"),
        ('{"schema": 1, "schema": 1}', "twice"),
        ('{"schema": 1, "families": [], "note": ""}', "no families"),
        ('{"schema": 1, "families": [1], "note": "", "compiled": "yesterday"}', "when it was compiled"),
        ('{"schema": 1, "families": [1], "note": "", "compiled": "2026-01-01"}', "no object"),
        ('{"schema": 1, "families": [{"name": "x"}], "note": "", "compiled": "2026-01-01"}', "x lacks"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, reason: str) -> None:
    with pytest.raises(CatalogueFault, match=reason):
        parse(text)
