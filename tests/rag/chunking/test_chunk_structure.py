"""Where documents with structure are cut, and what their chunks' headers say."""

from __future__ import annotations

from rag.chunking import ChunkRules, Sizes, chunk
from rag.types import Block, Chunk, Document, Page
from tests.rag.chunking.documents import blocks_of

_SIZES = Sizes(target=100, limit=140, join=60, small=20)
RULES = ChunkRules(prose=_SIZES, paged=_SIZES, code=_SIZES, data=_SIZES)
LONG = "Words of a sentence that go on. "


def firsts(chunks: tuple[Chunk, ...]) -> list[tuple[str, str]]:
    """Header and first line of each chunk."""
    return [(one.header, one.text.strip().split("\n")[0]) for one in chunks]


def test_sections_are_kept_apart_and_carry_the_headings_above_them() -> None:
    text = f"# Guide\n\n{LONG}\n\n## Install\n\n{LONG * 2}\n\n{LONG * 2}\n\n## Use\n\n{LONG * 2}\n"
    blocks = blocks_of(
        text,
        ("heading", "# Guide", ()),
        ("paragraph", LONG.strip(), ("Guide",)),
        ("heading", "## Install", ("Guide",)),
        ("paragraph", (LONG * 2).strip(), ("Guide", "Install")),
        ("paragraph", (LONG * 2).strip(), ("Guide", "Install")),
        ("heading", "## Use", ("Guide",)),
        ("paragraph", (LONG * 2).strip(), ("Guide", "Use")),
    )

    chunks = chunk(Document("prose", text, blocks=blocks), RULES)

    assert firsts(chunks) == [
        ("", "# Guide"),
        ("Guide", "## Install"),
        ("Guide › Install", LONG.strip() + " " + LONG.strip()),
        ("Guide", "## Use"),
    ]


def test_small_sections_of_one_parent_share_a_chunk() -> None:
    sections = [f"## S{number}\n\nShort.\n\n" for number in range(30)]
    text = "# All\n\n" + "".join(sections)
    blocks = blocks_of(
        text,
        ("heading", "# All", ()),
        *(
            part
            for number in range(30)
            for part in [("heading", f"## S{number}", ("All",)), ("paragraph", "Short.", ("All", f"S{number}"))]
        ),  # type: ignore[arg-type]
    )

    chunks = chunk(Document("prose", text, blocks=blocks), RULES)

    assert all(one.text.startswith(("# All", "## S")) and one.text.endswith("Short.") for one in chunks)
    assert [one.header for one in chunks] == ["", *["All"] * (len(chunks) - 1)]
    assert max(one.text.count("##") for one in chunks) == 4


def test_a_table_is_cut_between_rows_under_its_column_names() -> None:
    rows = [f"| {number} | some words |" for number in range(20)]
    text = "\n".join(["| id | words |", "|---|---|", *rows])
    document = Document("prose", text, blocks=(Block("table", 0, len(text), headings=("Data",)),))

    chunks = chunk(document, RULES)

    assert len(chunks) > 2
    assert all(line.startswith("|") and line.endswith("|") for one in chunks for line in one.text.split("\n"))
    assert [one.header for one in chunks] == ["Data"] + ["Data\n| id | words |"] * (len(chunks) - 1)


def test_a_table_and_a_list_that_fit_stay_whole() -> None:
    table, items = "| a | b |\n|---|---|\n| 1 | 2 |", "- one thing\n- another thing\n- a third thing"
    text = f"{LONG * 2}\n\nThe following:\n\n{items}\n\n{LONG * 3}\n\n{table}\n\n{LONG * 2}"
    parts = [(LONG * 2).strip(), "The following:", items, (LONG * 3).strip(), table, (LONG * 2).strip()]
    blocks = blocks_of(text, *(("paragraph", part, ()) for part in parts))

    texts = [one.text for one in chunk(Document("prose", text, blocks=blocks), RULES)]

    assert any(items in one and "The following:" in one for one in texts)
    assert any(table in one for one in texts)


def test_a_paragraph_that_is_too_long_is_cut_between_sentences() -> None:
    chunks = chunk(Document("prose", LONG * 20), RULES)

    assert len(chunks) > 3
    assert all(one.text.startswith("Words") and one.text.endswith("go on.") for one in chunks)
    assert max(len(one.text) for one in chunks) - min(len(one.text) for one in chunks) <= len(LONG)


CLASS = '''\
import os


class Cache(Base):
    """Keeps things."""

    # How often it was asked.
    @property
    def asked(self):
        return self._asked

    def get(self, key):
        return self._rows[key]

    def fill(self, rows):
        for row in rows:
            if row.key in self._rows:
                self._count(row.key)
            else:
                self._add(row)
        self._check()
        for key in list(self._rows):
            self._touch(key)
            self._log(key)
        return self


def free():
    return 1
'''


def _class() -> Document:
    inside = ("class Cache(Base)",)
    pieces = [
        ("import os\n\n\n", "code", (), ""),
        ('class Cache(Base):\n    """Keeps things."""\n\n', "symbol", (), "class Cache(Base)"),
        (CLASS[CLASS.index("    # How") : CLASS.index("    def get")], "symbol", inside, "def asked(self)"),
        (CLASS[CLASS.index("    def get") : CLASS.index("    def fill")], "symbol", inside, "def get(self, key)"),
        (CLASS[CLASS.index("    def fill") : CLASS.index("def free")], "symbol", inside, "def fill(self, rows)"),
        (CLASS[CLASS.index("def free") :], "symbol", (), "def free()"),
    ]
    blocks: list[Block] = []
    for piece, kind, headings, name in pieces:
        start = blocks[-1].end if blocks else 0
        assert CLASS[start : start + len(piece)] == piece
        blocks.append(Block(kind, start, start + len(piece), headings=headings, name=name))  # type: ignore[arg-type]
    return Document("code", CLASS, language="python", blocks=tuple(blocks))


def test_functions_keep_their_comments_and_know_their_class() -> None:
    chunks = chunk(_class(), ChunkRules(code=Sizes(target=150, limit=200, join=120, small=40)))

    assert [(one.header, one.start_line, one.end_line) for one in chunks] == [
        ("", 1, 5),
        ("class Cache(Base)", 7, 10),
        ("class Cache(Base)", 12, 13),
        ("class Cache(Base)", 15, 20),
        ("class Cache(Base) › def fill(self, rows)", 21, 25),
        ("", 28, 29),
    ]


def test_a_function_that_is_cut_is_cut_between_statements_of_its_own_level() -> None:
    chunks = chunk(_class(), ChunkRules(code=Sizes(target=150, limit=200, join=120, small=40)))

    cut = next(one for one in chunks if one.header.endswith("def fill(self, rows)"))
    assert cut.text.startswith("        self._check()\n")


def test_code_without_a_grammar_is_cut_where_lines_are_least_indented() -> None:
    rule = "rule {name} {{\n    when (a > b) {{\n        say a;\n    }}\n}}\n\n"
    text = "".join(rule.format(name=f"number{number}") for number in range(12))

    chunks = chunk(Document("code", text), RULES)

    assert all(one.text.startswith("rule number") and one.text.endswith("}") for one in chunks)


def test_log_lines_stay_whole() -> None:
    text = "".join(f"2026-01-01T00:00:{second:02} GET /index.html 200\n" for second in range(60))

    chunks = chunk(Document("log", text), RULES)

    assert all(line.startswith("2026") and line.endswith("200") for one in chunks for line in one.text.split("\n"))


def test_csv_without_blocks_names_its_columns_in_each_chunk() -> None:
    text = "id,name,price\n" + "".join(f"{number},thing {number},{number}.50\n" for number in range(60))

    chunks = chunk(Document("table", text), RULES)

    assert {one.header for one in chunks[1:]} == {"id,name,price"}


def test_pages_are_not_mixed_and_places_are_told_as_ranges() -> None:
    rows = [f"row {number}: some words\n" for number in range(12)]
    text = "".join(rows)
    starts = [sum(map(len, rows[:number])) for number in range(13)]
    blocks = tuple(
        Block("row", starts[n], starts[n + 1], place=f"sheet Sales, row {n + 2}", headings=("name",)) for n in range(12)
    )
    document = Document(
        "table", text, exact=False, blocks=blocks, pages=(Page(1, 0, starts[5]), Page(2, starts[5], len(text)))
    )

    chunks = chunk(document, RULES)

    assert [(one.page, one.end_page, one.place) for one in chunks] == [
        (1, 1, "sheet Sales, rows 2–6"),
        (2, 2, "sheet Sales, rows 7–13"),
    ]
    assert {(one.file_start, one.file_end) for one in chunks} == {(-1, -1)}


def test_rows_that_know_their_columns_do_not_take_another_row_for_them() -> None:
    text = "id,name\n" + f"1,{LONG * 10}\n"
    blocks = (Block("row", 0, 7), Block("row", 8, len(text), headings=("id,name",)))

    assert {one.header for one in chunk(Document("table", text, blocks=blocks), RULES)[1:]} == {"id,name"}


def test_pages_and_mail_carry_the_title_of_their_document() -> None:
    page = Page(1, 0, len(LONG))
    part = (Block("paragraph", 0, len(LONG), headings=("Chapter",)),)

    assert chunk(Document("prose", LONG, title="Book", blocks=part, pages=(page,)))[0].header == "Book › Chapter"
    assert chunk(Document("mail", LONG, title="Subject", blocks=part))[0].header == "Subject › Chapter"
    assert chunk(Document("prose", LONG, title="Book", blocks=part))[0].header == "Chapter"
    assert chunk(Document("prose", LONG, title="Book"))[0].header == "Book"
    assert chunk(Document("prose", LONG, title="Words of a sentence"))[0].header == ""


def test_text_without_its_markup_tells_offsets_and_lines_of_the_file() -> None:
    source = "<p>\nOne <b>two</b>\n</p>\n<p>\nthree</p>"
    text = "One two\n\nthree"
    anchors = ((0, 4), (4, 11), (7, 18), (9, 28))

    (whole,) = chunk(Document("prose", text, exact=False, anchors=anchors), source=source)

    assert (whole.file_start, whole.file_end) == (4, 33)
    assert (whole.start_line, whole.end_line) == (2, 5)


def test_a_signature_is_found_where_the_reader_gave_none() -> None:
    text = "/** Doc. */\n@Override\npublic int size(\n    int a) {\n" + "    call(a);\n" * 30 + "}\n"
    document = Document("code", text, blocks=(Block("symbol", 0, len(text), headings=("class A",)),))

    assert chunk(document, RULES)[-1].header == "class A › public int size(int a)"


def test_a_header_too_long_for_its_place_keeps_the_inner_parts() -> None:
    headings = ("Outer " * 40, "Inner")
    document = Document("prose", LONG, blocks=(Block("paragraph", 0, len(LONG), headings=headings),))

    assert chunk(document, RULES)[0].header == "Inner"
