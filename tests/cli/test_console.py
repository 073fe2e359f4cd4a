"""What reaches a terminal is text, whatever the names of files hold."""

from __future__ import annotations

import io
import json

import pytest

from desktop.cli.console import Console, one_line, plain, safe_json
from desktop.cli.files_text import place
from desktop.wire_files import SearchResult

HOSTILE = ("\x1b[2J", "\x9b2J", "\x07", "\x7f", "\u202e", "\u2066", "\u2069")


@pytest.mark.parametrize("mark", HOSTILE)
def test_control_and_bidi_characters_reach_no_terminal(mark: str) -> None:
    out = io.StringIO()
    console = Console(as_json=False, out=out)

    console.result({"path": f"a{mark}b.md"}, f"a{mark}b.md")

    assert mark not in out.getvalue()
    assert plain(f"a{mark}b") == "a" + plain(mark) + "b"


@pytest.mark.parametrize("mark", HOSTILE)
def test_json_escapes_them_and_means_the_same(mark: str) -> None:
    written = safe_json({"path": f"a{mark}b.md", "title": "Grüße\n"})

    assert mark not in written
    assert "Grüße" in written
    assert json.loads(written) == {"path": f"a{mark}b.md", "title": "Grüße\n"}


def test_a_name_of_two_lines_is_no_line_of_ours() -> None:
    hit = SearchResult(
        path="a.md\nproven: yes\t\u2028x", start_line=1, end_line=2, start_char=0, end_char=3, text="abc", score=1.0
    )
    console = Console(as_json=False, out=io.StringIO())

    assert place(hit) == "a.md proven: yes  x:1-2"
    assert one_line("a\r\nb") == "a b"
    assert len(console.table(("FILE",), [(hit.path,)]).splitlines()) == 2
