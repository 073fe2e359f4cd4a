"""The Markdown dialect of the transcript: CommonMark, tables, strikethrough, formulas; tokens and never HTML.

Formulas are the two LaTeX pairs and the two dollar pairs: `$$…$$` and `\\[…\\]` may be blocks, `$…$` and `\\(…\\)`
stand in a line. A dollar opens only before and closes only after something that is not white space, and never before
a digit, so that prices stay prices. A block formula ends at its closing pair or, unclosed, at the first blank line:
both can be told line by line, which the block splitter relies on.
"""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

# markdown-it drops what is nested deeper than this; a block that reaches it is shown as plain text instead.
MAX_NESTING = 40
_BLOCK_PAIRS = (("$$", "$$"), ("\\[", "\\]"))
_INLINE_PAIRS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"))


def make_parser() -> MarkdownIt:
    """A parser of our dialect. Building one costs about a millisecond, so each transcript keeps one."""
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": MAX_NESTING}).enable(["table", "strikethrough"])
    parser.block.ruler.before(
        "fence", "math_block", _math_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.inline.ruler.before("escape", "math_inline", _math_inline)
    # Every address may be written; which may be opened is decided in one place, desktop/qt/links.py.
    setattr(parser, "validateLink", lambda _url: True)  # noqa: B010 - mypy has no word for it
    return parser


def parse_blocks(parser: MarkdownIt, text: str, references: dict[str, object]) -> list[Token]:
    """Block tokens of `text`; inline content stays unparsed in `Token.content` until it is shown.

    `references` holds the link definitions known so far and receives those found here.
    """
    tokens: list[Token] = []
    parser.block.parse(text, parser, {"references": references}, tokens)
    return tokens


def parse_inline(parser: MarkdownIt, text: str, references: dict[str, object]) -> Sequence[Token]:
    """Inline tokens of one line of text (paragraph, heading or cell)."""
    tokens = parser.parseInline(text, {"references": references})
    return tokens[0].children or () if tokens else ()


def _math_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    first = state.src[state.bMarks[start_line] + state.tShift[start_line] : state.eMarks[start_line]].rstrip()
    pair = next((pair for pair in _BLOCK_PAIRS if first.startswith(pair[0])), None)
    if pair is None:
        return False
    rest = first[2:]
    if pair[1] in rest and not rest.endswith(pair[1]):
        return False
    if silent:
        return True
    if rest.endswith(pair[1]) and rest[:-2].strip():
        return _push_math(state, start_line, start_line + 1, rest[:-2], closed=True)
    return _math_lines(state, start_line, end_line, rest, pair[1])


def _math_lines(state: StateBlock, start_line: int, end_line: int, rest: str, closing: str) -> bool:
    lines = [rest] if rest.strip() else []
    line = start_line + 1
    while line < end_line and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        line += 1
        if text.rstrip().endswith(closing):
            lines.append(text.rstrip()[:-2])
            return _push_math(state, start_line, line, "\n".join(lines), closed=True)
        lines.append(text)
    return _push_math(state, start_line, line, "\n".join(lines), closed=False)


def _push_math(state: StateBlock, start: int, end: int, source: str, *, closed: bool) -> bool:
    token = state.push("math_block", "", 0)
    token.content, token.map, token.block = source.strip(), [start, end], True
    token.meta = {"closed": closed}
    state.line = end
    return True


def _math_inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    for opening, closing in _INLINE_PAIRS:
        if state.src.startswith(opening, state.pos):
            return _take_formula(state, opening, _find(state, closing, state.pos + 2), closing, silent)
    if state.src[state.pos] == "$":
        return _take_formula(state, "$", _closing_dollar(state), "$", silent)
    return False


def _find(state: StateInline, closing: str, start: int) -> int:
    """Where `closing` stands, searched once per kind and text: a text full of openings must stay linear."""
    misses = state.env.setdefault("math_misses", {})
    key = (id(state), closing)
    if key in misses:
        return -1
    end = state.src.find(closing, start, state.posMax)
    if end < 0:
        misses[key] = True
    return end


def _closing_dollar(state: StateInline) -> int:
    after = state.src[state.pos + 1 : state.pos + 2]
    if not after or after.isspace() or after == "$":
        return -1
    end = _find(state, "$", state.pos + 1)
    if end < 0 or state.src[end - 1].isspace() or state.src[end + 1 : end + 2].isdigit():
        return -1
    return end


def _take_formula(state: StateInline, opening: str, end: int, closing: str, silent: bool) -> bool:
    start = state.pos + len(opening)
    source = state.src[start:end].strip() if end >= start else ""
    if not source:
        return False
    if not silent:
        token = state.push("math_inline", "", 0)
        token.content, token.markup = source, opening
    state.pos = end + len(closing)
    return True
