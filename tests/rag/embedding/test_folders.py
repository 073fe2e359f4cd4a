"""sentence-transformers folders: what is refused, what they say of themselves, and that they are computed rightly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.network import NetworkRules
from rag.embedding.bert import NotPlainBert, read_shape
from rag.embedding.choices import Definition
from rag.embedding.embedders import Embedders
from rag.embedding.folder import examine
from rag.embedding.package import BertEmbedder
from rag.embedding.transformer import TransformerEmbedder, open_transformer
from rag.errors import EmbedderFailed, EmbedderMissing
from tests.rag.embedding.tiny_bert import HIDDEN, write_embedder, write_json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny").mkdir()
    return write_embedder(tmp_path / "tiny", prompts={"query": "find: ", "document": "text: "})


def code(folder: Path) -> None:
    (folder / "modeling_custom.py").write_text("print('run')")


def pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def auto_map(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "auto_map": {"AutoModel": "modeling_custom.Model"}})


def foreign_module(folder: Path) -> None:
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "custom_st.Transformer"}])


def nothing(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.unlink()


def broken(folder: Path) -> None:
    (folder / "modules.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (code, "code of its own"),
        (pickle, "not in safetensors"),
        (auto_map, "asks for code"),
        (foreign_module, "custom_st.Transformer"),
        (nothing, "no model"),
        (broken, "cannot be read"),
    ],
)
def test_folders_that_are_not_loaded(folder: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(folder)
    with pytest.raises(EmbedderMissing, match=words):
        examine(folder)


def test_a_folder_says_its_prompts_pooling_and_weights(folder: Path) -> None:
    found = examine(folder)
    assert (found.name, found.query_prefix, found.passage_prefix, found.pooling) == ("tiny", "find: ", "text: ", "mean")

    before = found.weights
    write_embedder(folder, seed=2)
    again = examine(folder)
    assert again.weights != before
    assert (again.query_prefix, again.passage_prefix) == ("", "")


def test_another_pooling_is_left_to_sentence_transformers(folder: Path) -> None:
    assert not read_shape(folder).cls_pooling
    assert read_shape(write_embedder(folder, pooling="cls_token")).cls_pooling
    for pooling in ("max_tokens", "mean_sqrt_len_tokens"):
        with pytest.raises(NotPlainBert):
            read_shape(write_embedder(folder, pooling=pooling))


@pytest.mark.anyio
async def test_ours_and_sentence_transformers_give_the_same_vectors(folder: Path, tmp_path: Path) -> None:
    texts = ["a file is opened", "", "much longer text with, many. words? " * 6, "a file is closed", "\ud800 odd"]
    embedders = Embedders(
        cache=tmp_path / "cache",
        runtime=tmp_path / "run",
        pidfiles=None,
        definitions=tmp_path / "embedders.json",
        rules=lambda: NetworkRules(air_gapped=True),
    )
    theirs = await open_transformer(examine(folder), tmp_path / "theirs", None)
    try:
        row = await embedders.add(Definition("sentence-transformers", str(folder)))
        ours = await embedders.open(row.id)
        assert isinstance(ours, BertEmbedder)
        assert isinstance(theirs, TransformerEmbedder)
        assert ours.identity.dimensions == theirs.identity.dimensions == row.dimensions == HIDDEN
        assert ours.identity.max_tokens == theirs.identity.max_tokens == 48

        ours_found, theirs_found = await ours.embed_passages(texts), await theirs.embed_passages(texts)
        assert (ours_found * theirs_found).sum(1).min() > 0.998
        queries = await ours.embed_query(texts[0]), await theirs.embed_query(texts[0])
        assert float((queries[0] * queries[1]).sum()) > 0.998
        # The prefixes differ, so the same text is another one as a question.
        assert not np.allclose(queries[1], theirs_found[0], atol=1e-3)

        await theirs.gentle(True)
        assert (await theirs.embed_passages(texts[:1])).shape == (1, HIDDEN)
    finally:
        await theirs.close()
        await embedders.close()


@pytest.mark.anyio
async def test_weights_that_do_not_fit_are_not_added(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, "num_hidden_layers": 9})
    embedders = Embedders(
        cache=tmp_path / "cache",
        runtime=tmp_path / "run",
        pidfiles=None,
        definitions=tmp_path / "embedders.json",
        rules=NetworkRules,
    )
    try:
        with pytest.raises((EmbedderFailed, EmbedderMissing), match="tiny"):
            await embedders.add(Definition("sentence-transformers", str(folder)))
        assert [choice.id for choice in await embedders.choices()] == [embedders.default_id]
    finally:
        await embedders.close()
