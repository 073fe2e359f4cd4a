"""What crosses the control socket about finding, fetching, making and measuring models. See wire.py for the rest.

Bytes are bytes, times are seconds since 1970 as float, speeds are tokens per second, contexts are tokens per slot.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from desktop.wire import AdapterUse, Wire

Task = Literal["chat", "code", "autocomplete", "embedding", "rerank", "vision"]
Verdict = Literal["fits", "tight", "too_large"]
Access = Literal["open", "log_in", "accept_licence", "granted"]


# Fit


class ModelOptions(Wire):
    """What the user chose for one model; None and [] leave the choice to the fit. Remembered with the model."""

    context: int | None = Field(default=None, ge=256, le=10_000_000)
    slots: int | None = Field(default=None, ge=1, le=64)
    cache_type_k: str | None = None  # "f16", "q8_0", "q4_0", …
    cache_type_v: str | None = None
    gpu_layers: int | None = Field(default=None, ge=0, le=10_000)
    cpu_expert_layers: int | None = Field(default=None, ge=0, le=10_000)  # layers whose experts stay in main memory
    draft_model: str | None = None  # id of a small model of the same vocabulary; "" for none
    projector: bool | None = None  # whether the picture part is loaded, where there is one
    adapters: list[AdapterUse] | None = None


class DeviceNeed(Wire):
    """What one memory would hold. `free_bytes` counts what other programs use as not free."""

    device: str
    weights_bytes: int = 0
    kv_bytes: int = 0  # KV cache and recurrent state
    compute_bytes: int = 0
    projector_bytes: int = 0
    draft_bytes: int = 0
    other_bytes: int = 0  # prompt cache, checkpoints, the process itself
    total_bytes: int = 0
    free_bytes: int = 0
    size_bytes: int = 0  # of the device


class Fit(Wire):
    """Whether and how a model fits here, for one set of options."""

    verdict: Verdict
    sentence: str
    needed_bytes: int
    free_bytes: int
    memory_bytes: int  # all there is, over the devices used
    devices: list[DeviceNeed]
    context: int
    slots: int
    cache_type_k: str
    cache_type_v: str
    gpu_layers: int | None = None
    largest_context: int  # with these options and what is free now; 0 when nothing fits
    trained_context: int
    tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    speed_source: Literal["measured", "corrected", "predicted", ""] = ""


# The Hub


class HubModel(Wire):
    """One search result."""

    repo: str  # "author/name"
    author: str
    name: str
    task: str = ""
    licence: str = ""
    architecture: str = ""
    downloads: int = 0
    likes: int = 0
    updated_at: float = 0.0
    params: int | None = None
    gated: bool = False
    has_gguf: bool = False
    tags: list[str] = Field(default_factory=list)
    installed: list[str] = Field(default_factory=list)  # ids of models in the library that came from this repo


class HubSearch(Wire):
    models: list[HubModel]
    next: str = ""  # cursor of the next page, "" at the end


class HubFile(Wire):
    path: str
    bytes: int
    sha256: str = ""  # "" for small files that are not in LFS


class HubVariant(Wire):
    """Files that make one loadable model: all parts of a split, and the picture part when the repo has one."""

    name: str  # what `pull REPO:NAME` takes: the quantization, with a suffix where two share it
    quant: str
    about: str  # what the quantization means, one sentence
    files: list[HubFile]
    projector: HubFile | None = None
    bytes: int
    recommended: bool = False
    installed: str = ""  # id in the library
    on_disk: str = ""  # path of the same file found in another program's store
    verdict: Verdict | None = None  # from the size alone, unless a header was read
    tokens_per_s: float | None = None


class HubRepo(Wire):
    repo: str
    commit: str
    author: str
    name: str
    task: str = ""
    licence: str = ""
    licence_url: str = ""
    architecture: str = ""
    context_length: int = 0
    params: int | None = None
    base_model: str = ""
    downloads: int = 0
    likes: int = 0
    updated_at: float = 0.0
    gated: bool = False
    access: Access = "open"
    variants: list[HubVariant]
    other_files: list[HubFile]
    convertible: bool = False  # safetensors that convert to GGUF here
    convert_problem: str = ""  # why not
    url: str = ""


class HubCard(Wire):
    repo: str
    commit: str
    markdown: str  # without its front matter; links in it are made absolute


class HubFit(Wire):
    """A file of the Hub judged by its own header, read by range requests before anything large is fetched."""

    repo: str
    file: str
    arch: str
    quant: str
    params: int
    context_length: int
    kind: Literal["chat", "embedding", "rerank"]
    fit: Fit
    bytes_read: int


class HubToken(Wire):
    """Whether a token for the Hub is known; it is never told again."""

    present: bool
    kept: Literal["", "keyring", "session"] = ""
    user: str = ""
    problem: str = ""  # why it cannot be kept in the keyring


class HubTokenRequest(Wire):
    token: str = Field(min_length=1, max_length=500, repr=False)
    session_only: bool = False  # consent to keep it in memory alone when there is no keyring


# The catalogue


class CatalogueModel(Wire):
    """One size of a family."""

    repo: str
    name: str
    family: str
    author: str
    params: int
    active_params: int | None = None  # of a mixture of experts, per token
    file_bytes: int  # of the quantization we would pick
    quant: str
    licence: str
    context_length: int
    tasks: list[Task]
    about: str
    quirks: list[str] = Field(default_factory=list)
    checked: bool = False  # compared with the Hub itself
    verdict: Verdict | None = None
    needed_bytes: int | None = None
    tokens_per_s: float | None = None
    installed: str = ""


class Catalogue(Wire):
    models: list[CatalogueModel]
    compiled: str  # date of the data


class Suggestion(Wire):
    task: Task
    model: CatalogueModel
    reason: str


class Suggestions(Wire):
    suggestions: list[Suggestion]
    memory_bytes: int
    bandwidth_bytes_per_s: float | None = None


# What other programs have on this disk


class FoundModel(Wire):
    """A model file in somebody's store; it can be used where it lies."""

    path: str
    name: str
    store: Literal["ollama", "lm-studio", "huggingface", "llama.cpp", "folder", "jackdaw"]
    label: str  # "llama3.2:3b", "lmstudio-community/…"
    bytes: int
    quant: str = ""
    arch: str = ""
    kind: Literal["chat", "embedding", "rerank"] = "chat"
    model_id: str = ""  # in the library already
    problem: str = ""  # why it cannot be used
    projector: str = ""  # path of the picture part


class StoreSeen(Wire):
    store: str
    folder: str
    models: int
    bytes: int
    problem: str = ""


class Duplicate(Wire):
    """Files with one content. `wasted_bytes` is what merging them would free; files that share blocks count once."""

    sha256: str
    bytes: int
    paths: list[str]
    stores: list[str]
    wasted_bytes: int
    method: Literal["reflink", "hardlink", ""] = ""  # how they could be merged; "" when they lie on different disks
    problem: str = ""


class StoreReport(Wire):
    """The last scan; `scanned_at` 0 before the first."""

    scanned_at: float
    stores: list[StoreSeen]
    models: list[FoundModel]
    duplicates: list[Duplicate]
    unhashed: int = 0  # files of one size that were not compared yet


class DiskModel(Wire):
    id: str
    name: str
    path: str
    store: str
    bytes: int  # that deleting it here would free; 0 when it is another program's or shared
    file_bytes: int
    shared_with: list[str] = Field(default_factory=list)


class DiskUse(Wire):
    folder: str  # our models folder
    used_bytes: int  # of ours
    partial_bytes: int  # unfinished downloads
    free_bytes: int
    disk_bytes: int
    models: list[DiskModel]


# Adapters


class Adapter(Wire):
    id: str
    name: str
    path: str
    arch: str
    bytes: int
    rank: int = 0
    base_model: str = ""  # as its file names it
    fits_models: list[str] = Field(default_factory=list)  # ids in the library with the same shapes
    added_at: float = 0.0


class AdapterList(Wire):
    adapters: list[Adapter]


# Measurements


class Measurement(Wire):
    """One quantization measured on this machine. KL divergence is in nats per token, against `source_id`."""

    model_id: str
    source_id: str
    quant: str
    bytes: int
    kl_divergence: float | None = None  # mean
    kl_divergence_error: float | None = None
    kl_divergence_p99: float | None = None
    same_top_percent: float | None = None  # how often the most likely token is the same
    perplexity: float | None = None
    perplexity_error: float | None = None
    source_perplexity: float | None = None
    tokens_measured: int = 0
    prompt_tokens_per_s: float | None = None
    tokens_per_s: float | None = None
    peak_bytes: int | None = None  # of the process that ran it
    context: int = 0
    machine: str = ""
    engine: str = ""
    text: str = ""  # name of the text it was measured on
    measured_at: float = 0.0
    state: Literal["running", "done", "failed"] = "done"
    error: str = ""


class QuantPick(Wire):
    model_id: str
    reason: str


class PromptAnswer(Wire):
    """One of the user's own prompts answered by one quantization, with greedy sampling."""

    model_id: str
    prompt: str
    answer: str
    same_words: int | None = None  # leading words that equal the source's answer
    measured_at: float = 0.0


class MeasurementList(Wire):
    source_id: str
    measurements: list[Measurement]
    frontier: list[str]  # ids that nothing beats in both size and quality
    pick: QuantPick | None = None
    answers: list[PromptAnswer] = Field(default_factory=list)


class QuantType(Wire):
    """A quantization llama-quantize makes, with what it means."""

    name: str
    about: str
    bits_per_weight: float
    estimated_bytes: int | None = None  # for the model asked about
    needs_imatrix: bool = False


class QuantTypeList(Wire):
    types: list[QuantType]
    refused: str = ""  # why this model should not be quantized again


class Details(Wire):
    """Facts of one model beyond its row."""

    id: str
    repo: str = ""
    commit: str = ""
    sha256: str = ""
    projector: str = ""
    template_sha256: str = ""
    template_changed: bool = False
    source_model: str = ""  # the model it was made from
    shared_with: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    jail: str = ""  # how a conversion of it would be, or was, locked in
