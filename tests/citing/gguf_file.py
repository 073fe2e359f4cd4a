"""Writes the trained network as GGUF, in Q8_0, for llama.cpp; and reads it, so that training can go on."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch

from tests.citing.network import Network, Sizes
from tests.citing.prompts import TEMPLATE
from tests.citing.words import END, SPECIAL, WordVocabulary

_BIASED = ("attn_q", "attn_k", "attn_v")


def write_gguf(path: Path, network: Network, words: WordVocabulary) -> None:
    """The same weights in llama.cpp's names; matrices in Q8_0, vectors in F32. Replaces `path` when it is whole."""
    part = path.with_name(f".{path.name}.part")
    writer = gguf.GGUFWriter(part, "qwen2")
    _add_metadata(writer, network)
    _add_vocabulary(writer, words)
    for name, value in network.state_dict().items():
        array = value.detach().float().numpy().astype(np.float32)
        if array.ndim == 2:
            quantized = gguf.quants.quantize(array, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(path)


def read_gguf(path: Path) -> tuple[Network, WordVocabulary]:
    """What `write_gguf` wrote: the weights as Q8_0 rounded them, and the vocabulary."""
    reader = gguf.GGUFReader(path)
    words = WordVocabulary.of(reader.fields["tokenizer.ggml.tokens"].contents())
    network = Network(Sizes(tokens=len(words.tokens)))
    weights = {each.name: gguf.quants.dequantize(each.data, each.tensor_type) for each in reader.tensors}
    network.load_state_dict({name: torch.tensor(np.array(value, np.float32)) for name, value in weights.items()})
    return network, words


def _add_metadata(writer: gguf.GGUFWriter, network: Network) -> None:
    sizes = network.sizes
    writer.add_type("model")
    writer.add_name("Jackdaw citing")
    writer.add_license("apache-2.0")
    writer.add_file_type(int(gguf.LlamaFileType.MOSTLY_Q8_0))
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.width)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.heads)
    writer.add_rope_freq_base(sizes.rope_base)
    writer.add_layer_norm_rms_eps(sizes.epsilon)


def _add_vocabulary(writer: gguf.GGUFWriter, words: WordVocabulary) -> None:
    types = [gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in words.tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(words.tokens)
    writer.add_token_types([int(kind) for kind in types])
    # One is wanted; these two bytes never follow each other in UTF-8, so it never applies.
    writer.add_token_merges([f"{words.tokens[0xC0]} {words.tokens[0xC1]}"])
    writer.add_bos_token_id(words.tokens.index(SPECIAL[0]))
    writer.add_eos_token_id(words.tokens.index(END))
    writer.add_pad_token_id(words.tokens.index(SPECIAL[0]))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
