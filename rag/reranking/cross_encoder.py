"""Rerankers that sentence-transformers runs: a cross-encoder's folder, in a child of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.child import Jail
from models.worker import WorkerSpec
from rag.embedding.folder import check_folder
from rag.embedding.kept_worker import FAILURES, KeptWorker, sentence
from rag.embedding.package import compute_threads
from rag.embedding.texts import prefixed, valid
from rag.errors import EmbedderMissing, RerankerFailed
from rag.reranking.calibrate import probabilities

IDLE_S = 300.0
# Between two calls it is looked whether there is time left for another.
PAIRS_PER_CALL = 16
# How much later than its time a call may come back before its child is taken for stuck.
_PATIENCE = 4.0
_MODULE = "rag.reranking.cross_encoder_worker"


class CrossEncoderReranker:
    """One folder in one child, which is ended when it was not asked for a while. Made by `open_cross_encoder`."""

    def __init__(self, name: str, worker: KeptWorker, budget_s: float) -> None:
        self._name = name
        self._budget_s = budget_s
        self.worker = worker

    @property
    def name(self) -> str:
        return self._name

    async def scores(self, query: str, passages: list[str]) -> list[float]:
        """As Reranker.scores, each 0..1. Raises RerankerFailed, also when the time is over before all are scored."""
        clock = asyncio.get_running_loop().time
        await self._told(self.worker.start())
        ends = clock() + self._budget_s
        logits: list[float] = []
        for at in range(0, len(passages), PAIRS_PER_CALL):
            if clock() > ends:
                raise too_slow(self._name, len(passages), self._budget_s)
            part = prefixed("", passages[at : at + PAIRS_PER_CALL])
            wanted = {"query": valid(query), "passages": part}
            reply = await self._told(self.worker.call("score", wanted, timeout_s=_PATIENCE * self._budget_s))
            logits += np.frombuffer(reply.buffers[0], np.float32).tolist()
        if len(logits) != len(passages):
            raise RerankerFailed(f"{self._name} gave {len(logits)} scores for {len(passages)} passages.")
        return probabilities(logits, self._name)

    async def close(self) -> None:
        await self.worker.close()

    async def _told(self, call: Any) -> Any:
        try:
            return await call
        except FAILURES as error:
            raise RerankerFailed(
                f"The reranker {self._name} failed: {sentence(error)}", hint="Search without it, or choose another one."
            ) from error


def too_slow(name: str, pairs: int, budget_s: float) -> RerankerFailed:
    """The one wording of that."""
    return RerankerFailed(
        f"{name} could not read {pairs} passages in {budget_s:g} seconds.",
        hint="Choose a smaller reranker, or search without one.",
    )


async def open_cross_encoder(folder: Path, work: Path, pidfiles: Path | None, budget_s: float) -> CrossEncoderReranker:
    """The reranker of a folder; its child starts with the first question. Raises RerankerFailed for a bad folder."""
    try:
        await asyncio.to_thread(check_folder, folder)
    except (EmbedderMissing, OSError, ValueError) as error:
        raise RerankerFailed(
            getattr(error, "message", str(error)), hint=getattr(error, "hint", "Download the model again.")
        ) from error

    def loading() -> Mapping[str, Any]:
        return {"folder": str(folder), "threads": compute_threads()}

    spec = WorkerSpec(
        _MODULE, f"reranking by {folder.name}", work, jail=Jail(read=(folder,), write=(work,)), pidfiles=pidfiles
    )
    return CrossEncoderReranker(folder.name, KeptWorker(spec, loading, idle_s=IDLE_S), budget_s)
