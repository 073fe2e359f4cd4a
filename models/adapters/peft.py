"""A PEFT adapter, as fine-tuning leaves it, made into a GGUF file by llama.cpp's own script, in the jail."""

from __future__ import annotations

import asyncio
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.adapters.base_config import base_config
from models.adapters.shapes import adapter_shape
from models.convert.architectures import known_architectures, nearest
from models.convert.checkpoint import read_settings
from models.convert.convert import FILE_SLACK_BYTES, ROOM_SHARE, Converted
from models.convert.run import ScriptJob, Workplace, keep, run_script, scripts_of, workplace
from models.convert.weights import Tensor, read_tensors
from models.disk_room import require_room
from models.errors import ConvertRefused
from models.gguf import GgufHeader, read_header
from models.llamacpp import EngineBuild
from models.progress import Cancel, Progress, Report

SCRIPT = "convert_lora_to_gguf.py"
SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
OUT_TYPE = "f16"  # what adapters are trained in; a rank of 64 makes some 100 MB of it

# Settings that mean more than two matrices per tensor, with what that is called.
_UNKNOWN_FORMS = {
    "use_dora": "DoRA",
    "fan_in_fan_out": "transposed weights",
    "modules_to_save": "whole tensors beside its matrices",
    "alpha_pattern": "a strength of its own per tensor",
    "layer_replication": "repeated layers",
}


@dataclass(frozen=True, slots=True)
class PeftAdapter:
    """An adapter that passed. `settings` is what the script will be given: alpha is meant as llama.cpp applies it."""

    folder: Path
    base_model: str  # the repository or folder it was trained on, as it says
    settings: dict[str, Any]
    tensors: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        return sum(tensor.parameters for tensor in self.tensors) * 4


def check_adapter(folder: Path) -> PeftAdapter:
    """Look at a PEFT folder; of all its files only two are ever read. Blocks on the disk.

    Raises ConvertRefused with the reason: no safetensors, not LoRA, a form that llama.cpp does not apply.
    """
    folder = folder.absolute()
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise ConvertRefused(f"{folder.name} is no adapter: it has no {name}.", hint=_hint_for(folder, name))
    settings = read_settings(folder / SETTINGS)
    if not isinstance(settings, dict) or str(settings.get("peft_type", "")).upper() != "LORA":
        raise ConvertRefused(f"{folder.name} is no LoRA adapter.", hint="Other kinds are not known to llama.cpp.")
    for key, what in _UNKNOWN_FORMS.items():
        if settings.get(key):
            raise _unknown_form(folder, what)
    if settings.get("bias", "none") != "none":
        raise _unknown_form(folder, "trained biases")
    return PeftAdapter(
        folder=folder,
        base_model=str(settings.get("base_model_name_or_path") or "")[:200],
        settings={**settings, "lora_alpha": _alpha(folder, settings)},
        tensors=read_tensors(folder / WEIGHTS),
    )


async def convert_adapter(
    adapter: PeftAdapter,
    base: Path | GgufHeader,
    target: Path,
    *,
    build: EngineBuild,
    report: Report,
    cancel: Cancel,
    floor_bytes: int | None = None,
    pidfiles: Path | None = None,
) -> Converted:
    """Make `target` of a PEFT adapter. `base`: the header of its model's GGUF file, or a folder with its config.json.

    The target appears whole or not at all. Raises as convert.convert does.
    """
    scripts = scripts_of(build)
    config = await asyncio.to_thread(_base_config, base, scripts)
    needed = int(ROOM_SHARE * adapter.bytes) + (1 << 20)
    require_room(target.parent, needed, f"Converting {adapter.folder.name}", floor_bytes)
    began, total = time.monotonic(), len(adapter.tensors)

    def written(tensors: int, _done: int, _size: int) -> None:
        report(Progress(min(tensors, total), total, "tensors", "Writing"))

    report(Progress(0, total, "tensors", "Reading the adapter"))
    with workplace(target, needed) as place:
        await asyncio.to_thread(_fill, place, adapter, config)
        job = ScriptJob(build, cancel, needed, needed + FILE_SLACK_BYTES, pidfiles)
        arguments = ["--outfile", str(place.out), "--outtype", OUT_TYPE, "--base", str(place.input / "base")]
        peak = await run_script(job, place, SCRIPT, [*arguments, str(place.input / "adapter")], written)
        cancel.check()
        adapter_shape(await asyncio.to_thread(read_header, place.out), adapter.folder.name)
        header = await keep(place)
    report(Progress(total, total, "tensors", "Converted"))
    return Converted(target, header, time.monotonic() - began, peak)


def _hint_for(folder: Path, name: str) -> str:
    if name == WEIGHTS and (folder / "adapter_model.bin").exists():
        return "Weights in .bin can run code when they are read: save the adapter with safetensors."
    return "Choose the folder of a PEFT adapter, or its GGUF file."


def _alpha(folder: Path, settings: dict[str, Any]) -> float:
    """llama.cpp applies alpha / rank; "rank-stabilized" adapters mean alpha / sqrt(rank). Source: PEFT, LoraConfig."""
    try:
        alpha, rank = float(settings["lora_alpha"]), int(settings["r"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConvertRefused(f"{folder.name} states no rank and strength.", hint="Get the adapter again.") from error
    if not (math.isfinite(alpha) and rank > 0):
        raise ConvertRefused(f"{folder.name} states a rank or a strength that cannot be.", hint="Get it again.")
    if settings.get("use_rslora"):
        if settings.get("rank_pattern"):
            raise _unknown_form(folder, "ranks of their own per tensor, rank-stabilized")
        return alpha * math.sqrt(rank)
    return alpha


def _base_config(base: Path | GgufHeader, scripts: Path) -> dict[str, Any]:
    if isinstance(base, GgufHeader):
        return base_config(base)
    config = read_settings(base / "config.json")
    names = config.get("architectures") if isinstance(config, dict) else None
    known = known_architectures(scripts)
    if not isinstance(names, list) or not names or names[0] not in known:
        name = str(names[0])[:60] if isinstance(names, list) and names else "none"
        raise ConvertRefused(f"llama.cpp cannot convert the architecture {name!r}.", hint=nearest(name, known))
    return dict(config)


def _fill(place: Workplace, adapter: PeftAdapter, config: dict[str, Any]) -> None:
    place.take(adapter.folder, (), (WEIGHTS,), below="adapter")
    (place.input / "adapter" / SETTINGS).write_text(json.dumps(adapter.settings))
    (place.input / "base").mkdir()
    (place.input / "base" / "config.json").write_text(json.dumps(config))


def _unknown_form(folder: Path, what: str) -> ConvertRefused:
    return ConvertRefused(
        f"{folder.name} cannot be converted: it has {what}, which llama.cpp does not apply.",
        hint="Merge it into its model where it was trained, and convert that.",
    )
