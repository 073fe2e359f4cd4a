"""Whether a repository's checkpoint could become a GGUF file here, judged by names and what the Hub's API says of it.

This answers before anything is fetched and is a forecast: the checkpoint itself is checked again where it is converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from models.hub.types import HubFile

PICKLED = frozenset({".bin", ".pt", ".pth", ".pkl", ".ckpt"})
# Beside the weights: what describes the model and its tokens, at the top or in a pooling folder.
_NEEDED = frozenset({".json", ".txt", ".model", ".jinja"})
_OTHER_COPIES = ("consolidated", "model.fp32", "model.fp16")


def convert_problem(names: Iterable[str], tags: Sequence[str], config: Mapping[str, object]) -> str:
    """Why it cannot be converted, as a sentence; "" when nothing speaks against it.

    `names` are all files, also those never fetched; `config` is the Hub's summary of config.json.
    """
    paths = [PurePosixPath(name) for name in names]
    top = {path.name for path in paths if len(path.parts) == 1}
    suffixes = {path.suffix.lower() for path in paths if len(path.parts) == 1}
    if ".safetensors" not in suffixes:
        if suffixes & PICKLED:
            return "Its weights are pickled Python objects, which could run anything; only safetensors are converted."
        return "It holds no safetensors weights."
    if "config.json" not in top:
        return "It has no config.json, so nobody can tell its architecture."
    if code := sorted(path.name for path in paths if path.suffix.lower() == ".py"):
        return f"It brings code of its own ({code[0]}), which is never run here."
    if "custom_code" in tags or "auto_map" in config:
        return "Its configuration asks for code of its own, which is never run here."
    quantization = config.get("quantization_config")
    if isinstance(quantization, Mapping):
        method = quantization.get("quant_method") or "another format"
        return f"Its weights are quantized already ({str(method)[:20]}); conversion needs the original."
    if {"adapter_config.json"} & top:
        return "It is an adapter for another model; import it as an adapter."
    return ""


def convert_files(files: Iterable[HubFile]) -> tuple[HubFile, ...]:
    """The files a conversion needs of a repository: weights and descriptions, without second copies of the weights."""
    return tuple(file for file in files if _is_needed(PurePosixPath(file.path)))


def _is_needed(path: PurePosixPath) -> bool:
    if len(path.parts) == 2:  # sentence-transformers keeps what pooling to use in 1_Pooling/config.json
        return path.name == "config.json" and path.parts[0][:1].isdigit()
    if len(path.parts) > 2:
        return False
    if path.suffix.lower() == ".safetensors":
        return not path.name.startswith(_OTHER_COPIES)
    return path.suffix.lower() in _NEEDED
