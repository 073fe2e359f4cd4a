"""Errors of the engine package: the world said no.

EngineError
├── ChildEnded        exit_code, signal_name and log_tail say how
│   ├── LoadFailed        llama-server did not come up
│   │   └── OutOfMemory   needed_bytes and free_bytes say by how much
│   └── EngineStopped     the child ended while a request was running
├── EngineBusy        the queue is full; retry_after_s
├── EngineCrashLoop   too many crashes in ten minutes; we stopped trying
├── EngineUnproven    the build did not pass its proof
├── ContextExceeded   prompt_tokens + reply_tokens > allocated_context
├── TextTooLong       a text for embedding is longer than the model takes
├── BadOption         a model option out of its limits, or one that names what is not there; option
├── RequestRefused    llama-server refused the request; status and param say how
└── BadAnswer         llama-server answered with something that is no answer
"""

from __future__ import annotations


class EngineError(Exception):
    """A failure the user can act on: the message is a sentence, `hint` the next step, by default the kind's own."""

    kind = "engine_error"
    next_step = "Run `jackdaw doctor`; it shows whether the engine works here."

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.next_step


class ChildEnded(EngineError):
    """A child that ended when it should not have. `log_tail` holds its last lines, oldest first."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        exit_code: int | None = None,
        signal_name: str | None = None,
        log_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.signal_name = signal_name
        self.log_tail = log_tail


class LoadFailed(ChildEnded):
    """The model did not load."""

    kind = "load_failed"


class OutOfMemory(LoadFailed):
    """The model needs more memory than is free; both in bytes, `holders` names who holds the rest."""

    kind = "out_of_memory"

    def __init__(
        self,
        message: str,
        *,
        needed_bytes: int,
        free_bytes: int,
        holders: tuple[str, ...] = (),
        hint: str = "",
        exit_code: int | None = None,
        signal_name: str | None = None,
        log_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, exit_code=exit_code, signal_name=signal_name, log_tail=log_tail)
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes
        self.holders = holders


class EngineBusy(EngineError):
    """The model's queue is full."""

    kind = "engine_busy"

    def __init__(self, message: str, *, retry_after_s: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class EngineStopped(ChildEnded):
    """The child ended while a request was running."""

    kind = "engine_stopped"
    next_step = "Ask again; the model is loaded anew if need be."


class EngineCrashLoop(EngineError):
    """The model's child crashed too often; it is not started again before `retry_after_s`."""

    kind = "engine_crash_loop"

    def __init__(self, message: str, *, retry_after_s: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class EngineUnproven(EngineError):
    """The llama.cpp build did not pass its proof on this machine."""

    kind = "engine_unproven"


class ContextExceeded(EngineError):
    """A request does not fit the allocated context; all three in tokens."""

    kind = "context_length_exceeded"

    def __init__(
        self, message: str, *, prompt_tokens: int, reply_tokens: int, allocated_context: int, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.prompt_tokens = prompt_tokens
        self.reply_tokens = reply_tokens
        self.allocated_context = allocated_context


class TextTooLong(EngineError):
    """A text for embedding or reranking has more tokens than the model takes; nothing is cut silently."""

    kind = "text_too_long"

    def __init__(self, message: str, *, tokens: int, max_tokens: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.tokens = tokens
        self.max_tokens = max_tokens


class BadOption(EngineError):
    """An option of a model that cannot be kept or used; `option` is its name."""

    kind = "bad_option"
    next_step = "Choose another value, or leave the choice to Jackdaw."

    def __init__(self, message: str, *, option: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.option = option


class RequestRefused(EngineError):
    """llama-server refused the request itself: `status` is its HTTP status, `code` its error type."""

    kind = "request_refused"
    next_step = "These are the engine's own words: change the message or the parameters, then ask again."

    def __init__(self, message: str, *, status: int, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class BadAnswer(EngineError):
    """The child sent bytes that are no HTTP, no event stream, or more than an answer may be."""

    kind = "bad_answer"
    next_step = "Ask again; if it comes back, run `jackdaw doctor`."
