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
NOT_HERE_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Case:
    """`prompt` is all up to the answer, in the form of TEMPLATE."""

    prompt: str
    answer: str


def new_case(rng: random.Random, most_passages: int) -> Case:
    """Up to `most_passages` passages, of which one has the answer or, now and then, none."""
    names = dict.fromkeys(new_name(rng, tests=False) for _ in range(rng.randint(1, most_passages)))
    notes = [new_note(rng, tests=False, name=name) for name in names]
    rng.shuffle(notes)
    index = rng.randrange(len(notes))
    fact = rng.choice(notes[index].facts)
    question, answer = fact.asked(rng), fact.answer(index + 1)
    if len(notes) > 1 and rng.random() < NOT_HERE_SHARE:
        del notes[index]
        answer = NOT_IN_FILES
    sources = [NumberedSource(number, hit_of(note, rng)) for number, note in enumerate(notes, 1)]
    user = conversation(question, sources)[-1].content
    return Case(f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n", f"{answer}<|im_end|>")


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
