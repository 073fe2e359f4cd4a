"""What is marked in a passage."""

from __future__ import annotations

from rag.search.highlights import highlight
from rag.search.matching import stems
from rag.types import Highlight

TEXT = "Radiators are warm. Open the valves with the key, then close them. Keys hang in the hall."


def marked(text: str, *words: str) -> tuple[list[str], list[str]]:
    """(words, sentences) that are marked."""
    worth = dict.fromkeys(stems(words), 1.0)
    (marks,) = highlight([text], worth)

    def of(kind: str) -> list[str]:
        return [text[mark.start : mark.end] for mark in marks if mark.kind == kind]

    return of("word"), of("sentence")


def test_words_are_marked_with_their_endings() -> None:
    words, _ = marked(TEXT, "valve", "key")
    assert words == ["valves", "key", "Keys"]


def test_the_sentence_with_most_of_the_words_is_decisive() -> None:
    _, sentences = marked(TEXT, "valve", "key")
    assert sentences == ["Open the valves with the key, then close them."]


def test_the_first_of_two_equal_sentences_is_taken() -> None:
    _, sentences = marked("The key is here. The key is there.", "key")
    assert sentences == ["The key is here."]


def test_a_rare_word_outweighs_two_common_ones() -> None:
    (marks,) = highlight(["Open the key valve. The manometer shows it."], {"valv": 1.0, "key": 1.0, "manomet": 5.0})
    assert Highlight(20, 43, "sentence") in marks


def test_without_a_word_nothing_is_marked() -> None:
    assert marked(TEXT, "kangaroo") == ([], [])
    assert highlight([TEXT], {}) == [()]


def test_what_only_begins_alike_is_not_marked() -> None:
    words, _ = marked("The keyboard and the keystone", "key")
    assert words == []
