"""Cross-encoder folders in their child, and how scores are put on one scale."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import RerankerFailed
from rag.reranking.calibrate import probabilities
from rag.reranking.cross_encoder import CrossEncoderReranker, open_cross_encoder
from rag.reranking.rerankers import Rerankers
from tests.rag.embedding.tiny_bert import write_cross_encoder


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_logits_become_probabilities_in_the_same_order(logits: list[float]) -> None:
    found = probabilities(logits, "m")
    assert all(0 <= score <= 1 for score in found)
    assert sorted(found) == [found[place] for place in sorted(range(len(logits)), key=logits.__getitem__)]


def test_probabilities_stay_and_what_is_no_number_is_refused() -> None:
    assert probabilities([0.25, 1.0000001], "m", logits=False) == [0.25, 1.0]
    assert probabilities([0.0], "m") == [0.5]
    with pytest.raises(RerankerFailed, match="no score"):
        probabilities([math.nan], "m")


@pytest.mark.anyio
async def test_a_folder_is_added_scores_pairs_and_keeps_its_time(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    folder = write_cross_encoder(tmp_path / "tiny")
    rerankers = Rerankers(runtime=tmp_path / "run", pidfiles=None, definitions=tmp_path / "r.json", budget_s=120)
    try:
        row = await rerankers.add(folder)
        reranker = await rerankers.open(row.id)
        assert isinstance(reranker, CrossEncoderReranker)
        passages = [f"passage {number} about files" * (number % 3 + 1) for number in range(20)]
        scores = await reranker.scores("which file?", [*passages, "\ud800"])
        assert len(scores) == 21
        assert all(0 <= score <= 1 for score in scores)
        assert len(set(scores)) > 10
        other = await reranker.scores("an entirely different question", passages)
        assert other != scores[:20]

        hasty = CrossEncoderReranker("tiny", reranker.worker, budget_s=0.0)
        with pytest.raises(RerankerFailed, match="could not read 20 passages"):
            await hasty.scores("which file?", passages)
    finally:
        await rerankers.close()

    again = Rerankers(runtime=tmp_path / "run", pidfiles=None, definitions=tmp_path / "r.json")
    assert [(one.id, one.available) for one in await again.choices()] == [(row.id, True)]
    await again.remove(row.id)
    assert await again.choices() == ()
    await again.close()


@pytest.mark.anyio
async def test_folders_with_code_or_without_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    folder = write_cross_encoder(tmp_path / "tiny")
    (folder / "evil.py").write_text("raise SystemExit")
    with pytest.raises(RerankerFailed, match="code of its own"):
        await open_cross_encoder(folder, tmp_path / "run", None, 1)
    (folder / "evil.py").unlink()
    (folder / "model.safetensors").rename(folder / "model.bin")
    with pytest.raises(RerankerFailed, match="safetensors"):
        await open_cross_encoder(folder, tmp_path / "run", None, 1)
