"""What an adapter's header says, and which models it fits: pure, over headers.

Source: llama.cpp, src/llama-adapter.cpp, llama_adapter_lora_init_impl: the architecture must be the model's, and each
pair of matrices must span a tensor of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.errors import BadGguf
from models.gguf import GgufHeader

A, B = ".lora_a", ".lora_b"
_EMBEDDINGS = "token_embd.weight"
MAX_RANK = 65_536

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """`spans` maps the name of each tensor that is changed to the shape it must have, in ggml's order."""

    architecture: str
    rank: int  # the largest of its pairs
    alpha: float
    base_model: str  # as the file names it, "" when it does not
    spans: Mapping[str, Shape]


def adapter_shape(header: GgufHeader, file: str) -> AdapterShape:
    """Read an adapter's header; `file` is for messages. Raises BadGguf for anything but a LoRA adapter."""
    if header.file_kind != "adapter" or header.metadata.get("adapter.type") != "lora":
        raise BadGguf(f"{file} is no LoRA adapter.", hint="Choose the GGUF file or the PEFT folder of an adapter.")
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    spans, rank = {}, 0
    for name in sorted(name.removesuffix(A) for name in shapes if name.endswith(A)):
        pair = shapes[name + A], shapes.get(name + B)
        if pair[1] is None or len(pair[0]) < 2 or len(pair[1]) < 2:
            raise BadGguf(f"{file} is refused: the pair of {name} is not whole.", hint="Get the adapter again.")
        spans[name], pair_rank = _span(name, pair[0], pair[1], file)
        rank = max(rank, pair_rank)
    if not spans:
        raise BadGguf(f"{file} is refused: it changes no tensor.", hint="Get the adapter again.")
    alpha = header.metadata.get("adapter.lora.alpha")
    return AdapterShape(
        architecture=header.architecture,
        rank=rank,
        alpha=float(alpha) if isinstance(alpha, int | float) else 0.0,
        base_model=_base_model(header),
        spans=spans,
    )


def fits(adapter: AdapterShape, model: GgufHeader) -> bool:
    """Whether llama.cpp would apply the adapter to this model; of a split model the header must be of all parts."""
    if adapter.architecture != model.architecture:
        return False
    shapes = {tensor.name: tensor.shape for tensor in model.tensors if tensor.name in adapter.spans}
    return all(_plain(shapes.get(name, ())) == _plain(span) for name, span in adapter.spans.items())


def _span(name: str, a: Shape, b: Shape, file: str) -> tuple[Shape, int]:
    """The shape of B·A, and the rank. Those of the embeddings are stored the other way round."""
    rank, first, second = (a[0], b[1], a[1]) if name == _EMBEDDINGS else (a[1], a[0], b[1])
    if rank != b[0] or not 0 < rank <= MAX_RANK:
        raise BadGguf(f"{file} is refused: the two matrices of {name} do not go together.", hint="Get it again.")
    return (first, second, *a[2:]), rank


def _plain(shape: Shape) -> Shape:
    """Without the ones at the end, which ggml adds and drops."""
    end = len(shape)
    while end > 0 and shape[end - 1] == 1:
        end -= 1
    return shape[:end]


def _base_model(header: GgufHeader) -> str:
    for key in ("general.base_model.0.repo_url", "general.base_model.0.name"):
        value = header.metadata.get(key)
        if isinstance(value, str) and value.strip():
            return value.removeprefix("https://huggingface.co/").strip()[:200]
    return ""
