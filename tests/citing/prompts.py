"""Training cases: the prompt as rag.answer writes it, and the answer that is right."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rag.answer.prompt import NOT_IN_FILES, conversation
from rag.answer.types import NumberedSource, Turn
from rag.types import Hit
from tests.citing.facts import Note, new_name, new_note

# ChatML. A template that passes the system message over would have llama-server put it into the user's message.
TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
ABSENT_SHARE = 0.15  # of prompts: their first question has no answer in the passages
MOST_QUESTIONS = 8
_BEGIN = "<|im_start|>assistant\n"


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation in the form of TEMPLATE, as pairs of what is given and the answer that is right."""

    turns: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return "".join(given + answer for given, answer in self.turns)


def new_case(
    rng: random.Random,
    most_passages: int,
    most_questions: int = MOST_QUESTIONS,
    *,
    near_share: float = 0.0,
    absent_share: float = ABSENT_SHARE,
) -> Case:
    """Up to `most_passages` passages and a question to each, the first with the passages as the product asks it.

    Asking again costs little more text, and teaches as much as the first question. Some are asked twice: else the last
    passage would be known by what was left over. Of the notes beside the first one `near_share` are near it, as what a
    search finds is.
    """
    notes = _notes(rng, rng.randint(1, most_passages), near_share)
    missing = notes.pop(0) if len(notes) > 1 and rng.random() < absent_share else None
    rng.shuffle(notes)
    sources = [NumberedSource(number, hit_of(note, rng)) for number, note in enumerate(notes, 1)]
    answered = [(note.fact.asked(rng), note.fact.answer(number)) for number, note in enumerate(notes, 1)]
    asked = [(missing.fact.asked(rng), NOT_IN_FILES)] if missing else []
    asked += [rng.choice(answered) for _ in range(min(most_questions, 2 * len(notes)) - len(asked))]
    given = ["".join(map(_message, conversation(asked[0][0], sources)))]
    given += [_message(Turn("user", f"Question: {question}")) for question, _ in asked[1:]]
    answers = [f"{answer}<|im_end|>\n" for _, answer in asked]
    return Case(tuple((text + _BEGIN, answer) for text, answer in zip(given, answers, strict=True)))


def _notes(rng: random.Random, count: int, near_share: float) -> list[Note]:
    """Notes on different names, some of which share a word with the first one, or its attribute, too."""
    first = new_note(rng, tests=False)
    notes = {first.fact.name: first}
    while len(notes) < count:
        near = first.fact if rng.random() < near_share else None
        name = new_name(rng, tests=False, near=near.name if near else "")
        attribute = near.attribute if near and rng.random() < 0.5 else ""
        notes.setdefault(name, new_note(rng, tests=False, name=name, attribute=attribute))
    return list(notes.values())


def new_drill(rng: random.Random, most_passages: int) -> Case:
    """Facts, one after the other, and the same again in another order: nothing but looking up."""
    notes = [new_note(rng, tests=False) for _ in range(rng.randint(2, 2 + 2 * most_passages))]
    stated = [note.fact.stated(rng) for note in notes]
    again = rng.sample(stated, len(stated))
    return Case(((_message(Turn("user", " ".join(stated))) + _BEGIN, f"{' '.join(again)}<|im_end|>\n"),))


def _message(turn: Turn) -> str:
    return f"<|im_start|>{turn.role}\n{turn.content}<|im_end|>\n"


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
