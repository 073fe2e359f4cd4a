"""The parts of files in the service that decide without touching anything."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop import wire_files as wire
from desktop.editors import EDITORS, Place, command_for, editor_problem
from desktop.service.api_errors import ApiError
from desktop.service.files.checks import passage_of, verdict
from desktop.service.files.citations import CitedAnswer, CitedFramer, not_found_events
from desktop.service.files.evidence import Evidence, without_gone
from desktop.service.files.on_port import FilesOnPort, question_of, with_passages
from desktop.service.files.retrieval import Retrieval, ended
from desktop.service.files.rows import scan_rules, stored_rules, wire_rules
from desktop.service.files.search import FileSearch
from desktop.service.files.text import joined
from desktop.service.model_list import leaves_machine
from rag.answer.prompt import INSTRUCTIONS
from rag.answer.types import NumberedSource
from rag.embedding.choices import BUILT_IN
from rag.errors import CollectionNotFound
from rag.files import Files, FilesPlaces
from rag.indexing import looking
from rag.scan import ScanRules
from rag.store.rows import NewCollectionRow
from rag.types import Chunk, Hit

# Editors


def found(*programs: str) -> Any:
    return lambda program: f"/usr/bin/{program}" if program in programs else None


@pytest.mark.parametrize(
    ("editor", "programs", "command"),
    [
        ("vscode", ("code",), ["/usr/bin/code", "-g", "/a b/c.py:7:3"]),
        ("vscode", ("code-insiders",), ["/usr/bin/code-insiders", "-g", "/a b/c.py:7:3"]),
        ("jetbrains", ("pycharm",), ["/usr/bin/pycharm", "--line", "7", "--column", "3", "/a b/c.py"]),
        ("zed", ("zed",), ["/usr/bin/zed", "/a b/c.py:7:3"]),
        ("vim", ("xterm",), ["/usr/bin/xterm", "-e", "vim", "+7", "/a b/c.py"]),
        ("emacs", ("emacs",), ["/usr/bin/emacs", "+7:3", "/a b/c.py"]),
        ("", ("xdg-open",), ["/usr/bin/xdg-open", "/a b/c.py"]),
        ("kak -e 'edit {file} {line}'", ("kak",), ["/usr/bin/kak", "-e", "edit /a b/c.py 7"]),
        ("vscode", (), None),
    ],
)
def test_an_editor_gets_an_argv_list(editor: str, programs: tuple[str, ...], command: list[str] | None) -> None:
    assert command_for(editor, Place(Path("/a b/c.py"), 7, 3), found(*programs)) == command


def test_a_page_is_shown_by_a_viewer_or_the_editor_that_was_named() -> None:
    place = Place(Path("/paper.pdf"), page=12)
    assert command_for("vscode", place, found("code", "okular")) == ["/usr/bin/okular", "-p", "12", "/paper.pdf"]
    assert command_for("view {file} {page}", place, found("view")) == ["/usr/bin/view", "/paper.pdf", "12"]


def test_a_file_s_name_never_becomes_more_than_one_argument() -> None:
    name = "/x; rm -rf ~ $(id) `id` {line} 'a' \"b\".py"
    for editor in (*EDITORS, "my {file}:{line}"):
        command = command_for(editor, Place(Path(name)), lambda program: program)
        assert command is not None
        assert sum(name in word for word in command) == 1


@pytest.mark.parametrize(
    "editor", [*EDITORS, "", "hx {file}:{line}:{column}", shutil.which("true") or "true" + " {file}"]
)
def test_editors_that_can_be_chosen(editor: str) -> None:
    assert editor_problem(editor if "{" in editor or editor in EDITORS or not editor else f"{editor} {{file}}") == ""


@pytest.mark.parametrize(
    "editor", ["notepad", "code {path}", "'open {file}", "{file}", "code {file.name}", "x {file[0]}"]
)
def test_editors_that_cannot(editor: str) -> None:
    assert editor_problem(editor)


# Texts from chunks


@given(st.text(alphabet="ab \n", max_size=120), st.lists(st.integers(1, 12), max_size=12))
def test_chunks_give_back_their_text_but_for_blanks(text: str, sizes: list[int]) -> None:
    chunks, start = [], 0
    for ordinal, size in enumerate(sizes):
        piece = text[start : start + size]
        if piece.strip():
            stripped = piece.strip()
            begin = start + piece.index(stripped)
            line = text[:begin].count("\n") + 1
            chunks.append(
                Chunk(
                    ordinal=ordinal,
                    start=begin,
                    end=begin + len(stripped),
                    file_start=begin,
                    file_end=begin + len(stripped),
                    start_line=line,
                    end_line=line + stripped.count("\n"),
                    text=stripped,
                    kind="prose",
                )
            )
        start += size
    again = joined(chunks)
    if not chunks:
        assert again == ""
        return
    whole = text[chunks[0].start : chunks[-1].end]
    assert again.split() == whole.split()
    assert len(again) == len(whole)
    assert again.count("\n") == whole.count("\n")


# What became of candidates


def test_a_candidate_is_named_by_the_number_its_passage_has_in_the_prompt() -> None:
    def candidate(chunk_id: int, rank: int | None) -> wire.CandidateRow:
        return wire.CandidateRow(chunk_id=chunk_id, path="a.md", start_line=1, end_line=2, final_rank=rank)

    numbers, dropped = {7: 1, 9: 2, 10: 2}, {8: "It takes 900 tokens, and 80 are left of the context."}
    rows = [ended(candidate(*one), numbers, dropped) for one in ((7, 1), (8, 2), (9, 3), (10, 3), (11, None))]
    assert [row.final_rank for row in rows] == [1, None, 2, 2, None]
    assert [row.dropped for row in rows] == ["", "budget", "", "", ""]
    assert rows[1].why == dropped[8]


# Checks


def hit(path: str, first: int, last: int) -> Hit:
    return Hit(
        chunk_ids=(1,),
        collection="c",
        root="/r",
        path=path,
        file=f"/r/{path}",
        start_char=0,
        end_char=1,
        start_line=first,
        end_line=last,
        page=None,
        end_page=None,
        place="",
        header="",
        kind="prose",
        text="text",
        score=1.0,
    )


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        ("a.md:3-9", True),
        ("a.md:9-12", True),
        ("a.md:12", False),
        ("a.md", True),
        ("/r/a.md:5", True),
        ("b.md:3-9", False),
        ("a:b.md:7", True),
    ],
)
def test_a_check_holds_when_some_hit_has_the_place(expected: str, holds: bool) -> None:
    passed, message = verdict([expected], [hit("a.md", 3, 10), hit("a:b.md", 1, 8)])
    assert passed is holds
    assert holds or expected in message


def test_a_place_is_read_from_its_end() -> None:
    assert (passage_of("a:3/b.md:4-5").path, passage_of("a:3/b.md:4-5").first) == ("a:3/b.md", 4)


def test_rules_are_stored_as_the_scan_knows_them() -> None:
    rules = wire.CollectionRules(include=["*.log"], exclude=["/x"], hidden=True, max_file_mib=7)
    assert wire_rules(stored_rules(rules)) == rules
    assert looking.scan_rules(stored_rules(rules)) == scan_rules(rules)
    assert looking.scan_rules({}) == ScanRules()


# The port


def source(number: int, text: str) -> wire.Source:
    return wire.Source(
        path="a.md",
        start_line=1,
        end_line=2,
        start_char=0,
        end_char=4,
        text=text,
        score=0.5,
        number=number,
        file="/r/a.md",
    )


def streamed(pieces: list[str], cuts: list[int], sources: list[wire.Source]) -> list[dict[str, Any]]:
    """The events a client gets for an answer that the engine writes in these pieces, read in reads cut anywhere."""
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces
    ]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": {"total_tokens": 9}})
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    framer = CitedFramer(CitedAnswer("m@c", sources))
    borders = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    out = b"".join(framer.feed(data[start:end]) for start, end in itertools.pairwise(borders))
    assert framer.done
    assert out.endswith(b"data: [DONE]\n\n")
    return [json.loads(event[6:]) for event in out.split(b"\n\n")[:-2]]


@given(
    st.lists(st.sampled_from(["As ", "[1]", "[", "7", "]", " it is", "[2", ", 1]", ". "]), max_size=12),
    st.lists(st.integers(0, 5000)),
)
def test_a_stream_loses_the_citations_that_name_no_passage_and_no_others(pieces: list[str], cuts: list[int]) -> None:
    sources = [source(1, "one")]
    events = streamed(pieces, cuts, sources)
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])
    whole = CitedAnswer("m@c", sources).whole(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(pieces)}}]}
    )
    assert text == whole["choices"][0]["message"]["content"]
    assert events[-1]["citations"] == events[-2]["citations"] == whole["citations"]
    assert all(event["model"] == "m@c" for event in events)


def test_a_citation_is_kept_or_left_out_as_it_names_a_passage_or_not() -> None:
    events = streamed(["So it is [", "1] and", " not [7", "]."], [30, 31, 90], [source(1, "one")])
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])
    assert text == "So it is [1] and not."
    assert events[-1]["citations"][0]["cited"]


def test_events_that_are_no_answer_pass_as_they_are() -> None:
    framer = CitedFramer(CitedAnswer("m@c", []))
    assert framer.feed(b':\n\ndata: {"error": {"message": "no"}}\n\n') == b':\n\ndata: {"error": {"message": "no"}}\n\n'
    assert framer.failed


def test_a_stream_without_an_answer_ends_as_any_other() -> None:
    events = not_found_events("m@c", "Not in your files.", usage=True)
    assert events.endswith(b"data: [DONE]\n\n")
    chunks = [json.loads(event[6:]) for event in events.split(b"\n\n")[:-2]]
    assert [chunk["object"] for chunk in chunks] == ["chat.completion.chunk"] * 3
    assert chunks[-1]["usage"]["total_tokens"] == 0


def test_passages_go_into_the_last_question_and_nothing_else_is_lost() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "So it is [3]."},
        {"role": "user", "content": [{"type": "text", "text": "And then?"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "sunny", "tool_call_id": "1"},
    ]
    changed = with_passages(messages, [NumberedSource(1, hit("a.md", 3, 9))])
    assert changed[0]["content"] == f"Be brief.\n\n{INSTRUCTIONS}"
    assert changed[1] == messages[1]
    assert changed[2]["content"] == "So it is."
    asked, image = changed[3]["content"]
    assert asked["text"].startswith("[1] a.md, lines 3–9\n```\ntext\n```")
    assert asked["text"].endswith("Question: And then?")
    assert image == {"type": "image_url", "image_url": {}}
    assert changed[4:] == messages[4:]
    assert question_of(messages)[0] == "And then?"
    assert [turn.content for turn in question_of(messages)[1]] == ["First?", "So it is [3]."]


@pytest.mark.parametrize("messages", [[{"role": "system", "content": "x"}], [{"role": "user", "content": " "}]])
def test_files_need_a_question(messages: list[dict[str, Any]]) -> None:
    with pytest.raises(ApiError, match="message of the user"):
        question_of(messages)


@pytest.mark.parametrize(
    ("client", "leaves"),
    [
        (("127.0.0.1", 5), False),
        (("::1", 5), False),
        (("::ffff:127.0.0.1", 5), False),
        (("192.168.1.7", 5), True),
        (("::ffff:10.0.0.1", 5), True),
        (("", 0), False),
        (None, False),
    ],
)
def test_an_answer_leaves_the_machine_when_its_client_is_elsewhere(client: Any, leaves: bool) -> None:
    assert leaves_machine({"type": "http", "client": client}) is leaves


def test_evidence_loses_the_text_of_chunks_that_are_gone() -> None:
    candidate = wire.CandidateRow(chunk_id=1, path="a.md", start_line=1, end_line=2, text="kept")
    gone = candidate.model_copy(update={"chunk_id": 2, "text": "secret", "header": "secret"})
    sources = [
        source(1, "kept").model_copy(update={"chunk_ids": [1]}),
        source(2, "secret").model_copy(update={"chunk_ids": [1, 2]}),
    ]
    why = wire.Why(
        question="q",
        query="q",
        collections=[],
        query_kind="question",
        dense_weight=0.5,
        candidates=[candidate, gone],
        sources=sources,
        prompt=[{"role": "user", "content": "kept and secret"}],
    )
    assert without_gone(why, {1, 2}) == why
    assert "kept" not in without_gone(why, {1, 2}, {"/r/a.md"}).sources[0].text
    left = without_gone(why, {1})
    assert "secret" not in left.model_dump_json()
    assert "kept" in left.model_dump_json()


@pytest.mark.anyio
async def test_what_never_leaves_is_not_there_for_other_machines(tmp_path: Path) -> None:
    places = FilesPlaces(tmp_path / "files.db", tmp_path / "vectors", tmp_path / "cache", tmp_path / "run")
    index = await Files.open(places)
    try:
        for name in ("diary", "manual"):
            row = await index.store.create_collection(NewCollectionRow(name, BUILT_IN, local_only=name == "diary"))
            await index.store.add_root(row.id, str(tmp_path / name))
        evidence = Evidence(index.store)
        search = FileSearch(index, evidence)
        port = FilesOnPort(index, search, Retrieval(index, evidence), lambda: True)
        assert await port.collections(leaves=False) == ["diary", "manual"]
        assert await port.collections(leaves=True) == ["manual"]
        assert (await search.asked("", leaves=True)).names == ["manual"]
        assert (await search.asked("", leaves=False)).local_only == {"diary"}
        with pytest.raises(CollectionNotFound, match="diary"):
            await search.asked("diary", leaves=True)
        asked = [{"role": "user", "content": "What did I write?"}]
        with pytest.raises(ApiError) as caught:
            await port.retrieve("diary", asked, leaves=True)
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    finally:
        await index.close()
