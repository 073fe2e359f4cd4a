"""Wire objects as the service would send them, with only what a test is about said."""

from __future__ import annotations

from typing import Any, get_args

from desktop.wire import Job, Model
from desktop.wire_models import (
    CatalogueModel,
    DeviceNeed,
    Fit,
    HubFile,
    HubModel,
    HubRepo,
    HubVariant,
    Verdict,
)

GB = 1_000_000_000


def a_model(model_id: str, **facts: Any) -> Model:
    known: dict[str, Any] = {
        "path": f"/models/{model_id}.gguf",
        "format": "gguf",
        "arch": "qwen2",
        "name": model_id.capitalize(),
        "params": 7_600_000_000,
        "quant": "Q4_K_M",
        "bytes": 5 * GB,
        "context_length": 32768,
        "needed_bytes": 6 * GB,
        "fits": True,
    }
    return Model(id=model_id, **{**known, **facts})


def a_job(**facts: Any) -> Job:
    known: dict[str, Any] = {
        "id": "a",
        "kind": "download",
        "state": "running",
        "done": 1,
        "total": 4,
        "unit": "bytes",
        "message": "",
        "error": "",
        "title": "Tiny Q8_0",
    }
    return Job(**{**known, **facts})


def a_catalogue_model(repo: str, **facts: Any) -> CatalogueModel:
    known: dict[str, Any] = {
        "name": repo.partition("/")[2],
        "family": "Family",
        "author": repo.partition("/")[0],
        "params": 4_000_000_000,
        "file_bytes": 3 * GB,
        "quant": "Q4_K_M",
        "licence": "mit",
        "context_length": 32768,
        "tasks": ["chat"],
        "about": "Small all-rounder.",
    }
    return CatalogueModel(repo=repo, **{**known, **facts})


def a_found_repo(repo: str, **facts: Any) -> HubModel:
    author, _, name = repo.partition("/")
    return HubModel(repo=repo, author=author, name=name, has_gguf=True, **facts)


def a_variant(quant: str, size: int, **facts: Any) -> HubVariant:
    files = [HubFile(path=f"a-{quant}.gguf", bytes=size, sha256="ab" * 32)]
    return HubVariant(name=quant, quant=quant, about=f"What {quant} means.", files=files, bytes=size, **facts)


def a_repo(repo: str, *variants: HubVariant, **facts: Any) -> HubRepo:
    author, _, name = repo.partition("/")
    return HubRepo(
        repo=repo,
        commit="c" * 40,
        author=author,
        name=name,
        variants=list(variants),
        other_files=[],
        url=f"https://hub.example/{repo}",
        **facts,
    )


def a_fit(
    verdict: str, *, needed: int = 6 * GB, speed: float | None = None, largest: int = 8192, trained: int = 32768
) -> Fit:
    assert verdict in get_args(Verdict)
    memory = DeviceNeed(
        device="memory",
        weights_bytes=needed // 2,
        kv_bytes=needed // 4,
        compute_bytes=needed // 4,
        total_bytes=needed,
        free_bytes=9 * GB,
        size_bytes=16 * GB,
    )
    return Fit(
        verdict=verdict,
        sentence="It needs so much.",
        needed_bytes=needed,
        free_bytes=9 * GB,
        memory_bytes=16 * GB,
        devices=[memory],
        context=8192,
        slots=1,
        cache_type_k="f16",
        cache_type_v="f16",
        largest_context=largest,
        trained_context=trained,
        tokens_per_s=speed,
        speed_source="predicted" if speed else "",
    )
