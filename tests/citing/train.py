"""Trains the citing model: `python -m tests.citing.train OUT.gguf`. About an hour on one core.

The prompts grow from one passage to twelve as it learns: copying is learned on short prompts, choosing on long ones.
What it has reached is printed every fifty steps: the share of whole answers that are right. Cases are never repeated.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import torch
from torch.nn import functional

from tests.citing.gguf_file import write_gguf
from tests.citing.network import Network, Sizes
from tests.citing.prompts import Case, new_case
from tests.citing.words import WordVocabulary

TOKENS_PER_STEP = 4_096
ANSWER_WEIGHT = 1.0
TEXT_WEIGHT = 0.2  # the passages repeat names: learning to foresee that teaches copying
TEXT_SHARE = 0.3  # of the positions in passages: the others cost as much and teach the same
MOST_PASSAGES = 12
ENOUGH = 0.93


class Lessons:
    """How many passages a prompt has at most: one more whenever answers to the last prompts were mostly right."""

    def __init__(self) -> None:
        self.most = 1
        self.right = 0.0
        self._steps = 0

    def note(self, share: float) -> None:
        self._steps += 1
        self.right += (share - self.right) / min(self._steps, 30)
        if self.right > ENOUGH and self._steps >= 30 and self.most < MOST_PASSAGES:
            self.most += 1
            self._steps = 0


def new_batch(rng: random.Random, words: WordVocabulary, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (cases, length) and weights of each position's target: the answer's, the text's, none for the filling."""
    rows: list[tuple[list[int], int]] = []
    longest = 0
    while True:
        case: Case = new_case(rng, most)
        prompt, answer = words.encode(case.prompt), words.encode(case.answer)
        longest = max(longest, len(prompt) + len(answer))
        if rows and (len(rows) + 1) * longest > TOKENS_PER_STEP:
            break
        rows.append((prompt + answer, len(prompt)))
    longest = max(len(ids) for ids, _ in rows)
    batch, weights = torch.zeros(len(rows), longest, dtype=torch.long), torch.zeros(len(rows), longest)
    for index, (ids, prompt_length) in enumerate(rows):
        batch[index, : len(ids)] = torch.tensor(ids)
        weights[index, : len(ids)] = TEXT_WEIGHT / prompt_length
        weights[index, prompt_length : len(ids)] = ANSWER_WEIGHT / (len(ids) - prompt_length)
    return batch, weights


def loss_of(network: Network, batch: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The weighted loss, and the share of answers that are right at every token."""
    weight = weights[:, 1:]
    answer = weight > TEXT_WEIGHT / 8
    used = answer | ((weight > 0) & (torch.rand_like(weight) < TEXT_SHARE))
    logits, targets = network.logits(network.hidden(batch[:, :-1])[used]).float(), batch[:, 1:][used]
    losses = functional.cross_entropy(logits, targets, reduction="none")
    wrong = torch.zeros_like(answer)
    wrong[used] = logits.argmax(-1) != targets
    right = ~(wrong & answer).any(1)
    return (losses * weight[used]).sum() / len(batch), right.float().mean().item()


def train(out: Path, steps: int, rate: float, seed: int) -> None:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    cases = [new_case(rng, 6) for _ in range(6_000)]
    words = WordVocabulary(case.prompt + case.answer for case in cases)
    network = Network(Sizes(tokens=len(words.tokens)))
    print(f"{len(words.tokens)} tokens, {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M weights", flush=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    began, lessons = time.monotonic(), Lessons()
    for step in range(steps):
        warm, left = min(1.0, (step + 1) / 100), (steps - step) / steps
        for group in optimizer.param_groups:
            group["lr"] = rate * warm * min(1.0, 0.05 + 1.5 * left)
        batch, weights = new_batch(rng, words, lessons.most)
        with torch.autocast("cpu", torch.bfloat16):
            loss, share = loss_of(network, batch, weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
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
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    train(arguments.out, arguments.steps, arguments.rate, arguments.seed)


if __name__ == "__main__":
    main()
