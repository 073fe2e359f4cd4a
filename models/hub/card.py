"""A model card as Markdown that stands by itself: without its front matter, with addresses that lead somewhere.

The text is a stranger's: it is shown by the window's own Markdown renderer, which fetches nothing and makes no HTML.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?:.*?\r?\n)??(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
# [text](target "title") and ![text](target); the target without spaces, or in <>.
_INLINE = re.compile(
    r"(?P<before>\]\(\s*)(?P<target><[^<>\n]*>|[^\s()<>]+(?:\([^\s()]*\)[^\s()]*)*)(?P<after>[^()\n]*\))"
)
_REFERENCE = re.compile(r"^(?P<before> {0,3}\[[^\]\n]+\]:\s*)(?P<target><[^<>\n]*>|\S+)(?P<after>.*)$")
_HTML = re.compile(r"(?P<before>\b(?:src|href)\s*=\s*[\"'])(?P<target>[^\"'\n]*)(?P<after>[\"'])", re.IGNORECASE)


def readable_card(text: str, *, endpoint: str, repo: str, commit: str) -> str:
    """`text` of README.md without its front matter; relative links lead to the repository at `commit`.

    Links to files go to their page, pictures to the file itself. Code is left as it is.
    """
    body = _FRONT_MATTER.sub("", text, count=1).lstrip("\r\n")
    base = f"{endpoint}/{repo}"
    fence = ""
    lines = []
    for line in body.splitlines():
        mark = _FENCE.match(line)
        if fence and mark and mark[1].startswith(fence) and not line.strip(" `~"):
            fence = ""
        elif mark and not fence:
            fence = mark[1]
        lines.append(line if fence or mark else _absolute_line(line, base, commit))
    return "\n".join(lines) + ("\n" if lines else "")


def _absolute_line(line: str, base: str, commit: str) -> str:
    # Odd pieces lie between backticks: code that stays as it is. A lone backtick leaves the rest of its line alone.
    pieces = re.split(r"(`+)", line)
    inside, out = "", []
    for piece in pieces:
        if piece.startswith("`"):
            inside = "" if piece == inside else inside or piece
            out.append(piece)
        else:
            out.append(piece if inside else _absolute(piece, base, commit))
    return "".join(out)


def _absolute(text: str, base: str, commit: str) -> str:
    ends = _picture_ends(text)

    def inline(found: re.Match[str]) -> str:
        picture = found.start() in ends
        return f"{found['before']}{_target(found['target'], base, commit, picture)}{found['after']}"

    def html(found: re.Match[str]) -> str:
        picture = found["before"].lower().startswith("src")
        return f"{found['before']}{_target(found['target'], base, commit, picture)}{found['after']}"

    def reference(found: re.Match[str]) -> str:
        return f"{found['before']}{_target(found['target'], base, commit, False)}{found['after']}"

    return _HTML.sub(html, _REFERENCE.sub(reference, _INLINE.sub(inline, text)))


def _picture_ends(text: str) -> frozenset[int]:
    """Where a `]` closes an `![`, found in one pass: looking back from each would cost the square of the length."""
    ends: list[int] = []
    opened: list[bool] = []
    for at, char in enumerate(text):
        if char == "[":
            opened.append(at > 0 and text[at - 1] == "!")
        elif char == "]" and opened and opened.pop():
            ends.append(at)
    return frozenset(ends)


def _target(target: str, base: str, commit: str, picture: bool) -> str:
    bracketed = target.startswith("<") and target.endswith(">")
    address = target[1:-1] if bracketed else target
    if not address or address.startswith(("#", "//")):
        return target
    try:
        if urlsplit(address).scheme:
            return target
    except ValueError:
        return target
    if address.startswith("/"):
        made = urljoin(f"{base}/", quote(address, safe="/#?=&%+~@:,;"))
    else:
        folder = f"{base}/{'resolve' if picture else 'blob'}/{commit}/"
        made = urljoin(folder, quote(address, safe="/#?=&%+~@:,;"))
        if not made.startswith(base):
            return target
    return f"<{made}>" if bracketed else made
