"""Blocks to pieces: walks block tokens and collects what is shown. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from markdown_it.token import Token

from desktop.qt.transcript.blocks import Block
from desktop.qt.transcript.inlines import InlineReader, clean_lines
from desktop.qt.transcript.markdown import MAX_NESTING
from desktop.qt.transcript.pieces import Code, Formula, Para, Piece, Place, Plain, Prose, Rule, Span, Table

TABLE_ROWS = 200
PROSE_CHARS = 3_000
_FILE_NAME = re.compile(r"[\w./+@-]*\w\.\w{1,12}|[\w./+@-]*(?:Makefile|Dockerfile)")
_TASK = re.compile(r"\[([ xX])\] ")


@dataclass(slots=True)
class _List:
    number: int | None  # None for bullets
    tight: bool = True


def read_pieces(block: Block, reader: InlineReader, *, all_rows: bool = False) -> tuple[Piece, ...]:
    """What a block shows. Tables show TABLE_ROWS rows unless `all_rows`; nesting beyond the limit makes plain text."""
    if block.kind == "plain" or any(token.level >= MAX_NESTING - 1 for token in block.tokens):
        text = clean_lines(block.source)
        return (Plain(text),) if text.strip() else ()
    return _Walk(reader, TABLE_ROWS if not all_rows else 10**9).walk(block.tokens)


class _Walk:
    def __init__(self, reader: InlineReader, table_rows: int) -> None:
        self._reader = reader
        self._table_rows = table_rows
        self._pieces: list[Piece] = []
        self._paras: list[Para] = []
        self._chars = 0
        self._continues = False
        self._lists: list[_List] = []
        self._quotes = 0
        self._marker = ""
        self._style = "p"
        self._tight = False

    def walk(self, tokens: tuple[Token, ...]) -> tuple[Piece, ...]:
        index = 0
        while index < len(tokens):
            if tokens[index].type == "table_open":
                index = self._table(tokens, index)
            else:
                self._token(tokens[index])
            index += 1
        self._end_prose()
        return tuple(self._pieces)

    def _token(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                start = token.attrGet("start")
                ordered = token.type == "ordered_list_open"
                self._lists.append(_List((1 if start is None else int(start)) if ordered else None))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                self._begin_item()
            case "list_item_close":
                self._end_item()
            case "blockquote_open":
                self._end_prose()
                self._quotes += 1
            case "blockquote_close":
                self._end_prose()
                self._quotes -= 1
            case "paragraph_open":
                self._style, self._tight = "p", token.hidden
            case "heading_open":
                self._style, self._tight = token.tag, False
            case "inline":
                self._inline(token.content)
            case _:
                self._leaf(token)

    def _leaf(self, token: Token) -> None:
        match token.type:
            case "fence" | "code_block":
                self._add(_code(token, self._place()))
            case "math_block":
                closed = bool(token.meta.get("closed"))
                self._add(Formula(token.content, self._place()) if closed else self._open_formula(token))
            case "html_block":
                self._add(Code(clean_lines(token.content.rstrip("\n")), "html", place=self._place()))
            case "hr":
                self._add(Rule(self._place()))

    def _open_formula(self, token: Token) -> Piece:
        return Code(clean_lines(token.content), "latex", place=self._place())

    def _place(self) -> Place:
        return Place(len(self._lists), self._quotes)

    def _begin_item(self) -> None:
        current = self._lists[-1]
        if current.number is None:
            self._marker = "•"
        else:
            self._marker = f"{current.number}."
            current.number += 1

    def _end_item(self) -> None:
        if self._marker:
            self._push(Para((), marker=self._marker, depth=len(self._lists), tight=True))

    def _inline(self, content: str) -> None:
        marker = self._marker
        if marker and (task := _TASK.match(content)):
            marker, content = ("☐" if task[1] == " " else "☑"), content[task.end() :]
        self._push(Para(self._reader.spans(content), self._style, marker, len(self._lists), self._tight))

    def _push(self, para: Para) -> None:
        self._marker = ""
        self._paras.append(para)
        self._chars += sum(len(span.text) for span in para.spans) + 40
        if self._chars > PROSE_CHARS:
            self._end_prose()
            self._continues = True

    def _add(self, piece: Piece) -> None:
        if self._marker:  # an item that begins with code: its marker stands on a line of its own
            self._push(Para((), marker=self._marker, depth=len(self._lists), tight=True))
        self._end_prose()
        self._pieces.append(piece)

    def _end_prose(self) -> None:
        if self._paras:
            self._pieces.append(Prose(tuple(self._paras), Place(0, self._quotes), self._continues))
        self._paras, self._chars, self._continues = [], 0, False

    def _table(self, tokens: tuple[Token, ...], index: int) -> int:
        rows: list[tuple[tuple[Span, ...], ...]] = []
        cells: list[tuple[Span, ...]] = []
        aligns: list[str] = []
        hidden = 0
        while tokens[index].type != "table_close":
            token = tokens[index]
            if token.type == "tr_open":
                cells = []
            elif token.type == "inline" and len(rows) <= self._table_rows:
                cells.append(self._reader.spans(token.content))
            elif token.type == "th_open":
                aligns.append(str(token.attrGet("style") or "text-align:left").removeprefix("text-align:"))
            elif token.type == "tr_close":
                hidden += len(rows) > self._table_rows
                rows.extend([tuple(cells)] if len(rows) <= self._table_rows else [])
            index += 1
        if rows:
            self._add(Table(rows[0], tuple(rows[1:]), tuple(aligns), hidden, self._place()))
        return index


def _code(token: Token, place: Place) -> Code:
    language, _, rest = token.info.strip().partition(" ")
    name = _FILE_NAME.search(rest) or (_FILE_NAME.fullmatch(language) if "." in language else None)
    if name is None and ":" in language:
        language, _, rest = language.partition(":")
        name = _FILE_NAME.fullmatch(rest)
    is_open = bool(token.meta.get("open")) if token.meta else False
    text = clean_lines(token.content.removesuffix("\n"))
    code = Code(text, language[:40], name.group()[:120] if name else "", is_open, place)
    return replace(code, language="") if code.language == code.title else code
