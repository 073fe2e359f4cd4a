"""Writes small BERT checkpoints with random weights, as sentence-transformers keeps them; no library but numpy's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 64
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
VOCABULARY = {
    token: number
    for number, token in enumerate((*_SPECIAL, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), ".", ",", "?", "-"))
}


def write_embedder(
    folder: Path,
    *,
    pooling: str = "mean_tokens",
    prompts: dict[str, str] | None = None,
    max_tokens: int = 48,
    seed: int = 1,
) -> Path:
    """A sentence-transformers folder with a plain BERT; `pooling` as in its pooling_mode_ names."""
    _write_bert(folder, _encoder(seed, ""), {"architectures": ["BertModel"]})
    types = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    write_json(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{name}"}
            for number, (path, name) in enumerate(zip(paths, types, strict=True))
        ],
    )
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": HIDDEN, **{f"pooling_mode_{mode}": mode == pooling for mode in modes}},
    )
    (folder / "2_Normalize").mkdir(exist_ok=True)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts or {}})
    return folder


def write_cross_encoder(folder: Path, *, labels: int = 1, seed: int = 2) -> Path:
    """A cross-encoder's folder: BertForSequenceClassification with `labels` outputs."""
    random = np.random.default_rng(seed)
    tensors = {
        **_encoder(seed, "bert."),
        "bert.pooler.dense.weight": _draw(random, HIDDEN, HIDDEN),
        "bert.pooler.dense.bias": np.zeros(HIDDEN, np.float32),
        "classifier.weight": 4 * _draw(random, labels, HIDDEN),
        "classifier.bias": np.zeros(labels, np.float32),
    }
    names = {str(number): f"LABEL_{number}" for number in range(labels)}
    more = {"id2label": names, "label2id": {name: int(number) for number, name in names.items()}}
    _write_bert(folder, tensors, {"architectures": ["BertForSequenceClassification"], **more})
    return folder


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _write_bert(folder: Path, tensors: dict[str, NDArray[np.float32]], config: dict[str, Any]) -> None:
    sizes = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "vocab_size": len(VOCABULARY),
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    write_json(folder / "config.json", {**sizes, **config})
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _tokenizer().save(str(folder / "tokenizer.json"))
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), _SPECIAL, strict=True))
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", **special})
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", VOCABULARY["[SEP]"]), ("[CLS]", VOCABULARY["[CLS]"]))
    tokenizer.enable_padding(length=40)  # what a folder says of padding must not count
    return tokenizer


def _encoder(seed: int, prefix: str) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    tensors = {
        "embeddings.word_embeddings.weight": _draw(random, len(VOCABULARY), HIDDEN),
        "embeddings.position_embeddings.weight": _draw(random, POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": _draw(random, 2, HIDDEN),
        **_norm("embeddings.LayerNorm"),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for name, rows, columns in (
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INNER, HIDDEN),
            ("output.dense", HIDDEN, INNER),
        ):
            tensors[f"{at}{name}.weight"] = _draw(random, rows, columns)
            tensors[f"{at}{name}.bias"] = _draw(random, 1, rows)[0]
        tensors |= _norm(f"{at}attention.output.LayerNorm") | _norm(f"{at}output.LayerNorm")
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _norm(name: str) -> dict[str, NDArray[np.float32]]:
    return {f"{name}.weight": np.ones(HIDDEN, np.float32), f"{name}.bias": np.zeros(HIDDEN, np.float32)}


def _draw(random: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(columns**-0.5)
