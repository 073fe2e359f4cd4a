"""What crosses the control socket, as pydantic models: shared by the service, the client, the CLI and the window.

Pydantic stands here and nowhere deeper. Every field states its unit in its name or its comment; times are seconds since
1970 as float. The routes are listed in docs/control-api.md and served as OpenAPI at /jackdaw/v1/openapi.json.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from desktop.wire_base import Wire as Wire  # noqa: PLC0414 - part of this module for everybody else
from desktop.wire_files import SentenceSupport, Source

LoadState = Literal["unloaded", "queued", "loading", "ready", "stopping", "failed"]
JobState = Literal["pending", "running", "paused", "interrupted", "done", "failed", "cancelled"]
MessageState = Literal["complete", "streaming", "interrupted", "stopped", "failed"]


class ErrorBody(Wire):
    """Every error of the control API: `kind` is for programs, `message` and `hint` are for people."""

    kind: str
    message: str
    hint: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


class EngineInfo(Wire):
    build: str  # "llama.cpp 0.3.36 native", "own: /path/to/bin", or "" when none is there
    proven: bool
    backend: str  # "CPU", "CUDA", "Vulkan", "Metal", "HIP"
    reason: str = ""  # why not proven, or why a safer build runs


class Health(Wire):
    status: Literal["ok", "starting", "stopping", "degraded"]
    version: str
    port: int
    engine: EngineInfo


class Memory(Wire):
    total_bytes: int
    available_bytes: int
    engine_bytes: int  # resident memory of all llama-server children


class Cpu(Wire):
    percent: float  # 0..100 over all processors
    threads: int  # logical processors


class PortStatus(Wire):
    number: int
    open: bool
    bind: list[str]
    problem: str = ""  # who holds the port, in words
    clients: int  # keys seen in the last five minutes


class Model(Wire):
    """One row of the library together with what runs."""

    id: str
    path: str
    format: str
    arch: str
    name: str
    params: int  # number of parameters
    quant: str
    bytes: int
    context_length: int  # what the model was trained for
    allocated_context: int | None = None  # what the running child gives each slot, from the child itself
    loaded: bool = False
    state: LoadState = "unloaded"
    load_fraction: float | None = None
    needed_bytes: int | None = None  # estimate of memory when loaded
    fits: bool | None = None
    error: str = ""
    hint: str = ""
    kind: Literal["chat", "embedding", "rerank"] = "chat"
    has_chat_template: bool = False
    supports_infill: bool = False
    source: str = "import"  # "import", "hub", "made", "ollama", "lm-studio", "huggingface", "llama.cpp", "folder"
    repo: str = ""  # on the Hub, when it came from there
    source_model: str = ""  # id of the model it was quantized from
    has_projector: bool = False
    tokens_per_s: float | None = None  # measured here, or predicted
    speed_source: Literal["measured", "corrected", "predicted", ""] = ""
    kl_divergence: float | None = None  # measured against source_model
    licence: str = ""
    added_at: float = 0.0
    slots: int | None = None
    busy_slots: int = 0
    queued: int = 0


class ImportRequest(Wire):
    path: str


class RemovedModel(Wire):
    id: str
    path: str
    file_deleted: bool
    freed_bytes: int = 0
    shared_with: list[str] = Field(default_factory=list)  # other names of the same bytes; they still hold the room


class Status(Wire):
    version: str
    pid: int
    started_at: float
    home: str
    port: PortStatus
    engine: EngineInfo
    memory: Memory
    cpu: Cpu
    models: list[Model]
    tokens_per_s: float | None = None  # generation speed of the last seconds over all models, None when idle


class DoctorCheck(Wire):
    name: str
    ok: bool
    detail: str
    hint: str = ""


class Device(Wire):
    name: str
    backend: str
    total_bytes: int
    free_bytes: int


class DoctorReport(Wire):
    ok: bool
    build: str
    directory: str
    flags: list[str]
    backend: str
    features_used: list[str]
    features_left_out: list[str]
    fallback_reason: str
    devices: list[Device]
    tuning: dict[str, Any]
    checks: list[DoctorCheck]


class Key(Wire):
    id: str
    name: str
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


class NewKeyRequest(Wire):
    name: str = Field(min_length=1, max_length=80)


class NewKey(Key):
    secret: str  # shown once; only its hash is kept


class JobRequest(Wire):
    kind: str
    options: dict[str, Any] = Field(default_factory=dict)


class Job(Wire):
    """`paused` waits for a person or for room, `interrupted` was cut short by an end of the service: both resume."""

    id: str
    kind: str
    state: JobState
    done: int
    total: int
    unit: str
    message: str
    error: str
    hint: str = ""
    result: dict[str, Any] | None = None
    created_at: float = 0.0
    title: str = ""  # for people: "Qwen3-8B Q4_K_M from Qwen/Qwen3-8B-GGUF"
    rate: float | None = None  # units per second lately
    seconds_left: float | None = None
    can_pause: bool = False
    can_resume: bool = False
    subject: str = ""  # what it is about: a repo or a model's id; cards find their job by it
    details: dict[str, Any] = Field(default_factory=dict)  # numbers of an error, e.g. needed_bytes


class Event(Wire):
    """One server-sent event; docs/control-api.md lists the types."""

    id: int
    type: str
    data: dict[str, Any]


class AdapterUse(Wire):
    """A LoRA adapter with the strength it is applied with; 0 keeps it loaded and switched off."""

    id: str
    scale: float = Field(default=1.0, ge=-10, le=10)


class SamplingParameters(Wire):
    """Only what the user set; everything absent is the engine's own default.

    `adapters` are those of this chat alone: the others that the model has loaded are switched off. None leaves the
    choice to the model's options.
    """

    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0, le=1_000_000)
    min_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000)
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    stop: list[str] | None = Field(default=None, max_length=16)
    adapters: list[AdapterUse] | None = Field(default=None, max_length=8)


class MessageUsage(Wire):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    first_token_ms: float | None = None
    finish_reason: str = ""


class Message(Wire):
    id: str
    chat_id: str
    parent_id: str | None
    role: Literal["system", "user", "assistant"]
    content: str
    reasoning: str = ""
    state: MessageState
    model: str = ""
    created_at: float
    usage: MessageUsage | None = None
    error: str = ""
    hint: str = ""
    sources: list[Source] = Field(default_factory=list)  # what it was given to read, when files were asked
    support: list[SentenceSupport] = Field(default_factory=list)
    why_id: str = ""  # GET /jackdaw/v1/files/why/ID
    files_note: str = ""  # what happened with the files, in words: "notes.md was given whole", "Not in your files"


class ChatFile(Wire):
    """A file or folder attached to one chat. `whole`: small enough that it was given whole when last asked."""

    path: str
    state: Literal["waiting", "reading", "ready", "failed"]
    files: int = 0
    chunks: int = 0
    whole: bool | None = None
    message: str = ""


class ChatSummary(Wire):
    id: str
    title: str
    pinned: bool
    model: str
    created_at: float
    updated_at: float
    snippet: str = ""  # only in search results: the matching words, plain text


class Chat(ChatSummary):
    """`messages` is the whole tree, oldest first; `head_id` names the last message of the branch that is shown."""

    head_id: str | None
    system_prompt: str
    parameters: SamplingParameters
    messages: list[Message]
    collections: list[str] = Field(default_factory=list)  # asked before every answer
    files: list[ChatFile] = Field(default_factory=list)  # attached to this chat alone


class NewChat(Wire):
    title: str = ""
    model: str = ""
    system_prompt: str = ""
    parameters: SamplingParameters = Field(default_factory=SamplingParameters)
    collections: list[str] = Field(default_factory=list, max_length=20)


class ChatPatch(Wire):
    title: str | None = Field(default=None, max_length=300)
    pinned: bool | None = None
    model: str | None = None
    head_id: str | None = None
    system_prompt: str | None = None
    parameters: SamplingParameters | None = None
    collections: list[str] | None = Field(default=None, max_length=20)


class AskRequest(Wire):
    """Ask for an answer in a chat.

    `content` set: a new user message below `parent_id` (None: first message). `content` None: answer again the user
    message `parent_id`. Both keep what was there: branches are siblings with the same parent.
    """

    parent_id: str | None = None
    content: str | None = Field(default=None, max_length=8 * 1024 * 1024)
    model: str = ""


class ContextCount(Wire):
    """Tokens a chat would send with `draft` added; `allocated_context` is None while the model is not loaded."""

    prompt_tokens: int | None
    allocated_context: int | None
    exact: bool


class Nothing(Wire):
    """An answer that has nothing to say beyond its status."""


class ModelList(Wire):
    models: list[Model]


class KeyList(Wire):
    keys: list[Key]


class JobList(Wire):
    jobs: list[Job]


class ChatList(Wire):
    chats: list[ChatSummary]


class LogLines(Wire):
    lines: list[str]


class ContextRequest(Wire):
    """`parent_id`, when given, names the message the draft would follow, null for a first one. Absent: the head."""

    draft: str = Field(default="", max_length=8 * 1024 * 1024)
    parent_id: str | None = None


class WindowRaised(Wire):
    raised: bool
