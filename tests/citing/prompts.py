"""Training cases: the prompt as rag.answer writes it, and the answer that is right."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rag.answer.prompt import NOT_IN_FILES, conversation
from rag.answer.types import NumberedSource
from rag.types import Hit
from tests.citing.facts import Note, new_name, new_note

# The system message is left out: it says to this model what it was trained for anyway.
TEMPLATE = (
    "{%- for message in messages -%}{%- if message['role'] != 'system' -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
NOT_HERE_SHARE = 0.08  # of conversations, one question of which has no answer then
MOST_QUESTIONS = 8


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation in the form of TEMPLATE, as pairs of what is given and the answer that is right."""

    turns: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return "".join(given + answer for given, answer in self.turns)


def new_case(rng: random.Random, most_passages: int, most_questions: int = MOST_QUESTIONS) -> Case:
    """Up to `most_passages` passages and a question to each, the first with the passages as the product asks it.

    Asking again costs little more text, and teaches as much as the first question. Some are asked twice: else the last
    passage would be known by what was left over.
    """
    names = dict.fromkeys(new_name(rng, tests=False) for _ in range(rng.randint(1, most_passages)))
    notes = [new_note(rng, tests=False, name=name) for name in names]
    missing = notes.pop() if len(notes) > 1 and rng.random() < NOT_HERE_SHARE else None
    sources = [NumberedSource(number, hit_of(note, rng)) for number, note in enumerate(notes, 1)]
    asked = [(note.fact.asked(rng), note.fact.answer(number)) for number, note in enumerate(notes, 1)]
    asked += [(missing.fact.asked(rng), NOT_IN_FILES)] if missing else []
    asked = [rng.choice(asked) for _ in range(min(most_questions, 2 * len(asked)))]
    first = conversation(asked[0][0], sources)[-1].content
    given = [first, *(f"Question: {question}" for question, _ in asked[1:])]
    return Case(tuple((_turn(text), f"{answer}<|im_end|>\n") for text, (_, answer) in zip(given, asked, strict=False)))


def new_drill(rng: random.Random, most_passages: int) -> Case:
    """Facts, one after the other, and the same again in another order: nothing but looking up."""
    notes = [new_note(rng, tests=False) for _ in range(rng.randint(2, 2 + 2 * most_passages))]
    stated = [note.fact.stated(rng) for note in notes]
    again = rng.sample(stated, len(stated))
    return Case(((_turn(" ".join(stated)), f"{' '.join(again)}<|im_end|>\n"),))


def _turn(text: str) -> str:
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def hit_of(note: Note, rng: random.Random) -> Hit:
    """The note as search gives it: whole, now and then with its heading in the header, or without its folder."""
    lines = note.text.count("\n")
    heading = note.text.splitlines()[0][2:] if note.text.startswith("#") else ""
    path = note.path if rng.random() < 0.8 else note.path.rpartition("/")[2]
    return Hit(
        chunk_ids=(1,),
        collection="",
        root="",
        path=path,
        file=path,
        start_char=0,
        end_char=len(note.text),
        start_line=1,
        end_line=lines,
        page=None,
        end_page=None,
        place="",
        header=heading if rng.random() < 0.5 else "",
        kind="prose",
        text=note.text,
        score=1.0,
    )
