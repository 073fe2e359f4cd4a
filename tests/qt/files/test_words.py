"""What the page says, and what is shown of a passage: pure functions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop import wire, wire_files
from desktop.qt.files.asked_bar import state_words
from desktop.qt.files.collection_sheet import cost_words
from desktop.qt.files.doctor_panel import count_cells, verdict_words
from desktop.qt.files.file_facts import facts_of
from desktop.qt.files.news import done_words
from desktop.qt.files.passage_lines import passage_lines
from desktop.qt.files.place_words import decisive, detail_words, place_words, short_place, snippet_window
from desktop.qt.files.sources_tab import summary_words
from desktop.qt.files.why_words import candidate_end, prompt_text, scored, spoken_candidate, why_facts
from desktop.qt.files.words import (
    file_icon,
    file_words,
    holds,
    index_words,
    kind_words,
    names_of,
    plan_words,
    reason_counts,
    spoken_file,
    watch_words,
)
from desktop.qt.transcript.support import places_of
from tests.qt.files import samples

ROOT = wire_files.Root(id=1, path="/home/ada/notes", watching=True)


@pytest.mark.parametrize(
    ("fields", "text", "tone"),
    [
        ({}, "Watching for changes", "success"),
        ({"watch": False}, "Not watching for changes", "neutral"),
        ({"paused": True, "pause_reason": "asked"}, "Paused", "warning"),
        ({"pause_reason": "battery"}, "Paused: on battery", "warning"),
        ({"roots": []}, "Nothing is in it yet", "neutral"),
        ({"roots": [ROOT.model_copy(update={"problem": "The folder is gone."})]}, "The folder is gone.", "warning"),
        (
            {"roots": [ROOT, ROOT.model_copy(update={"problem": "It is gone."})]},
            "1 of 2 folders cannot be read",
            "warning",
        ),
        ({"roots": [ROOT.model_copy(update={"watching": False})]}, "Begins to watch", "neutral"),
        ({"problem": "The index is damaged."}, "The index is damaged.", "danger"),
    ],
)
def test_whether_changes_are_seen_or_why_not(fields: dict[str, Any], text: str, tone: str) -> None:
    said = watch_words(samples.a_collection(**fields))

    assert (said.text, said.token) == (text, tone)
    assert said.icon


@pytest.mark.parametrize(
    ("fields", "text", "token"),
    [
        ({}, "Indexed", "text2"),
        ({"warnings": ["Some characters could not be read"]}, "Some characters could not be read", "warning"),
        ({"state": "waiting", "chunks": None}, "Waiting", "text2"),
        ({"state": "reading", "message": "Reading page 3 of 9"}, "Reading page 3 of 9", "text2"),
        ({"state": "failed", "reason": "encrypted", "message": "It opens with a password."}, "Encrypted", "danger"),
        ({"state": "failed", "message": "Nobody knows why."}, "Nobody knows why.", "danger"),
        ({"state": "skipped", "reason": "secret"}, "May hold keys or passwords", "text3"),
    ],
)
def test_how_a_file_stands(fields: dict[str, Any], text: str, token: str) -> None:
    said = file_words(samples.a_file("a/b.md", **fields))

    assert (said.text, said.token) == (text, token)


def test_a_file_is_spoken_whole_and_explained_below_the_table() -> None:
    row = samples.a_file(
        "legal/deal.pdf", state="failed", reason="encrypted", message="It opens with a password.", chunks=None
    )
    assert spoken_file(row) == "deal.pdf, legal/deal.pdf, 18 kB, Encrypted, It opens with a password."
    assert facts_of(row) == "It opens with a password."
    assert facts_of(samples.a_file("a.py", pages=2, language="python", copies=1)) == (
        "Indexed. 2 pages. Language: python. The same content is in 1 other file."
    )


def test_figures_of_a_collection_a_plan_and_a_job() -> None:
    assert holds(samples.a_collection(files=1, chunks=1)) == "1 file, 1 chunk"
    assert holds(samples.a_collection(files=0, chunks=0, state="indexing")) == "Reading…"
    assert plan_words(samples.a_plan()) == "212 files will be read, 18.4 MB. 167 are left out."
    assert plan_words(samples.a_plan(reasons={}, complete=False, files=1)).startswith("At least 1 file will")
    assert reason_counts({"secret": 2, "generated": 120, "binary": 0}) == [
        ("Generated or vendored", 120),
        ("May hold keys or passwords", 2),
    ]
    assert kind_words({".py": 3, "": 2, ".md": 9}, most=2) == ".md 9, .py 3 and 1 other kind"
    assert names_of(["/a/notes", "/b", "/c"]) == "notes and 2 more"
    assert index_words(samples.a_job()) == ("Indexing 198 of 212 files", "12 files/s, 52 chunks/s, 20 s left")
    assert index_words(samples.a_job(state="paused", message=""))[0] == "Paused at 198 of 212 files"
    assert index_words(samples.a_job(total=0, done=0, message="Looking at the folders")) == (
        "Looking at the folders",
        "",
    )
    assert index_words(samples.a_job(kind="embed", unit="chunks"))[0] == "Embedding 198 of 212 chunks"
    done = samples.a_job(state="done", title="Index notes", result={"read": 212, "failed": 2})
    assert done_words(done) == "Index notes: done, 212 files read, 2 files could not be."


@pytest.mark.parametrize(
    ("path", "kind", "icon"),
    [
        ("a.py", "", "file-code"),
        ("a.csv", "prose", "file-spreadsheet"),
        ("a.toml", "", "file-braces"),
        ("Makefile", "code", "file-code"),
        ("a.pdf", "", "file-text"),
    ],
)
def test_files_have_icons_by_what_they_hold(path: str, kind: str, icon: str) -> None:
    assert file_icon(path, kind) == icon


def test_places_are_lines_pages_or_their_own_name() -> None:
    found = samples.a_result()
    assert place_words(found) == "lines 88–131" and short_place(found) == "88–131"
    assert place_words(found.model_copy(update={"end_line": 88})) == "line 88"
    paged = found.model_copy(update={"page": 3, "end_page": 4})
    assert place_words(paged) == "pages 3–4" and short_place(paged) == "p. 3"
    assert place_words(found.model_copy(update={"place": "cell 3"})) == "cell 3"
    assert detail_words(found.model_copy(update={"header": "class A"})) == "backend-repo · lines 88–131 · “class A”"


def test_the_sentence_stands_among_the_lines_that_are_shown() -> None:
    text = "\n".join(f"line {number}" for number in range(40))
    start = text.index("line 20")
    lines = passage_lines(text, (start, start + 7), [(start, start + 4)], most=5)

    assert [line.text for line in lines] == ["line 18", "line 19", "line 20", "line 21", "line 22"]
    assert [line.whole for line in lines] == [False, False, True, False, False]
    assert lines[2].words == ((0, 4),)


def test_of_a_long_line_only_the_part_around_the_sentence_is_shown() -> None:
    text = "word " * 400 + "Here it is. " + "more " * 400
    start = text.index("Here")
    (line,) = passage_lines(text, (start, start + 11), (), most=6)

    assert line.text[slice(*line.sentence)] == "Here it is."
    assert not line.whole and len(line.text) < 1000


def test_tabs_and_control_characters_are_shown_as_what_can_be_seen() -> None:
    (line,) = passage_lines("a\tb\x07c", (2, 3), (), most=6)

    assert line.text == "a   b\ufffdc"
    assert line.text[slice(*line.sentence)] == "b"


@given(st.text(max_size=400), st.integers(0, 400), st.integers(0, 80), st.integers(1, 8))
def test_any_sentence_is_marked_in_what_is_shown(text: str, start: int, length: int, most: int) -> None:
    start = min(start, len(text))
    end = min(len(text), start + length)
    begin, last = snippet_window(text, (start, end), most)
    assert 0 <= begin <= start and begin <= last <= len(text)

    lines = passage_lines(text, (start, end), [(start, end)], most)

    units = [len(line.text.encode("utf-16-le", "surrogatepass")) // 2 for line in lines]
    for line, width in zip(lines, units, strict=True):
        assert 0 <= line.sentence[0] <= line.sentence[1] <= width
        assert all(0 <= a <= b <= width for a, b in line.words)
    if "".join(text[start:end].split()) and "\n" not in text[start:end]:
        assert any(line.whole or line.sentence[1] for line in lines)


def test_the_decisive_sentence_is_the_first_that_is_marked() -> None:
    found = samples.a_result()
    start, end = decisive(found.text, found.highlights)
    assert found.text[start:end] == "self._flush.start(33)"
    assert decisive("abc", []) == (0, 0)


def test_why_says_how_the_question_was_understood() -> None:
    facts = dict(why_facts(samples.a_why(allocated_context=8192, removed_citations=[7], rewritten=True)))

    assert facts["Looks like"] == "question (meaning counts 60%)"
    assert facts["Prompt"] == "612 tokens of 8,192 allocated"
    assert facts["Removed citations"] == "[7]: no passage has that number"
    assert facts["Took"] == "8 ms"
    assert "Reranker" not in facts
    assert prompt_text(samples.a_why().prompt).startswith("── system ──\nAnswer from the passages.\n\n── user ──")


def test_what_became_of_a_candidate() -> None:
    given_one, _other, dropped = samples.a_why().candidates
    assert candidate_end(given_one) == "Given as 1"
    assert candidate_end(dropped) == "Near-duplicate"
    assert candidate_end(dropped.model_copy(update={"dropped": "merged", "final_rank": 2})) == "Merged into 2"
    assert candidate_end(dropped.model_copy(update={"dropped": "new_rule"})) == "New rule"
    assert scored(3, 0.714) == "3 · 0.71" and scored(None, None) == "–"
    assert spoken_candidate(dropped) == (
        "old.md · lines 1–9, Near-duplicate, The same text as docs/rendering.md, lines 12–14, by words 4 · 3.00, "
        "joined 0.40"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "waiting"}, ("reading…", "neutral")),
        ({"state": "failed", "message": "Encrypted"}, ("Encrypted", "danger")),
        ({"state": "ready", "files": 1}, ("", "outline")),
        ({"state": "ready", "files": 12}, ("12 files", "outline")),
        ({"state": "ready", "files": 1, "whole": True}, ("given whole", "outline")),
        ({"state": "ready", "files": 12, "whole": False}, ("searched", "outline")),
    ],
)
def test_how_an_attached_file_stands(fields: dict[str, Any], words: tuple[str, str]) -> None:
    assert state_words(wire.ChatFile(path="/a/b.md", **fields)) == words


def test_what_changing_the_embedder_costs() -> None:
    slow = wire_files.EmbedderChoice(id="slow", name="Slow", kind="gguf", chunks_per_s=10.0)
    assert cost_words(samples.a_collection(chunks=1200), slow) == (
        "1,200 chunks will be embedded again, about 2 min. The old index answers until then."
    )
    same = slow.model_copy(update={"id": "all-minilm-l6-v2", "runtime": "openvino bf16", "chunks_per_s": 168.0})
    assert cost_words(samples.a_collection(), same) == "openvino bf16, 168 chunks/s here"


def test_counts_that_do_not_agree_are_told() -> None:
    counts = wire_files.CollectionCounts(
        collection="notes",
        on_disk=9,
        in_database=9,
        skipped=1,
        failed=0,
        chunks=20,
        lexical_rows=20,
        database_vectors=20,
        index_vectors=19,
    )
    assert [agrees for _count, agrees in count_cells(counts)] == [True] * 7 + [False]
    one_failed = counts.model_copy(update={"on_disk": 10, "failed": 1, "index_vectors": 20})
    assert all(agrees for _count, agrees in count_cells(one_failed))
    one_unknown = counts.model_copy(update={"on_disk": 10})
    assert [agrees for _count, agrees in count_cells(one_unknown)][:2] == [False, False]
    report = wire_files.FilesDoctorReport(
        ok=False, counts=[counts], findings=[wire_files.Finding(kind="stale", count=1, message="One.")], took_ms=40
    )
    assert verdict_words(report) == ("warning", "1 finding. Checked in 0.04 s.")
    assert verdict_words(report.model_copy(update={"ok": True, "findings": [], "repaired": 1})) == (
        "success",
        "Everything agrees. 1 thing repaired. Checked in 0.04 s.",
    )


def test_the_summary_of_sources() -> None:
    source = samples.a_why().sources[0]
    message = wire.Message(
        id="a",
        chat_id="c",
        parent_id=None,
        role="assistant",
        content="",
        state="complete",
        created_at=0.0,
        sources=[source, source.model_copy(update={"number": 2, "cited": False})],
    )
    assert summary_words(message, None) == "2 passages, 1 cited"
    assert summary_words(message, samples.a_why()) == "2 of 3 candidates, 1 cited, 8 ms, hybrid search"


def test_sentences_are_found_in_what_is_shown_of_them() -> None:
    shown = "It is bold and 𝔘nusual: 1 yes. The moon is made of cheese. End."
    found = places_of(["It is **bold** and 𝔘nusual: [1] yes.", "The moon is made of `cheese`.", "End."], shown)

    units = shown.encode("utf-16-le")
    assert [units[2 * a : 2 * b].decode("utf-16-le") for a, b in found] == [
        "It is bold and 𝔘nusual: 1 yes.",
        "The moon is made of cheese.",
    ]  # the third is too short to be sure of
