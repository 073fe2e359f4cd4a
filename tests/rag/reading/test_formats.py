"""One test per format: its text, its structure, and where each piece of it stands."""

from __future__ import annotations

import json
from bisect import bisect_right

import pytest

from rag.chunking import chunk
from rag.errors import ParseFailed
from rag.types import Document
from tests.rag.reading import making
from tests.rag.reading.conftest import Parse


def pieces(document: Document, kind: str) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.kind == kind]


def below(document: Document, text: str) -> tuple[str, ...]:
    """The headings of the one block that is this text."""
    (found,) = (block for block in document.blocks if document.text[block.start : block.end] == text)
    return found.headings


def places(document: Document) -> list[str]:
    return [block.place for block in document.blocks]


def in_file(document: Document, text: str, source: str) -> str:
    """What stands in the file where `text` comes from, by the anchors."""
    start = document.text.index(text)
    at, there = document.anchors[bisect_right([anchor[0] for anchor in document.anchors], start) - 1]
    return source[there + start - at :][: len(text)]


def test_plain_text_has_paragraphs(parsed: Parse) -> None:
    document = parsed("notes.txt", "One\ntwo.\r\n\r\n  Three.\n")
    assert pieces(document, "paragraph") == ["One\ntwo.\r", "  Three."]
    assert (document.kind, document.exact, document.title) == ("prose", True, "One")


MARKDOWN = """---
title: The guide
---
# Install

Get it:
- one
- two

  more of two

## From *source*
```sh
# no heading
make
```
| a | b |
|---|---|
| 1 | 2 |

> quoted
still quoted

Setext
------
Text
"""


def test_markdown_has_headings_lists_tables_code_and_quotes(parsed: Parse) -> None:
    document = parsed("README.md", MARKDOWN)
    assert document.title == "The guide"
    assert pieces(document, "heading") == ["# Install", "## From *source*", "Setext\n------"]
    assert pieces(document, "list") == ["- one\n- two\n\n  more of two"]
    assert pieces(document, "table") == ["| a | b |\n|---|---|\n| 1 | 2 |"]
    assert pieces(document, "code") == ["```sh\n# no heading\nmake\n```"]
    assert pieces(document, "quote") == ["> quoted\nstill quoted"]
    assert pieces(document, "meta") == ["---\ntitle: The guide\n---\n"]
    assert below(document, "> quoted\nstill quoted") == ("Install", "From *source*")
    assert below(document, "Text") == ("Install", "Setext")


RST = """=====
Title
=====

Intro::

    literal

Part
----

* one
* two

.. note:: Careful.

   Really.

====  ====
a     b
====  ====
1     2
====  ====

Deeper
~~~~~~
Text.
"""


def test_restructuredtext_levels_come_from_the_order_of_its_lines(parsed: Parse) -> None:
    document = parsed("index.rst", RST)
    assert document.title == "Title"
    headings = [(block.level, block.name) for block in document.blocks if block.kind == "heading"]
    assert headings == [(1, "Title"), (2, "Part"), (3, "Deeper")]
    assert pieces(document, "code") == ["    literal"]
    assert pieces(document, "list") == ["* one\n* two"]
    assert pieces(document, "table") == ["====  ====\na     b\n====  ====\n1     2\n====  ===="]
    assert below(document, ".. note:: Careful.\n\n   Really.") == ("Title", "Part")
    assert below(document, "Text.") == ("Title", "Part", "Deeper")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.adoc", "= Top\n\nIntro\n\n== Part\n\nText\n"),
        ("a.org", "* Top\nIntro\n** Part\nText\n"),
        ("a.tex", "\\section{Top}\nIntro\n\\subsection{Part}\nText\n"),
    ],
)
def test_marks_of_headings_make_an_outline(parsed: Parse, name: str, text: str) -> None:
    assert below(parsed(name, text), "Text") == ("Top", "Part")


HTML = """<!DOCTYPE html><html><head><title>My &amp; page</title><style>x{}</style></head>
<body><nav><a>menu</a></nav><h1>Top  title</h1><p>Hello <b>bold</b>   &lt;world&gt; and
 more.</p><!-- <p>gone</p> --><ul><li>One</li><li>Two <i>x</i></li></ul><h2>Sub</h2><pre>
def f():
    return 1 &amp; 2
</pre><table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>
<p>a < b<script>evil</script> tail</body></html>
"""


def test_html_shows_what_a_reader_sees_and_where_it_stands(parsed: Parse) -> None:
    document = parsed("page.html", HTML)
    assert document.title == "My & page"
    assert pieces(document, "paragraph") == ["Hello bold <world> and more.", "a < b tail"]
    assert pieces(document, "list") == ["- One", "- Two x"]
    assert pieces(document, "code") == ["def f():\n    return 1 & 2"]
    assert pieces(document, "table") == ["A | B\n1 | 2"]
    assert below(document, "- One") == ("Top title",)
    for text in ("Hello", "bold", "world", "more.", "Two", "return 1", "Sub", " tail"):
        assert in_file(document, text, HTML) == text
    chunks = chunk(document, source=HTML)
    assert HTML.split("\n")[chunks[-1].end_line - 1].startswith("<p>a < b")


def test_html_with_main_gives_that_alone(parsed: Parse) -> None:
    document = parsed("page.html", "<body><div>shell</div><main id=m><p>Text</p></main><footer>foot</footer>")
    assert document.text == "Text"


@pytest.mark.parametrize(
    "broken", ["<p>one<p", '<a href="x>one</a>', "<!-- one", "one &bogus; &#xffffffff; <", "<" * 5000]
)
def test_broken_html_is_no_problem(parsed: Parse, broken: str) -> None:
    assert "before" in parsed("page.html", f"<p>before</p>{broken}").text


def test_pdf_has_pages_and_the_headings_of_its_outline(parsed: Parse) -> None:
    pages = ["First page line.\nSecond line", "1 Intro\nNext page text about dogs."]
    document = parsed("a.pdf", making.pdf(pages, title="The report", outline=[("Intro", 1)]))
    assert (document.title, document.exact, document.kind) == ("The report", False, "prose")
    assert [document.text[page.start : page.end] for page in document.pages] == [
        "First page line.\nSecond line",
        "1 Intro\n\nNext page text about dogs.",
    ]
    assert pieces(document, "heading") == ["1 Intro"]
    assert below(document, "Next page text about dogs.") == ("Intro",)
    assert [(found.page, found.end_page, found.file_start) for found in chunk(document)] == [(1, 1, -1), (2, 2, -1)]


def test_docx_has_headings_lists_and_tables(parsed: Parse) -> None:
    document = parsed("a.docx", making.docx())
    assert document.title == "The handbook"
    assert pieces(document, "list") == ["- Needs a compiler.", "- Needs patience."]
    assert pieces(document, "table") == ["Name | Size\nalpha | 12"]
    assert below(document, "The end.") == ("Install", "From source")


def test_pptx_has_a_page_per_slide(parsed: Parse) -> None:
    document = parsed("a.pptx", making.pptx())
    assert (document.kind, document.title) == ("slides", "Why")
    assert [document.text[page.start : page.end] for page in document.pages] == [
        "Why\n\n- First reason\n- Second reason",
        "Figures\n\nYear | Sum\n2024 | 17\n\nSpeak slowly.",
    ]
    assert below(document, "Year | Sum\n2024 | 17") == ("Figures",)


def test_xlsx_rows_know_their_columns_and_their_sheet(parsed: Parse) -> None:
    document = parsed("a.xlsx", making.xlsx())
    assert pieces(document, "row") == ["City | Sum", "Bern | 12.5", "Oslo | 3", "Only one cell"]
    assert below(document, "Oslo | 3") == ("Sheet Sales", "City | Sum")
    assert places(document)[2:] == ["sheet Sales, row 4", "sheet Notes, row 1"]
    assert [page.number for page in document.pages] == [1, 2]


def test_odt_has_headings_lists_and_tables(parsed: Parse) -> None:
    document = parsed("a.odt", making.odt())
    assert document.title == "Guide"
    assert pieces(document, "paragraph") == ["Unpack  the big archive."]
    assert pieces(document, "table") == ["a | b"]
    assert below(document, "- One") == ("Install",)


def test_epub_is_read_in_the_order_of_its_spine(parsed: Parse) -> None:
    document = parsed("a.epub", making.epub())
    assert document.title == "The book"
    assert document.text == "Chapter one\n\nIt began.\n\nChapter two\n\nIt ended."
    assert places(document) == ["chapter 1", "chapter 1", "chapter 2", "chapter 2"]


MAIL = (
    b"From: a@x.org\r\nTo: b@x.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
    b"--B\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nSch\xf6n.\r\n\r\n> quoted\r\n"
    b"--B\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=p.png\r\n\r\nxx\r\n--B--\r\n"
)


def test_mail_has_its_heads_and_its_text(parsed: Parse) -> None:
    document = parsed("a.eml", MAIL)
    assert (document.kind, document.title) == ("mail", "Grüße")
    assert pieces(document, "meta") == ["From: a@x.org\nTo: b@x.org\nSubject: Grüße"]
    assert pieces(document, "paragraph") == ["Schön."]
    assert pieces(document, "quote") == ["> quoted"]
    assert document.warnings == ("Attachments were not read: p.png.",)


def test_mail_without_plain_text_shows_its_html(parsed: Parse) -> None:
    document = parsed("a.eml", "Subject: x\nContent-Type: text/html\n\n<h1>Hi</h1><p>there</p>")
    assert pieces(document, "heading") == ["Hi"]


def test_mailbox_has_a_place_per_message(parsed: Parse) -> None:
    document = parsed("a.mbox", b"From x\nSubject: one\n\n>From here\n\nFrom y\nSubject: two\n\nBody\n")
    assert pieces(document, "paragraph") == ["From here", "Body"]
    assert below(document, "Body") == ("two",)
    assert places(document)[-1] == "message 2"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_rows_of_tables_know_their_columns(parsed: Parse, name: str) -> None:
    comma = "\t" if name.endswith("tsv") else ","
    document = parsed(name, f'city{comma}note\nBern{comma}"two\nlines"\nOslo{comma}x\n')
    assert pieces(document, "row") == [f"city{comma}note", f'Bern{comma}"two\nlines"', f"Oslo{comma}x"]
    assert below(document, f"Oslo{comma}x") == ("city note" if comma == "\t" else "city,note",)
    assert [(found.start_line, found.end_line) for found in chunk(document)] == [(1, 4)]


def test_a_table_of_numbers_has_no_header(parsed: Parse) -> None:
    assert below(parsed("a.csv", "1,2\n3,4\n"), "3,4") == ()


def test_json_is_cut_along_its_members(parsed: Parse) -> None:
    data = {
        "name": "x",
        "scripts": {"build": "b" * 600, "test": "t" * 600},
        "rest": [{"id": n, "v": "w" * 300} for n in range(6)],
    }
    document = parsed("package.json", json.dumps(data, indent=2))
    texts = {document.text[block.start : block.end].strip()[:9]: block.headings for block in document.blocks}
    assert texts['"test": "'] == ("scripts",)
    assert ("rest",) in texts.values()
    assert "".join(document.text[block.start : block.end] for block in document.blocks) == document.text


def test_small_or_broken_json_is_text(parsed: Parse) -> None:
    assert parsed("a.json", '{"a": 1}').blocks == ()
    assert parsed("a.json", '{"a": [1, 2}' * 200).blocks == ()


def test_json_lines_are_rows(parsed: Parse) -> None:
    assert pieces(parsed("a.jsonl", '{"a": 1}\n\n{"a": 2}'), "row") == ['{"a": 1}', '{"a": 2}']


def test_yaml_is_cut_at_its_keys(parsed: Parse) -> None:
    large = "".join(f"  job{n}:\n    run: {'x' * 400}\n" for n in range(3))
    document = parsed("ci.yml", f"# What\nname: ci\njobs:\n{large}on: push\n")
    assert [(block.headings, block.name) for block in document.blocks] == [
        ((), "name"),
        ((), "jobs"),
        (("jobs",), "job0"),
        (("jobs",), "job1"),
        (("jobs",), "job2"),
        ((), "on"),
    ]


@pytest.mark.parametrize("name", ["a.toml", "a.ini"])
def test_settings_have_sections(parsed: Parse, name: str) -> None:
    document = parsed(name, "top = 1\n# About a\n[a.b]\nx = 2\n\n[[c]]\ny = 3\n")
    assert [(block.kind, block.name) for block in document.blocks] == [
        ("code", ""),
        ("symbol", "[a.b]"),
        ("symbol", "[c]"),
    ]
    assert pieces(document, "symbol")[0] == "# About a\n[a.b]\nx = 2\n\n"


def test_xml_is_its_own_text(parsed: Parse) -> None:
    document = parsed("a.xml", "<?xml version='1.0'?><a>&lt;b</a>")
    assert (document.kind, document.exact, document.text) == ("data", True, "<?xml version='1.0'?><a>&lt;b</a>")


def test_log_entries_keep_their_traces(parsed: Parse) -> None:
    trace = "Traceback (most recent call last):\n  File x\nValueError: no\n"
    log = f"2024-01-01 INFO start\n2024-01-01 ERROR boom\n{trace}2024-01-02 INFO end\n"
    document = parsed("server.log.3", log)
    assert document.kind == "log"
    assert [len(piece.split("\n")) for piece in pieces(document, "row")] == [1, 4, 1]


def notebook(*cells: dict[str, object]) -> str:
    return json.dumps({"nbformat": 4, "metadata": {"language_info": {"name": "python"}}, "cells": cells}, indent=1)


def test_notebook_cells_have_places_and_lead_back_to_the_file(parsed: Parse) -> None:
    image = {"output_type": "display_data", "data": {"image/png": "iVBOR" * 50, "text/plain": ["<Figure>"]}}
    printed = {"output_type": "stream", "text": ["\u001b[31mred\u001b[0m\n"]}
    source = notebook(
        {"cell_type": "markdown", "source": ["# Top\n", "\n", 'It "is" so.']},
        {"cell_type": "code", "source": ["import os\n", "print('ä')"], "outputs": [printed, image]},
    )
    document = parsed("a.ipynb", source)
    assert (document.kind, document.title, document.language) == ("notebook", "Top", "python")
    assert pieces(document, "heading") == ["# Top"]
    assert pieces(document, "code") == ["import os\nprint('ä')"]
    assert pieces(document, "quote") == ["red\n<Figure>"]
    assert places(document) == ["cell 1", "cell 1", "cell 2", "cell 2, output"]
    assert below(document, "import os\nprint('ä')") == ("Top",)
    for text in ("Top", "is", "so.", "import os", "print"):
        assert in_file(document, text, source) == text
    lines = source.split("\n")
    code = next(found for found in chunk(document, source=source) if "import os" in found.text)
    assert "print" in "\n".join(lines[code.start_line - 1 : code.end_line])


def test_a_notebook_that_is_none_is_damaged(parsed: Parse) -> None:
    with pytest.raises(ParseFailed) as failed:
        parsed("a.ipynb", '{"cells": [')
    assert failed.value.reason == "damaged"


def test_a_script_is_known_by_its_first_line(parsed: Parse) -> None:
    document = parsed("deploy", "#!/usr/bin/env -S python3 -u\ndef main():\n    pass\n")
    assert (document.kind, document.language) == ("code", "python")


def test_page_by_content_when_the_name_says_nothing(parsed: Parse) -> None:
    assert parsed("download", "<!DOCTYPE html><p>Hi</p>").text == "Hi"
    assert parsed("report", making.pdf(["A page of text."])).pages


def test_the_rows_of_a_large_table_come_in_groups(parsed: Parse) -> None:
    text = "id,name\n" + "".join(f"{n},name {n}\n" for n in range(30_000))
    document = parsed("a.csv", text)
    assert len(document.blocks) < 1500
    assert all(block.end - block.start <= 600 for block in document.blocks)
    assert "".join(document.text[block.start : block.end] + "\n" for block in document.blocks) == text
    assert document.blocks[-1].headings == ("id,name",)


def test_what_is_too_large_for_its_structure_is_read_by_its_lines(parsed: Parse) -> None:
    document = parsed("a.md", "# no heading\n" * 700_000)
    assert (document.blocks, document.kind) == ((), "prose")
    assert document.warnings
