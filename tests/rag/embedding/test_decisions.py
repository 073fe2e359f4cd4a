"""What is decided without any model: batches, families, figures, definitions, identities."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.embedding.batches import LENGTH_STEP, ROWS_PER_BATCH, TOKENS_PER_BATCH, batches
from rag.embedding.choices import Definition, RuntimeFigure
from rag.embedding.definitions import Definitions, id_of
from rag.embedding.families import families, family_of
from rag.embedding.figures import RememberedFigures, choose, usual_runtime
from rag.embedding.identity import identity_of, unit_vectors
from rag.embedding.package import CHARACTERS_PER_CALL, TEXTS_PER_CALL, slices
from rag.errors import EmbedderFailed


@given(st.lists(st.integers(2, 256), max_size=200))
def test_every_text_is_in_one_batch_with_little_padding(sizes: list[int]) -> None:
    tokens = [[number % 50 + 1] * size for number, size in enumerate(sizes)]
    found = list(batches(tokens, longest=256))

    assert sorted(row for batch in found for row in batch.rows) == list(range(len(sizes)))
    for batch in found:
        rows, length = batch.ids.shape
        assert rows <= ROWS_PER_BATCH
        assert rows == 1 or rows * length <= TOKENS_PER_BATCH
        assert length < max(sizes[row] for row in batch.rows) + LENGTH_STEP
        for place, row in enumerate(batch.rows):
            assert batch.mask[place].sum() == sizes[row]
            assert batch.ids[place, : sizes[row]].tolist() == tokens[row]
            assert not batch.ids[place, sizes[row] :].any()


@given(st.lists(st.integers(0, 3000).map(lambda size: "x" * size), max_size=60))
def test_pieces_that_are_sent_hold_all_texts_in_order(texts: list[str]) -> None:
    pieces = slices(texts)
    assert [text for piece in pieces for text in piece] == texts
    assert all(0 < len(piece) <= TEXTS_PER_CALL for piece in pieces)


def test_long_texts_are_sent_in_smaller_pieces() -> None:
    pieces = slices(["x" * (CHARACTERS_PER_CALL // 2)] * 5)
    assert [len(piece) for piece in pieces] == [2, 2, 1]


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("all-MiniLM-L6-v2", "", ""),
        ("nomic-embed-text:latest", "search_query: ", "search_document: "),
        ("nomic-embed-text-v2-moe-GGUF", "search_query: ", "search_document: "),
        ("multilingual-e5-small", "query: ", "passage: "),
        ("multilingual-e5-large-instruct", "Instruct: ", ""),
        ("bge_small_en_v1.5", "Represent this sentence", ""),
        ("bge-m3", "", ""),
        ("Qwen3-Embedding-0.6B-Q8_0", "Instruct: ", ""),
        ("embeddinggemma-300M", "task: search result | query: ", "title: none | text: "),
        ("some-model-of-mine", "", ""),
    ],
)
def test_a_model_gets_the_prefixes_of_its_family(name: str, query: str, passage: str) -> None:
    family = family_of(name)
    assert family.query_prefix.startswith(query)
    assert bool(family.query_prefix) == bool(query)
    assert family.passage_prefix == passage


def test_every_family_says_where_its_words_are_from_and_can_be_reached() -> None:
    for family in families():
        assert family.source.startswith("https://huggingface.co/")
        assert family.pooling in ("mean", "cls", "last")
        assert family_of("-".join(family.match)) == family, "an earlier entry hides it"


def figure(name: str, speed: float, cosine: float) -> RuntimeFigure:
    return RuntimeFigure(name, speed, cosine, 100, 2, chosen=False)


def test_the_fastest_of_the_accurate_runtimes_is_chosen() -> None:
    chosen = choose([figure("a", 50, 1), figure("b", 160, 0.9999), figure("c", 500, 0.99), figure("d", 0, 0)])
    assert [one.name for one in chosen if one.chosen] == ["b"]
    assert not any(one.chosen for one in choose([figure("c", 500, 0.99)]))


def test_figures_count_for_the_processor_they_were_measured_on_alone(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "runtimes.json"
    remembered = RememberedFigures(path)
    assert remembered.read().measured_at is None
    assert remembered.read().chosen in ("openvino bf16", "openvino f32")

    written = remembered.write(choose([figure("openvino f32", 50, 1), figure("torch bf16", 70, 1)]), 1000.0)
    assert RememberedFigures(path).read() == written
    assert (written.chosen, written.measured_at) == ("torch bf16", 1000.0)

    for change in ({"processor": "another"}, {"libraries": {}}, {"runtimes": []}):
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        assert remembered.read().measured_at is None
        remembered.write(written.runtimes, 1000.0)
    path.write_text("{")
    assert remembered.read().measured_at is None


def test_bf16_is_the_usual_one_where_the_processor_has_it() -> None:
    assert usual_runtime(frozenset({"avx512f", "avx512_bf16"})) == "openvino bf16"
    assert usual_runtime(frozenset({"avx2"})) == "openvino f32"


def test_definitions_are_kept_and_a_broken_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "embedders.json"
    definitions = Definitions(path)
    one = Definition("sentence-transformers", "/models/one")
    other = Definition("sentence-transformers", "/elsewhere/one")

    keys = [definitions.put(one), definitions.put(other), definitions.put(dataclasses.replace(one, query_prefix="q"))]

    assert keys == ["sentence-transformers:one", "sentence-transformers:one-2", "sentence-transformers:one"]
    assert Definitions(path).read()[keys[0]].query_prefix == "q"
    definitions.drop(keys[0])
    definitions.drop("nobody")
    assert list(definitions.read()) == [keys[1]]
    path.write_text("[{]")
    assert definitions.read() == {}
    assert path.with_name("embedders.json.broken").exists()


def test_ids_name_the_server_where_it_is_not_the_usual_one() -> None:
    assert id_of(Definition("ollama", "nomic-embed-text")) == "ollama:nomic-embed-text"
    assert id_of(Definition("openai", "a/b", "https://host:8443/v1")) == "openai:a-b@host:8443"


def test_whatever_changes_vectors_changes_the_key() -> None:
    base = identity_of("m@1", 8, 256, "mean")
    others = [
        identity_of("m@2", 8, 256, "mean"),
        identity_of("m@1", 4, 256, "mean"),
        identity_of("m@1", 8, 512, "mean"),
        identity_of("m@1", 8, 256, "cls"),
        identity_of("m@1", 8, 256, "mean", query_prefix="q"),
        identity_of("m@1", 8, 256, "mean", passage_prefix="q"),
    ]
    assert identity_of("m@1", 8, 256, "mean") == base
    assert len({one.key for one in (base, *others)}) == 7


def test_vectors_are_made_unit_and_wrong_ones_refused() -> None:
    found = unit_vectors(np.array([[3, 4], [0, 0]], np.float32), 2, 2, "m")
    assert np.allclose(found, [[0.6, 0.8], [0, 0]])
    for wrong in (np.ones((2, 3), np.float32), np.ones((1, 2), np.float32), np.full((2, 2), np.nan, np.float32)):
        with pytest.raises(EmbedderFailed):
            unit_vectors(wrong, 2, 2, "m")
