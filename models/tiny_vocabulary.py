"""The byte-level vocabulary of the tiny models: token id = byte value, then the special tokens.

One byte is one token, so a test can count the tokens of any text as `len(text.encode())`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Where the tokenizer looks for them, llama.cpp finds these by their text; the names are Qwen2.5's.
END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
INFILL = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>")

# Qwen2.5's turns, with tools listed first when a request brings some, so that a test can see that they arrived.
CHATML = (
    "{%- if tools -%}"
    "{{ '<|im_start|>system\\n<tools>\\n' }}"
    "{%- for tool in tools -%}{{ (tool | tojson) + '\\n' }}{%- endfor -%}"
    "{{ '</tools><|im_end|>\\n' }}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['content'] -%}{{ message['content'] }}{%- endif -%}"
    "{%- for call in message['tool_calls'] or [] -%}"
    "{{ '\\n<tool_call>\\n{\"name\": \"' + call['function']['name'] + '\", \"arguments\": ' }}"
    "{{ (call['function']['arguments'] | tojson) + '}\\n</tool_call>' }}"
    "{%- endfor -%}"
    "{{ '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)

# llama.cpp wants at least one merge. These two bytes never follow each other in UTF-8, so it never applies.
NEVER_MERGED = (0xC0, 0xC1)

# Biases of the output layer. Text of a random model would be broken UTF-8 and could end at any token; with these it
# is printable ASCII, mostly letters, and ends where the request says so.
LETTER_BIAS, PRINTABLE_BIAS, NEVER_BIAS = 0.0, -3.0, -60.0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens by id, and how strongly the output layer should prefer each."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]  # gguf.TokenType
    special: dict[str, int] = field(default_factory=dict)

    @property
    def merges(self) -> list[str]:
        left, right = NEVER_MERGED
        return [f"{self.tokens[left]} {self.tokens[right]}"]

    def output_bias(self) -> list[float]:
        """One bias per token, shape (len(tokens),)."""
        return [_bias(index) for index in range(len(self.tokens))]


def byte_vocabulary(*, infill: bool, size: int | None = None) -> Vocabulary:
    """256 bytes and the special tokens, filled up with unused ones to `size`; ValueError if that is too small."""
    import gguf

    special = (END_OF_TEXT, TURN_START, TURN_END, *(INFILL if infill else ()))
    used = 256 + len(special)
    if size is not None and size < used:
        raise ValueError(f"A vocabulary of {size} tokens has no room for {used}.")
    unused = [f"[unused{index}]" for index in range(used, size or used)]
    return Vocabulary(
        tokens=(*_byte_characters(), *special, *unused),
        types=(
            *[int(gguf.TokenType.NORMAL)] * 256,
            *[int(gguf.TokenType.CONTROL)] * len(special),
            *[int(gguf.TokenType.UNUSED)] * len(unused),
        ),
        special={text: 256 + index for index, text in enumerate(special)},
    )


def _byte_characters() -> list[str]:
    """A printable character per byte, as GPT-2's vocabulary spells them: others are moved to U+0100 and up."""
    kept = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(0x100, 0x200))
    return [chr(byte) if byte in kept else chr(next(moved)) for byte in range(256)]


def _bias(token: int) -> float:
    if token > 126 or token < 32:
        return NEVER_BIAS
    return LETTER_BIAS if token == 32 or chr(token).isalpha() else PRINTABLE_BIAS
