"""The config.json that an adapter's conversion needs of its base model, made of the GGUF file of that model.

Converting an adapter takes no weights of the base, only its shape: heads, for the order in which llama.cpp stores
queries and keys. So a model in the library is enough, and nothing has to be fetched.
"""

from __future__ import annotations

from typing import Any

from models.errors import ConvertRefused
from models.gguf import GgufHeader

# general.architecture → (class, model_type) as in the config.json of such models.
_CLASSES = {
    "llama": ("LlamaForCausalLM", "llama"),
    "qwen2": ("Qwen2ForCausalLM", "qwen2"),
    "qwen2moe": ("Qwen2MoeForCausalLM", "qwen2_moe"),
    "qwen3": ("Qwen3ForCausalLM", "qwen3"),
    "qwen3moe": ("Qwen3MoeForCausalLM", "qwen3_moe"),
    "gemma": ("GemmaForCausalLM", "gemma"),
    "gemma2": ("Gemma2ForCausalLM", "gemma2"),
    "gemma3": ("Gemma3ForCausalLM", "gemma3_text"),
    "phi3": ("Phi3ForCausalLM", "phi3"),
    "granite": ("GraniteForCausalLM", "granite"),
    "smollm3": ("SmolLM3ForCausalLM", "smollm3"),
}
_MIXTRAL = ("MixtralForCausalLM", "mixtral")


def base_config(header: GgufHeader) -> dict[str, Any]:
    """config.json for the model of this header. Raises ConvertRefused when its architecture has no known form."""
    found = _MIXTRAL if header.architecture == "llama" and header.expert_count else _CLASSES.get(header.architecture)
    if found is None or not isinstance(header.head_count, int) or not isinstance(header.head_count_kv, int):
        raise ConvertRefused(
            f"The form of {header.architecture or 'this'} models cannot be told from a GGUF file.",
            hint="Name the folder of the base model with its config.json instead.",
        )
    experts = {"num_local_experts": header.expert_count, "num_experts": header.expert_count}
    return {
        "architectures": [found[0]],
        "model_type": found[1],
        "hidden_size": header.embedding_length,
        "intermediate_size": header.feed_forward_length,
        "num_hidden_layers": header.block_count,
        "num_attention_heads": header.head_count,
        "num_key_value_heads": header.head_count_kv,
        "head_dim": header.key_length,
        "vocab_size": header.vocab_size,
        "max_position_embeddings": header.context_length,
        **({"sliding_window": header.sliding_window} if header.sliding_window else {}),
        **(experts if header.expert_count else {}),
    }
