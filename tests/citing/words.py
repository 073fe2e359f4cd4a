"""A vocabulary of whole words for a narrow task, with bytes for all others, as llama.cpp's "llama-bpe" reads it.

That tokenizer takes a piece of the text as one token whenever the vocabulary has it, and joins bytes by merges only
otherwise; there are no merges here. Source: llama.cpp,
src/llama-vocab.cpp (LLAMA_VOCAB_PRE_TYPE_LLAMA3, ignore_merges).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product

import regex

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END = SPECIAL[2]
_PIECES = regex.compile(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPECIAL = regex.compile("(" + "|".join(regex.escape(text) for text in SPECIAL) + ")")


def byte_characters() -> list[str]:
    """A printable character per byte, as GPT-2's vocabulary spells them: others are moved to U+0100 and up."""
    kept = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(0x100, 0x200))
    return [chr(byte) if byte in kept else chr(next(moved)) for byte in range(256)]


_BYTES = byte_characters()


def spelled(piece: str) -> str:
    return "".join(_BYTES[byte] for byte in piece.encode())


class WordVocabulary:
    """`tokens` by id: 256 bytes, words, all numbers of three digits, the special ones."""

    def __init__(self, texts: Iterable[str], least: int = 20) -> None:
        counts = Counter(piece for text in texts for piece in _pieces(text) if len(piece.encode()) > 1)
        numbers = ["".join(digits) for digits in product("0123456789", repeat=3)]
        words = sorted(piece for piece, count in counts.items() if count >= least and piece not in SPECIAL)
        spellings = dict.fromkeys(spelled(piece) for piece in [*words, *numbers])
        self._take([*_BYTES, *(word for word in spellings if len(word) > 1), *SPECIAL])

    @classmethod
    def of(cls, tokens: Sequence[str]) -> WordVocabulary:
        """One that was made before."""
        made = cls(())
        made._take(tokens)
        return made

    def _take(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        self.numbers = frozenset(index for token, index in self._ids.items() if token.isdecimal())

    def encode(self, text: str) -> list[int]:
        ids = []
        for piece in _pieces(text):
            known = self._ids.get(piece if piece in SPECIAL else spelled(piece))
            ids += [known] if known is not None else list(piece.encode())
        return ids


def _pieces(text: str) -> Iterable[str]:
    for part in _SPECIAL.split(text):
        if part in SPECIAL:
            yield part
        else:
            yield from _PIECES.findall(part)
