"""From a load plan to llama-server's command line: pure, and the only place that knows its flags.

A flag stands here when a plan, the tuning or our safety asks for it; everything else stays llama.cpp's own default.
Source of the flags: llama.cpp tools/server/README.md and common/arg.cpp of the pinned release.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from engine.errors import BadOption
from engine.types import Kind, LoadedAdapter, LoadPlan, Tuning

# Flags that open a door (tools, files, network, other machines) or put a secret on the command line. None is ever used;
# the tests hold every one of them out for all inputs.
FORBIDDEN = (
    "--rpc",
    "--tools",
    "--mcp",
    "--agent",
    "--props",
    "--slot-save-path",
    "--media-path",
    "--hf",
    "--model-url",
    "--mmproj-url",
    "--docker-repo",
    "--api-key",
    "--path",
    "--models-dir",
    "--lora-init-without-apply",
    "--context-shift",
    "--log-prompts-dir",
    "--port",
)

_ALIAS = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,254}")


def launch_arguments(
    plan: LoadPlan, model: Path, socket: Path, key_file: Path, *, alias: str, tuning: Tuning, kind: Kind
) -> tuple[str, ...]:
    """The arguments after the program's name. All paths must be absolute, `socket` must end in ".sock".

    `--ctx-size` is the sum over all slots. `--no-kv-unified` gives each slot its own share: with llama.cpp's unified
    cache every slot would be told the whole, and the promise broken as soon as two slots filled up. `alias` is the
    model's id: without it every answer would carry the file's path.
    """
    if not _ALIAS.fullmatch(alias):
        raise ValueError(f"{alias!r} is not a model id")
    if not (model.is_absolute() and socket.is_absolute() and key_file.is_absolute()):
        raise ValueError("llama-server is started with absolute paths only")
    if socket.suffix != ".sock":
        raise ValueError("llama-server takes a host for a Unix socket only when it ends in .sock")
    return (
        *("--model", str(model), "--host", str(socket), "--api-key-file", str(key_file)),
        *("--alias", alias, "--offline", "--no-ui"),
        *("--ctx-size", str(plan.context * plan.slots), "--parallel", str(plan.slots), "--no-kv-unified"),
        *("--cache-ram", str(plan.cache_ram_mib)),
        *_chosen(plan),
        *_beside(plan),
        *_tuned(tuning),
        *_for_kind(plan, kind),
    )


def _chosen(plan: LoadPlan) -> tuple[str, ...]:
    return (
        *_option("--ctx-checkpoints", plan.checkpoints),
        *_option("--cache-type-k", plan.cache_type_k),
        *_option("--cache-type-v", plan.cache_type_v),
        *_option("--n-gpu-layers", plan.gpu_layers),
        *_option("--n-cpu-moe", plan.cpu_expert_layers or None),
        *_option("--batch-size", plan.batch),
        *_option("--ubatch-size", plan.batch),
    )


def _beside(plan: LoadPlan) -> tuple[str, ...]:
    """Files that are loaded with the model. Without --spec-type llama-server would load a draft and never ask it."""
    for path in (plan.draft, plan.projector, *(adapter.path for adapter in plan.adapters)):
        if path is not None and not path.is_absolute():
            raise ValueError("llama-server is started with absolute paths only")
    scaled = ",".join(_scaled(adapter) for adapter in plan.adapters)
    return (
        *(("--model-draft", str(plan.draft), "--spec-type", "draft-simple") if plan.draft is not None else ()),
        *_option("--mmproj", None if plan.projector is None else str(plan.projector)),
        *_option("--lora-scaled", scaled or None),
    )


def _scaled(adapter: LoadedAdapter) -> str:
    """One FNAME:SCALE of --lora-scaled, quoted when it holds a comma; llama-server splits the rest at every colon.

    Source: parse_csv_row and --lora-scaled in llama.cpp common/arg.cpp. Raises BadOption for a path it cannot take.
    """
    path = str(adapter.path)
    if ":" in path:
        raise BadOption(
            f"The adapter {adapter.id} lies at {path}, and the engine takes no colon in the path of an adapter.",
            option="adapters",
            hint="Move it to a folder without a colon in its name, and import it again.",
        )
    if not math.isfinite(adapter.scale):
        raise ValueError(f"{adapter.scale} is no scale")
    item = f"{path}:{adapter.scale:.6g}"
    quoted = item.replace('"', '""')
    return f'"{quoted}"' if "," in item or '"' in item else item


def _tuned(tuning: Tuning) -> tuple[str, ...]:
    return (
        *_option("--threads", tuning.threads),
        *_option("--threads-batch", tuning.threads_batch),
        *_option("--poll", tuning.poll),
    )


def _for_kind(plan: LoadPlan, kind: Kind) -> tuple[str, ...]:
    if kind == "embedding":
        return ("--embeddings", *_option("--pooling", plan.pooling))
    return ("--rerank",) if kind == "rerank" else ()


def _option(flag: str, value: int | str | None) -> tuple[str, ...]:
    return () if value is None else (flag, str(value))
