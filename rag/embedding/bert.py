"""A BERT encoder as it lies in a checkpoint folder: its sizes, its weights, how its tokens become one vector.

Covers what `model_type: bert` of transformers is (BertModel, absolute positions, erf GELU) with mean or CLS pooling;
whatever else a folder asks for is refused here and left to sentence-transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.float32]]


class NotPlainBert(ValueError):
    """The folder holds another kind of model, or one that is put together in another way."""


@dataclass(frozen=True, slots=True)
class BertShape:
    """Sizes of the encoder. `max_tokens` counts what one text may have, with [CLS] and [SEP]."""

    hidden: int
    layers: int
    heads: int
    epsilon: float
    max_tokens: int
    cls_pooling: bool = False
    pad_id: int = 0

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads


def read_shape(folder: Path) -> BertShape:
    """The sizes a folder of sentence-transformers states. Raises NotPlainBert, or OSError and ValueError as read."""
    config = read_json(folder / "config.json")
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for name, value in expected.items():
        if config.get(name, value if name != "model_type" else "") != value:
            raise NotPlainBert(f"{name} is {config.get(name)!r}, not {value!r}")
    try:
        longest = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    except FileNotFoundError:
        longest = None
    positions = int(config["max_position_embeddings"])
    return BertShape(
        hidden=int(config["hidden_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
        epsilon=float(config["layer_norm_eps"]),
        max_tokens=min(int(longest or positions), positions),
        cls_pooling=_cls_pooling(folder),
        pad_id=int(config.get("pad_token_id") or 0),
    )


def _cls_pooling(folder: Path) -> bool:
    types = [str(module.get("type", "")).rpartition(".")[2] for module in read_json(folder / "modules.json")]
    if types not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise NotPlainBert(f"its modules are {', '.join(types)}")
    pooling = read_json(folder / "1_Pooling" / "config.json")
    chosen = [name for name, on in pooling.items() if name.startswith("pooling_mode_") and on is True]
    if chosen not in (["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]):
        raise NotPlainBert(f"its pooling is {', '.join(chosen)}")
    return chosen == ["pooling_mode_cls_token"]


def read_weights(folder: Path) -> Weights:
    """The checkpoint's tensors as fp32, by their names in BertModel. Raises NotPlainBert, OSError, SafetensorError."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    wanted = {name.removeprefix("bert."): tensor for name, tensor in tensors.items() if "position_ids" not in name}
    if "embeddings.word_embeddings.weight" not in wanted:
        raise NotPlainBert("its weights have other names than those of BertModel")
    return {name: np.asarray(tensor, np.float32) for name, tensor in wanted.items()}


def read_json(path: Path) -> Any:
    """A small JSON file of a model's folder."""
    return json.loads(path.read_text(encoding="utf-8"))
