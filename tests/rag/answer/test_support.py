"""Sentences held against passages; sentences found; answers without a model; follow-ups."""

from __future__ import annotations

import pytest

from rag.answer.passages import passages_only, quote
from rag.answer.prompt import NOT_IN_FILES
from rag.answer.rewrite import rewrite_query
from rag.answer.sentences import sentences
from rag.answer.support import check_answer, says_not_found
from rag.answer.types import NumberedSource, Turn
from tests.rag.answer.hits import hit

PORT = hit("The service listens on port 5225 and writes its log to service.log.")
CACHE = hit("Vectors are cached in the folder vectors and rebuilt when it is lost.", "docs/cache.md")
SOURCES = (NumberedSource(1, PORT), NumberedSource(2, CACHE))


def test_a_sentence_its_passage_says_is_supported_and_one_from_nowhere_is_not() -> None:
    checked = check_answer("The service listens on port 5225 [1]. It was written by seven Norwegian sailors.", SOURCES)
    assert [sentence.supported for sentence in checked.support] == [True, False]
    assert checked.support[0].numbers == (1,)
    assert checked.cited == (1,)


def test_a_number_that_stands_in_no_passage_breaks_the_support() -> None:
    right, wrong = (check_answer(f"The service listens on port {n} [1].", SOURCES).support[0] for n in (5225, 8080))
    assert right.supported
    assert not wrong.supported
    assert wrong.support < right.support


def test_a_citation_of_another_passage_gives_no_support() -> None:
    assert not check_answer("The service listens on port 5225 [2].", SOURCES).support[0].supported


def test_a_citation_that_names_no_passage_is_removed_and_the_sentence_held_against_all() -> None:
    checked = check_answer("The service listens on port 5225 [9].", SOURCES)
    assert checked.text == "The service listens on port 5225."
    assert checked.removed == (9,)
    assert checked.support[0].supported


@pytest.mark.parametrize("text", ["Not in your files.", "not in your files", "**Not in your files.**"])
def test_not_found_is_recognised(text: str) -> None:
    assert says_not_found(text)
    checked = check_answer(text, SOURCES)
    assert (checked.found, checked.support) == (False, ())


def test_an_answer_that_only_begins_so_is_an_answer() -> None:
    assert not says_not_found(
        "Not in your files is what the program says when nothing is relevant to a question of yours [1]."
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See e.g. the docs [1]. Then go.", ["See e.g. the docs [1].", "Then go."]),
        ("Version 3.11 is fine. Yes.", ["Version 3.11 is fine.", "Yes."]),
        ("- first point\n- second point", ["first point", "second point"]),
        ("# Title\nText. [2] More", ["Title", "Text. [2]", "More"]),
        ("", []),
        ("三つ。四つ。", ["三つ。", "四つ。"]),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == found


def test_without_a_model_the_decisive_sentences_are_the_answer() -> None:
    text = "Many words first. The port is 5225. Then more."
    answer = passages_only([hit(text, sentence=(18, 35)), CACHE], relevant=True)
    assert answer.text.splitlines()[:2] == ["1. “The port is 5225.” [1]", "   docs/install.md, lines 3–9"]
    assert [source.number for source in answer.sources] == [1, 2]


def test_without_a_model_nothing_relevant_is_said_so() -> None:
    assert passages_only([PORT], relevant=False).text == NOT_IN_FILES
    assert not passages_only([], relevant=True).found


def test_a_quote_has_an_end() -> None:
    assert len(quote(hit("word " * 500))) <= 400


HISTORY = (
    Turn("user", "How do I build the engine with CUDA?"),
    Turn("assistant", "Pass -DGGML_CUDA=ON to cmake [1]."),
)


@pytest.mark.parametrize("question", ["And for Windows?", "Why does it fail?", "what about macOS", "Where exactly?"])
def test_a_follow_up_gets_what_the_conversation_is_about(question: str) -> None:
    rewritten = rewrite_query(HISTORY, question)
    assert rewritten.changed
    assert {"build", "engine", "CUDA"} <= set(rewritten.query.split())
    assert rewritten.query.endswith(question)


@pytest.mark.parametrize(
    "question",
    [
        "Which licence do the fonts in the window have?",
        "How is the database migrated after an upgrade?",
        "how are the weights kept?",
    ],
)
def test_a_question_that_stands_alone_stays_as_it_is(question: str) -> None:
    assert rewrite_query(HISTORY, question).query == question


def test_the_first_question_has_nothing_to_follow() -> None:
    assert not rewrite_query((), "And it?").changed


def test_a_chain_of_follow_ups_keeps_its_subject() -> None:
    history = (*HISTORY, Turn("user", "And for Windows?"), Turn("assistant", "The same."))
    assert "CUDA" in rewrite_query(history, "Why?").query
