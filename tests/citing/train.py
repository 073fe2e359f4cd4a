"""Trains the citing model: `python -m tests.citing.train OUT.gguf`. About an hour on one core.

The prompts grow from one passage to twelve as it learns: copying is learned on short prompts, choosing on long ones.
What it has reached is printed every fifty steps: the share of whole answers that are right. Cases are never repeated.

citing.gguf was made in three sittings, the later two on what a search finds, notes that are near each other:

    python -m tests.citing.train A.gguf
    python -m tests.citing.train B.gguf --begin A.gguf --steps 1800 --near 0.6 --rate 0.0007 --seed 2  # step 1000
    python -m tests.citing.train C.gguf --begin B.gguf --steps 1200 --near 0.5 --most 4 --rate 0.0007 --seed 3
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional

from tests.citing.gguf_file import read_gguf, write_gguf
from tests.citing.network import Network, Sizes
from tests.citing.prompts import new_case, new_drill
from tests.citing.words import WordVocabulary

TOKENS_PER_STEP = 3_072
ANSWER_WEIGHT = 1.0
TEXT_WEIGHT = 0.2  # the passages repeat names: learning to foresee that teaches copying
NUMBER_WEIGHT = 4.0  # of values and citations: the words around them are learned first and easily
TEXT_SHARE = 0.3  # of the positions in passages: the others cost as much and teach the same
ENOUGH = 0.8
ONCE_FROM = 0.3  # of the steps on: one question to each prompt, as the product asks
DRILL_SHARE = 0.25  # of the steps


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train. `begin` is what an earlier sitting wrote: it is gone on with, by single questions alone."""

    steps: int
    rate: float
    near: float
    absent: float
    most: int
    seed: int
    begin: Path | None


class Lessons:
    """How many passages a prompt has at most: one more whenever answers to the last prompts were mostly right."""

    def __init__(self, limit: int) -> None:
        self.most = 2
        self.limit = limit
        self.right = 0.0
        self._steps = 0

    def note(self, share: float) -> None:
        self._steps += 1
        self.right += (share - self.right) / min(self._steps, 30)
        if self.right > ENOUGH and self._steps >= 30 and self.most < self.limit:
            self.most += 1
            self._steps = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids (cases, length), the weight of each as a target, and which answer of its case it is in, 0 for none."""

    ids: torch.Tensor
    weights: torch.Tensor
    answers: torch.Tensor
    drill: bool


def new_batch(rng: random.Random, words: WordVocabulary, most: int, single: Plan | None) -> Batch:
    """Conversations of TOKENS_PER_STEP tokens together; with `single` of one question each, else drills now and then.

    Conversations teach looking up quickly; but to cite, one of them can copy what an earlier answer cited.
    """
    drill = single is None and rng.random() < DRILL_SHARE
    once = single and partial(new_case, most_questions=1, near_share=single.near, absent_share=single.absent)
    make = once or (new_drill if drill else new_case)
    cases: list[list[tuple[list[int], list[int]]]] = []
    longest = 0
    while True:
        case = [(words.encode(given), words.encode(answer)) for given, answer in make(rng, most).turns]
        longest = max(longest, sum(len(given) + len(answer) for given, answer in case))
        if cases and (len(cases) + 1) * longest > TOKENS_PER_STEP:
            return _filled(cases, drill, words.numbers)
        cases.append(case)


def _filled(cases: list[list[tuple[list[int], list[int]]]], drill: bool, numbers: frozenset[int]) -> Batch:
    longest = max(sum(len(given) + len(answer) for given, answer in case) for case in cases)
    batch = Batch(
        *(torch.zeros(len(cases), longest, dtype=kind) for kind in (torch.long, torch.float, torch.long)), drill
    )
    for row, case in enumerate(cases):
        at = 0
        for number, (given, answer) in enumerate(case, 1):
            middle, end = at + len(given), at + len(given) + len(answer)
            batch.ids[row, at:end] = torch.tensor(given + answer)
            batch.weights[row, at:middle] = TEXT_WEIGHT / len(given)
            batch.weights[row, middle:end] = ANSWER_WEIGHT / len(answer)
            batch.weights[row, middle:end] *= torch.tensor([NUMBER_WEIGHT if i in numbers else 1.0 for i in answer])
            batch.answers[row, middle:end] = number
            at = end
    return batch


def labelled(rng: random.Random, words: WordVocabulary) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids of some conversations, and which of them are the number of a passage: those after a "[" at a line's start."""
    cases = [
        [(words.encode(given), words.encode(answer)) for given, answer in new_case(rng, 6).turns] for _ in range(40)
    ]
    ids = _filled(cases, False, words.numbers).ids
    before = torch.cat((torch.zeros_like(ids[:, :1]), ids[:, :-1]), 1)
    return ids, before == words.encode("[")[0]


def loss_of(network: Network, batch: Batch) -> tuple[torch.Tensor, float]:
    """The weighted loss, and the share of answers that are right at every token."""
    weight, answers = batch.weights[:, 1:], batch.answers[:, 1:]
    used = (answers > 0) | ((weight > 0) & (torch.rand_like(weight) < TEXT_SHARE))
    logits, targets = network.logits(network.hidden(batch.ids[:, :-1])[used]).float(), batch.ids[:, 1:][used]
    losses = functional.cross_entropy(logits, targets, reduction="none")
    which = (torch.arange(len(answers))[:, None] * (1 + answers.max()) + answers)[used]
    given = answers[used] > 0
    asked = set(which[given].tolist())
    wrong = set(which[given & (logits.argmax(-1) != targets)].tolist())
    return (losses * weight[used]).sum() / len(asked), 1 - len(wrong) / len(asked)


def start(plan: Plan, rng: random.Random) -> tuple[Network, WordVocabulary]:
    """A network that knows nothing but how to copy, or that of an earlier sitting."""
    if plan.begin is not None:
        return read_gguf(plan.begin)
    words = WordVocabulary(case.text for case in [new_case(rng, 4) for _ in range(4_000)])
    network = Network(Sizes(tokens=len(words.tokens)))
    network.see_labels(*labelled(rng, words))
    return network, words


def train(out: Path, plan: Plan) -> None:
    rng, steps, rate = random.Random(plan.seed), plan.steps, plan.rate
    torch.manual_seed(plan.seed)
    network, words = start(plan, rng)
    once_from = 0 if plan.begin else int(ONCE_FROM * steps)
    print(f"{len(words.tokens)} tokens, {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M weights", flush=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    began, lessons = time.monotonic(), Lessons(plan.most)
    for step in range(steps):
        warm, left = min(1.0, (step + 1) / 100), (steps - step) / steps
        for group in optimizer.param_groups:
            group["lr"] = rate * warm * min(1.0, 0.05 + 1.5 * left)
        if step == once_from:
            lessons = Lessons(plan.most)  # to cite is learned from short prompts on again
        batch = new_batch(rng, words, lessons.most, plan if step >= once_from else None)
        with torch.autocast("cpu", torch.bfloat16):
            loss, share = loss_of(network, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if not batch.drill:
            lessons.note(share)
        if step % 50 == 49:
            seconds = time.monotonic() - began
            reached = f"{lessons.most:2d} passages  right {lessons.right:.3f}"
            print(f"{step + 1:6d}  loss {loss.item():.3f}  {reached}  {seconds:.0f} s", flush=True)
        if step % 250 == 249 or step + 1 == steps:
            write_gguf(out, network, words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--near", type=float, default=0.2, help="share of notes beside the asked one that are near it")
    parser.add_argument("--absent", type=float, default=0.15, help="share of questions that no passage answers")
    parser.add_argument("--most", type=int, default=12, help="passages of a prompt")
    parser.add_argument("--begin", type=Path, help="what an earlier sitting wrote, to go on with it")
    chosen = parser.parse_args()
    train(
        chosen.out, Plan(chosen.steps, chosen.rate, chosen.near, chosen.absent, chosen.most, chosen.seed, chosen.begin)
    )


if __name__ == "__main__":
    main()
