"""A GGUF whose answer is known beforehand, so that a test can see what the window makes of it.

One layer that adds nothing, so that the last token alone decides the next one: each piece of the script leads to the
piece after it, and the newline that ends a chat prompt to the first. The real llama-server runs it like any other.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from models.tiny_vocabulary import TURN_END, Vocabulary, byte_vocabulary

WIDTH, FEED_FORWARD, HEADS, KV_HEADS = 512, 256, 4, 2
CERTAIN = 40.0  # the logit of the next piece; all others are near 0

# Qwen3's way to say that it thinks, as far as llama-server's parser needs it.
THINKING = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message.reasoning_content -%}"
    "{{ '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}"
    "{%- endif -%}"
    "{{ message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


def write_scripted_model(path: Path, answer: str, *, name: str, context: int = 4096) -> Path:
    """Write a model that answers every question with `answer`; as many tokens as there are different words in a row."""
    vocabulary = byte_vocabulary(infill=False)
    spelled = {byte: vocabulary.tokens[byte] for byte in range(256)}
    pieces = _pieces(answer, set(vocabulary.tokens), spelled)
    tokens = [*vocabulary.tokens, *pieces]
    chain = [ord("\n"), *range(len(vocabulary.tokens), len(tokens)), vocabulary.special[TURN_END]]
    writer = gguf.GGUFWriter(path, "qwen2")
    _describe(writer, vocabulary, tokens, name, context)
    _add_tensors(writer, len(tokens), chain)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _pieces(answer: str, taken: set[str], spelled: dict[int, str]) -> list[str]:
    """The answer in tokens that all differ: a word that came before is joined to the next one."""
    pieces, begun = [], ""
    for word in re.findall(r"\s*\S+|\s+$", answer):
        begun += "".join(spelled[byte] for byte in word.encode())
        if begun not in taken:
            taken.add(begun)
            pieces.append(begun)
            begun = ""
    assert not begun, "the last word must be one that did not come before"
    return pieces


def _describe(writer: gguf.GGUFWriter, vocabulary: Vocabulary, tokens: list[str], name: str, context: int) -> None:
    end = vocabulary.special[TURN_END]
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(int(gguf.LlamaFileType.ALL_F32))
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    script = len(tokens) - len(vocabulary.tokens)
    writer.add_token_types([*vocabulary.types, *[int(gguf.TokenType.NORMAL)] * script])
    writer.add_token_merges(vocabulary.merges)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(THINKING)


def _add_tensors(writer: gguf.GGUFWriter, tokens: int, chain: list[int]) -> None:
    embedding = np.random.default_rng(0).standard_normal((tokens, WIDTH), dtype=np.float32)
    embedding *= WIDTH**0.5 / np.linalg.norm(embedding, axis=1, keepdims=True)
    output = np.zeros_like(embedding)
    for token, following in pairwise(chain):
        output[following] += embedding[token] * np.float32(CERTAIN / WIDTH)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    for norm in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(WIDTH, dtype=np.float32))
    kv = KV_HEADS * WIDTH // HEADS
    for name, shape in (
        ("attn_q.weight", (WIDTH, WIDTH)),
        ("attn_q.bias", (WIDTH,)),
        ("attn_k.weight", (kv, WIDTH)),
        ("attn_k.bias", (kv,)),
        ("attn_v.weight", (kv, WIDTH)),
        ("attn_v.bias", (kv,)),
        ("attn_output.weight", (WIDTH, WIDTH)),
        ("ffn_gate.weight", (FEED_FORWARD, WIDTH)),
        ("ffn_up.weight", (FEED_FORWARD, WIDTH)),
        ("ffn_down.weight", (WIDTH, FEED_FORWARD)),
    ):
        writer.add_tensor(f"blk.0.{name}", _nothing(shape))


def _nothing(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.zeros(shape, dtype=np.float32)
