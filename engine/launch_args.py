"""From a load plan to llama-server's command line: pure, and the only place that knows its flags.

A flag stands here when a plan, the tuning or our safety asks for it; everything else stays llama.cpp's own default.
Source of the flags: llama.cpp tools/server/README.md and common/arg.cpp of the pinned release.
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.types import Kind, LoadPlan, Tuning

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
        *_tuned(tuning),
        *_for_kind(plan, kind),
    )


def _chosen(plan: LoadPlan) -> tuple[str, ...]:
    return (
        *_option("--ctx-checkpoints", plan.checkpoints),
        *_option("--cache-type-k", plan.cache_type_k),
        *_option("--cache-type-v", plan.cache_type_v),
        *_option("--n-gpu-layers", plan.gpu_layers),
        *_option("--batch-size", plan.batch),
        *_option("--ubatch-size", plan.batch),
    )


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
