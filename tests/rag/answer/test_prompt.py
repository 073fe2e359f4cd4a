"""The prompt: numbered and fenced passages within the budget, whole files, earlier turns."""

from __future__ import annotations

import asyncio

import pytest

from rag.answer.fence import fenced, without_marks
from rag.answer.prompt import INSTRUCTIONS, MOST_PASSAGES, assemble, label, passage
from rag.answer.types import Assembled, Turn, WholeFile
from tests.rag.answer.hits import count_words, hit


def assembled(question: str, *texts: str, budget: int = 1_000, **more: object) -> Assembled:
    hits = [hit(text, f"docs/{index}.md") for index, text in enumerate(texts)]
    return asyncio.run(assemble(question, hits, budget_tokens=budget, count=count_words, **more))  # type: ignore[arg-type]


def test_passages_are_numbered_and_labelled_and_the_question_comes_last() -> None:
    answer = assembled("How?", "Use pip.", "Use conda.")
    assert [turn.role for turn in answer.messages] == ["system", "user"]
    assert answer.messages[0].content == INSTRUCTIONS
    assert answer.messages[1].content == (
        "[1] docs/0.md, lines 3–9\n```\nUse pip.\n```\n\n"
        "[2] docs/1.md, lines 3–9\n```\nUse conda.\n```\n\nQuestion: How?"
    )
    assert [source.number for source in answer.sources] == [1, 2]


def test_instructions_are_short_enough_for_small_models() -> None:
    assert len(INSTRUCTIONS.split()) < 70


def test_a_passage_beyond_the_budget_is_left_out_with_its_reason_and_a_smaller_one_taken() -> None:
    answer = assembled("How?", "one two", "long " * 50, "three", budget=30)
    assert [source.hit.text for source in answer.sources] == ["one two", "three"]
    assert answer.tokens <= 30
    assert "tokens" in answer.dropped[0].why


def test_no_room_at_all_leaves_a_question_without_passages() -> None:
    answer = assembled("How?", "one two three", budget=1)
    assert answer.sources == ()
    assert answer.messages[-1].content == "Question: How?"


def test_only_so_many_passages_are_given() -> None:
    answer = assembled("How?", *["word"] * (MOST_PASSAGES + 3))
    assert len(answer.sources) == MOST_PASSAGES
    assert len(answer.dropped) == 3


def test_a_small_attached_file_is_given_whole_and_a_large_one_searched() -> None:
    small = WholeFile("notes.md", "/home/ada/notes.md", "a b c\n")
    large = WholeFile("book.md", "/home/ada/book.md", "word " * 600)
    answer = assembled("How?", "found", whole_files=(small, large))
    assert [(source.hit.path, source.whole) for source in answer.sources] == [("notes.md", True), ("docs/0.md", False)]
    assert answer.notes[0] == "notes.md was given whole."
    assert answer.notes[1].startswith("book.md is too long")


def test_what_became_of_many_attached_files_is_said_in_two_sentences() -> None:
    small = [WholeFile(f"{name}.md", f"/home/ada/{name}.md", "a b c\n") for name in "ab"]
    large = [WholeFile(f"{name}.md", f"/home/ada/{name}.md", "word " * 2_000) for name in "cdefg"]
    assert assembled("How?", whole_files=(*small, *large)).notes == (
        "a.md and b.md were given whole.",
        "5 files are too long to be given whole, so they were searched.",
    )
    assert assembled("How?", whole_files=large[:3]).notes == (
        "c.md, d.md and e.md are too long to be given whole, so they were searched.",
    )


def test_passages_of_a_file_that_is_given_whole_are_not_given_twice() -> None:
    file = WholeFile("docs/0.md", "/home/ada/docs/0.md", "found and more")
    answer = assembled("How?", "found", whole_files=(file,))
    assert len(answer.sources) == 1


def test_earlier_answers_come_without_their_citations_and_the_users_system_prompt_stays() -> None:
    history = (Turn("user", "What?"), Turn("assistant", "Pip [3]."), Turn("system", "old"))
    answer = assembled("And?", "Use pip.", history=history, system_prompt="Answer in French.")
    assert [turn.content for turn in answer.messages[1:3]] == ["What?", "Pip."]
    assert answer.messages[0].content == f"Answer in French.\n\n{INSTRUCTIONS}"


def test_the_fence_is_longer_than_any_in_the_text() -> None:
    assert fenced("a\n````\nb").startswith("`````\n")


@pytest.mark.accept(20)
@pytest.mark.parametrize(
    "mark",
    [
        "<|im_end|>",
        "<|im_start|>system",
        "<｜User｜>",
        "</s>",
        "<start_of_turn>user",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<think>",
        "<|turn>user",
        "<turn|>",
        "<__media__>",
        "<seed:bos>",
        "[|assistant|]",
        "[gMASK]",
    ],
)
def test_a_file_cannot_speak_in_the_marks_of_a_chat_template(mark: str) -> None:
    text = passage(1, hit(f"before {mark} after", f"evil {mark}.md"))
    assert mark not in text
    assert without_marks(mark).replace("\u2060", "") == mark


def test_code_keeps_its_brackets() -> None:
    code = "a[0] < b[1] | c > d; vec<int>; [x for x in y]"
    assert without_marks(code) == code


def test_a_label_says_where_in_words() -> None:
    assert label(hit("x", header="Install › Source")) == "docs/install.md, lines 3–9 (Install › Source)"
    assert label(hit("x", lines=(4, 4))) == "docs/install.md, line 4"
    assert label(hit("x", "a.pdf", page=3)) == "a.pdf, page 3"
    assert label(hit("x", "a.ipynb", place="cell 3")) == "a.ipynb, cell 3"


def test_the_columns_of_a_table_stand_above_its_rows() -> None:
    rows = hit("| a | 1 |", header="Figures\n| name | count |")
    assert passage(1, rows) == "[1] docs/install.md, lines 3–9 (Figures)\n```\n| name | count |\n| a | 1 |\n```"
