"""Splits Markdown that arrives in pieces into top-level blocks, each parsed once it can no longer change. No Qt.

Only the open tail is parsed again. A block is closed when the next one has certainly begun: CommonMark is decided
line by line, so a finished block never opens again once the line that ended it is complete. The one thing that
reaches back are link reference definitions; a text that holds any is split a second time at its end with all of them
known.

Limits keep every step short. A tail of TAIL_LIMIT characters without an end is cut: lists between items, paragraphs and
quotes between lines, tables after TABLE_ROWS rows, with their head again; HTML goes on as plain text up to the next
blank line, and so does all after BLOCKS_LIMIT blocks or FORMATTED_LIMIT characters of them. Code fences have no limit:
their end is looked for line by line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from desktop.qt.transcript.held import held_back
from desktop.qt.transcript.markdown import parse_blocks

SLICE = 4 * 1024
FENCE_SLICE = 64 * 1024
TAIL_LIMIT = 8 * 1024
PLAIN_LIMIT = 8 * 1024
TABLE_ROWS = 200
BLOCKS_LIMIT = 4_000
FORMATTED_LIMIT = 200_000
EXACT_LIMIT = 24 * 1024
_SETTLED = frozenset({"fence", "heading", "hr"})
_CAN_BE_CUT = frozenset({"blockquote", "paragraph", "code_block", "heading", "hr", "fence"})
_LINE_BY_LINE = frozenset({"bullet_list", "ordered_list", "code_block"})
_FENCE = re.compile(r"(`{3,})([^`\n]*)\n|(~{3,})([^\n]*)\n")


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level block: its Markdown and its block tokens, whose line maps count from the block's first line.

    `kind` is the type of its first token without "_open", or "plain" for text that is shown as it is.
    """

    kind: str
    source: str
    tokens: tuple[Token, ...]


@dataclass(slots=True)
class _Group:
    kind: str
    start: int
    end: int
    tokens: list[Token]


class BlockSplitter:
    """The blocks of one text, which may still grow.

    `feed` only queues; `advance` does one bounded step (some milliseconds at most) and says whether more is to be done.
    `closed` only grows, `open` holds what the tail shows now (usually one block). Closed blocks never change, unless
    the finished text turns out to hold link definitions: then `generation` counts up and all of them were made again.
    """

    def __init__(self, parser: MarkdownIt) -> None:
        self._parser = parser
        self._parts: list[str] = []
        self._queue = ""
        self._tail = ""
        self._carriage = False
        self._ended = False
        self._done = False
        self._plain = False
        self._fence_scanned = 0
        self._second_pass = False
        self._formatted = 0
        self.references: dict[str, Any] = {}
        self.closed: list[Block] = []
        self.open: list[Block] = []
        self.generation = 0

    @property
    def text(self) -> str:
        """All that was fed, line ends normalised."""
        return "".join(self._parts)

    @property
    def blocks(self) -> list[Block]:
        return self.closed + self.open

    @property
    def _full(self) -> bool:
        return len(self.closed) >= BLOCKS_LIMIT or self._formatted > FORMATTED_LIMIT

    def drop_tokens(self, number: int) -> None:
        """The tokens of a closed block were read and are not needed any more; its source is."""
        block = self.closed[number]
        self.closed[number] = Block(block.kind, block.source, ())

    @property
    def behind(self) -> bool:
        """Whether text is queued that was not looked at yet."""
        return bool(self._queue)

    @property
    def done(self) -> bool:
        """Whether the text was ended and all of it is split."""
        return self._done

    def feed(self, text: str) -> None:
        """Take more text; nothing is parsed yet."""
        if self._carriage:
            text, self._carriage = "\r" + text, False
        if text.endswith("\r"):
            text, self._carriage = text[:-1], True
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
        self._parts.append(text)
        self._queue += text

    def end(self) -> None:
        """Say that no more will come."""
        if self._carriage:
            self._carriage = False
            self._parts.append("\n")
            self._queue += "\n"
        self._ended = True

    def advance(self) -> bool:
        """Do one step; True when there is more to do. Cheap when there is not."""
        if self._done:
            return False
        if self._queue:
            size = FENCE_SLICE if self._fence_scanned else SLICE
            self._tail += self._queue[:size]
            self._queue = self._queue[size:]
            self._split()
            return bool(self._queue) or self._ended
        if self._ended:
            self._finish()
        return not self._done and self._ended

    # Steps

    def _split(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        """One pass over the tail; True when it closed something and the rest deserves another."""
        if self._plain or self._full:
            return self._take_plain()
        fence = _FENCE.match(self._tail)
        if fence is not None:
            return self._take_fence(fence)
        self._fence_scanned = 0
        visible = self._tail if self._ended and not self._queue else self._tail[: held_back(self._tail)]
        groups, references = self._parse(visible)
        cut = _closable(groups, visible)
        if cut:
            self._close(groups[:cut], visible, groups[cut].start, references)
            return True
        table = groups[-1] if groups and groups[-1].kind == "table" else None
        too_long = len(self._tail) > TAIL_LIMIT
        if table is not None and (too_long or table.end - table.start > TABLE_ROWS + 2):
            return self._cut_table(groups, visible, references)
        if too_long:
            return self._cut_list(groups, visible, references) or self._force()
        lines = visible.split("\n")
        self.open = [_block(group, lines) for group in groups]
        return False

    def _parse(self, text: str) -> tuple[list[_Group], dict[str, Any]]:
        references = dict(self.references)
        return _groups(parse_blocks(self._parser, text, references)), references

    def _close(self, groups: list[_Group], text: str, upto_line: int, references: dict[str, Any]) -> None:
        lines = text.split("\n")
        for block in (_block(group, lines) for group in groups):
            self.closed.append(block)
            self._formatted += 0 if block.kind == "fence" else len(block.source)
        offset = sum(map(len, lines[:upto_line])) + upto_line
        if references.keys() != self.references.keys():
            # Only what stands in the closed part counts: the rest may still change.
            parse_blocks(self._parser, text[:offset], self.references)
        self._tail = self._tail[offset:]
        self.open = []

    def _take_fence(self, fence: re.Match[str]) -> bool:
        """The open fence grows: look for its end in the lines that are new, without parsing it."""
        ending = re.compile(_fence_end(fence) + r"\n")
        position = max(self._fence_scanned, fence.end())
        while (newline := self._tail.find("\n", position)) >= 0:
            if ending.fullmatch(self._tail, position, newline + 1):
                self._close_fence(fence, position, newline + 1)
                return bool(self._tail)
            position = newline + 1
        self._fence_scanned = position
        rest = self._tail[position:].strip(" ")
        half_typed = rest != "" and set(rest) == {fence[0][0]}
        content = self._tail[fence.end() : position if half_typed else len(self._tail)]
        self.open = [_fence_block(fence, self._tail, content, {"open": True})]
        return False

    def _close_fence(self, fence: re.Match[str], content_end: int, end: int) -> None:
        self.closed.append(_fence_block(fence, self._tail[: end - 1], self._tail[fence.end() : content_end], {}))
        self._fence_scanned = 0
        self._tail, self.open = self._tail[end:], []

    def _last_fence(self, fence: re.Match[str]) -> Block:
        """The fence that the text ends in, closed by its last line or by nothing."""
        last = max(self._tail.rfind("\n") + 1, fence.end())
        # A last line of white space alone is none, as markdown-it has it.
        ends = re.compile(_fence_end(fence) + r"|[ \t]*").fullmatch(self._tail, last)
        content = self._tail[fence.end() : last if ends else len(self._tail)]
        return _fence_block(fence, self._tail.rstrip("\n"), content, {})

    def _cut_table(self, groups: list[_Group], text: str, references: dict[str, Any]) -> bool:
        """A long table goes on as another one with the same head."""
        table = groups[-1]
        end = min(table.end - 1, table.start + TABLE_ROWS + 2)  # what follows begins with a row
        if end <= table.start + 2:
            return self._force()
        head = "\n".join(text.split("\n")[table.start : table.start + 2]) + "\n"
        self._close([*groups[:-1], _first_part(table, end, level=2)], text, end, references)
        self._tail = head + self._tail
        return True

    def _cut_list(self, groups: list[_Group], text: str, references: dict[str, Any]) -> bool:
        """A long list goes on as another one from its last item; False when it is no list or has one item only."""
        last = _last_item(groups[-1]) if groups else 0
        if not last:
            return False
        self._close([*groups[:-1], _first_part(groups[-1], last, level=1)], text, last, references)
        return True

    def _force(self) -> bool:
        """The tail is too long to be parsed again and again: close what is there.

        Quotes and paragraphs are cut between two lines and go on as what they are, all else goes on as plain text.
        """
        cut = _cut(self._tail, TAIL_LIMIT)
        head = self._tail[:cut]
        groups, references = self._parse(head)
        if groups and head.endswith("\n"):
            self._plain = groups[-1].kind not in _CAN_BE_CUT
            self._close(groups, head, head.count("\n"), references)
        else:
            self.closed.append(Block("plain", head, ()))
            self._tail, self.open = self._tail[cut:], []
            self._plain = True
        return True

    def _take_plain(self) -> bool:
        blank = -1 if self._full else self._tail.find("\n\n")
        if not self._full and self._tail.startswith("\n"):
            self._tail, self._plain = self._tail[1:], False
            return True
        if 0 <= blank < PLAIN_LIMIT:
            self.closed.append(Block("plain", self._tail[: blank + 1], ()))
            self._tail, self._plain, self.open = self._tail[blank + 2 :], False, []
            return True
        if len(self._tail) > PLAIN_LIMIT:
            cut = _cut(self._tail, PLAIN_LIMIT)
            self.closed.append(Block("plain", self._tail[:cut], ()))
            self._tail, self.open = self._tail[cut:], []
            return True
        self.open = [Block("plain", self._tail, ())] if self._tail else []
        return False

    def _finish(self) -> None:
        self._split()
        self.closed += self._last_blocks()
        self.open, self._tail = [], ""
        if not self.references or self._second_pass:
            self._done = True
            return
        self._begin_again()

    def _last_blocks(self) -> list[Block]:
        if self._plain or self._full:
            return [Block("plain", self._tail, ())] if self._tail else []
        fence = _FENCE.match(self._tail)
        if fence is not None:
            return [self._last_fence(fence)]
        groups, self.references = self._parse(self._tail)
        lines = self._tail.split("\n")
        return [_block(group, lines) for group in groups]

    def _begin_again(self) -> None:
        """Link definitions reach back: split once more with all of them known."""
        text = self.text
        self.generation += 1
        self.closed = []
        if len(text) <= EXACT_LIMIT:
            self.references = {}
            groups, self.references = self._parse(text)
            lines = text.split("\n")
            self.closed = [_block(group, lines) for group in groups]
            self._done = True
            return
        self._queue, self._second_pass, self._plain, self._formatted = text, True, False, 0


def _fence_end(opening: re.Match[str]) -> str:
    """Pattern of the line that closes a fence, without its line end."""
    marker = opening[1] or opening[3]
    return rf" {{0,3}}{marker[0]}{{{len(marker)},}}[ \t]*"


def _fence_block(opening: re.Match[str], source: str, content: str, meta: dict[str, Any]) -> Block:
    """What markdown-it makes of a fence; to read one of a megabyte takes it a tenth of a second."""
    token = Token("fence", "code", 0, content=content, info=opening[2] or opening[4] or "", meta=meta)
    token.block, token.markup = True, opening[1] or opening[3]
    token.map = [0, source.count("\n") + 1]
    return Block("fence", source, (token,))


def _cut(text: str, limit: int) -> int:
    """Where to cut a text that is too long: after a line, after a word, or anywhere."""
    return text.rfind("\n", 0, limit) + 1 or text.rfind(" ", 0, limit) + 1 or limit


def _groups(tokens: list[Token]) -> list[_Group]:
    """Top-level blocks of a token stream, with the lines they take."""
    groups: list[_Group] = []
    depth, begin = 0, 0
    for index, token in enumerate(tokens):
        depth += token.nesting
        if depth == 0:
            first = tokens[begin]
            start, end = first.map or (0, 0)
            groups.append(_Group(first.type.removesuffix("_open"), start, end, tokens[begin : index + 1]))
            begin = index + 1
    return groups


def _block(group: _Group, lines: list[str]) -> Block:
    for token in group.tokens:
        if token.map is not None:
            token.map = [token.map[0] - group.start, token.map[1] - group.start]
    source = "\n".join(lines[group.start : group.end]).rstrip("\n")
    return Block(group.kind, source, tuple(group.tokens))


def _closable(groups: list[_Group], text: str) -> int:
    """How many of the first groups can never change again."""
    if len(groups) < 2:
        return 0
    lines = text.split("\n")
    complete = len(lines) - 1
    for count in range(len(groups) - 1, 0, -1):
        if _is_settled(groups[count - 1], groups[count], lines, complete):
            return count
    return 0


def _last_item(group: _Group) -> int:
    """The line on which the last item of a list begins, 0 when it is no list or has one item only."""
    if group.kind not in ("bullet_list", "ordered_list"):
        return 0
    items = [
        token.map[0] for token in group.tokens if token.type == "list_item_open" and token.level == 1 and token.map
    ]
    return items[-1] if len(items) > 1 else 0


def _first_part(group: _Group, line: int, level: int) -> _Group:
    """A list or table up to a line on which an item or row begins; those are `level` deep."""
    tokens = group.tokens
    cut = next(
        i
        for i, token in enumerate(tokens)
        if token.level == level and token.nesting == 1 and token.map and token.map[0] >= line
    )
    closing = [token for token in tokens[cut:] if token.level < level and token.nesting == -1]
    return _Group(group.kind, group.start, line, tokens[:cut] + closing)


def _is_settled(group: _Group, following: _Group, lines: list[str], complete: int) -> bool:
    if group.kind in _SETTLED:
        return True
    if group.kind not in _LINE_BY_LINE and following.start > 0 and not lines[following.start - 1].strip(" \t"):
        return True
    # Two lines: a line of a table or a heading is only known by the line below it.
    return following.start + 2 <= complete
