"""What crosses the borders of the engine package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["chat", "embedding", "rerank"]
# What llama-server takes as --cache-type-k and --cache-type-v (kv_cache_types in llama.cpp common/arg.cpp).
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
LoadState = Literal["unloaded", "queued", "loading", "ready", "stopping", "failed"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a child uses the processors; None leaves llama.cpp's own choice. `source` says who chose it, in words.

    `threads` generate, `threads_batch` read prompts, `poll` 0..100 is llama.cpp's --poll, `environ` is for variables
    such as OMP_WAIT_POLICY.
    """

    threads: int | None = None
    threads_batch: int | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    poll: int | None = None
    source: str = "llama.cpp's own defaults"


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    """A LoRA adapter that goes with a model: `path` is absolute, `scale` what it is applied with unless asked."""

    id: str
    path: Path
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How one model is to be loaded.

    `context` is tokens per slot, a multiple of 256 as llama.cpp rounds it; `batch` None leaves llama.cpp's 2048/512;
    it is set where one input must pass in a single batch (embedding, rerank) and on slow processors. `gpu_layers`
    None lets llama.cpp fit them. `cache_ram_mib` bounds the host prompt cache and `checkpoints` the context checkpoints
    per slot. `draft`, `projector` and `adapters` are files that are loaded beside the model, by absolute path;
    `cpu_expert_layers` layers keep their experts in main memory.
    `needed_bytes` is the estimate of everything together; `kv_bytes` and `weights_bytes` are its largest parts.
    """

    context: int
    slots: int
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    gpu_layers: int | None = None
    batch: int | None = None
    pooling: str | None = None
    cache_ram_mib: int = 0
    checkpoints: int | None = None
    cpu_expert_layers: int | None = None
    draft: Path | None = None
    projector: Path | None = None
    adapters: tuple[LoadedAdapter, ...] = ()
    weights_bytes: int = 0
    kv_bytes: int = 0
    needed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model as the scheduler sees it now. Bytes are bytes, `fraction` is 0..1 while loading and None when unknown.

    `allocated_context` is tokens per slot as the child itself reports it, None unless ready. `queued` counts requests
    that wait for a slot or for the load. `last_used_monotonic` is on time.monotonic()'s scale. `rss_bytes` is
    resident memory in snapshots, 0 in news of a change. `options_wait`: its options were changed since it was loaded,
    and hold once nobody uses it and it is loaded anew. `note` says what was left out when it was loaded.
    """

    model_id: str
    state: LoadState = "unloaded"
    fraction: float | None = None
    pid: int | None = None
    allocated_context: int | None = None
    slots: int | None = None
    busy_slots: int = 0
    queued: int = 0
    rss_bytes: int = 0
    needed_bytes: int | None = None
    error: str = ""
    hint: str = ""
    last_used_monotonic: float | None = None
    options_wait: bool = False
    note: str = ""
