"""A model card as Markdown: no front matter, no address that leads nowhere, code untouched."""

from __future__ import annotations

import time

import pytest

from models.hub.card import readable_card

AT = "https://hub.example/acme/tiny"
COMMIT = "c" * 40


def card(text: str) -> str:
    return readable_card(text, endpoint="https://hub.example", repo="acme/tiny", commit=COMMIT)


@pytest.mark.parametrize(
    "text",
    [
        "---\nlicense: mit\n---\n# Hello\n",
        "\ufeff---\r\nlicense: mit\r\n---\r\n# Hello\r\n",
        "---\nlicense: mit\n...\n\n\n# Hello",
        "---\n---\n# Hello\n",
    ],
)
def test_the_front_matter_is_taken_off(text: str) -> None:
    assert card(text) == "# Hello\n"


def test_a_rule_in_the_text_is_no_front_matter() -> None:
    assert card("# Hello\n\n---\nmore\n---\n") == "# Hello\n\n---\nmore\n---\n"
    assert card("---\nnever closed\n") == "---\nnever closed\n"
    assert card("") == ""


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("[a](b.md)", f"[a]({AT}/blob/{COMMIT}/b.md)"),
        ("[a](./docs/b.md#part)", f"[a]({AT}/blob/{COMMIT}/docs/b.md#part)"),
        ("![a](b.png)", f"![a]({AT}/resolve/{COMMIT}/b.png)"),
        ('![a](b.png "title")', f'![a]({AT}/resolve/{COMMIT}/b.png "title")'),
        ("[a](<b c.md>)", f"[a](<{AT}/blob/{COMMIT}/b%20c.md>)"),
        ("[![a](b.png)](c.md)", f"[![a]({AT}/resolve/{COMMIT}/b.png)]({AT}/blob/{COMMIT}/c.md)"),
        ("[a](/acme/other)", "[a](https://hub.example/acme/other)"),
        ("[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("[a](#part)", "[a](#part)"),
        ("[a](mailto:a@b.c)", "[a](mailto:a@b.c)"),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
        ("[a]: b.md", f"[a]: {AT}/blob/{COMMIT}/b.md"),
        ('<img src="b.png" width="3">', f'<img src="{AT}/resolve/{COMMIT}/b.png" width="3">'),
        ("<a href='b.md'>x</a>", f"<a href='{AT}/blob/{COMMIT}/b.md'>x</a>"),
        ("`[a](b.md)` [a](b.md)", f"`[a](b.md)` [a]({AT}/blob/{COMMIT}/b.md)"),
        ("``[a](b.md)`` x", "``[a](b.md)`` x"),
        ("[a](../../../etc/passwd)", "[a](../../../etc/passwd)"),
        ("a [b] (c)", "a [b] (c)"),
    ],
)
def test_an_address_leads_to_the_repository_at_its_commit(text: str, made: str) -> None:
    assert card(text) == made + "\n"


def test_code_blocks_are_left_alone() -> None:
    text = "```md\n[a](b.md)\n~~~\n[a](b.md)\n```\n[a](b.md)\n"

    assert card(text) == f"```md\n[a](b.md)\n~~~\n[a](b.md)\n```\n[a]({AT}/blob/{COMMIT}/b.md)\n"


@pytest.mark.parametrize(
    "piece", ["](", "](a)", "[", "![](a)", "](<", "[a]: ", "`", "src=", '<img src="', "a ]( ", "---\n"]
)
def test_hostile_text_takes_no_time(piece: str) -> None:
    started = time.monotonic()

    card(piece * (200_000 // len(piece)))

    assert time.monotonic() - started < 5
