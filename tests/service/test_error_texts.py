"""What a person is told when something fails: a sentence and a next step, whatever the cause."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from desktop.service.errors import STATUS_OF_KIND, body_of, status_of
from desktop.settings import SettingsError, check
from engine import errors as engine_errors
from engine.errors import EngineError
from engine.upstream import refusal
from models import errors as models_errors
from models.errors import DatabaseError, ModelsError

NUMBERS: dict[str, dict[str, Any]] = {
    "OutOfMemory": {"needed_bytes": 2, "free_bytes": 1},
    "EngineBusy": {"retry_after_s": 1},
    "EngineCrashLoop": {"retry_after_s": 1},
    "ContextExceeded": {"prompt_tokens": 2, "reply_tokens": 1, "allocated_context": 2},
    "TextTooLong": {"tokens": 2, "max_tokens": 1},
    "RequestRefused": {"status": 400},
    "BadOption": {"option": "context"},
}
ENGINE_ERRORS = [
    kind for kind in vars(engine_errors).values() if isinstance(kind, type) and issubclass(kind, EngineError)
]


MODELS_ERRORS = [
    kind for kind in vars(models_errors).values() if isinstance(kind, type) and issubclass(kind, ModelsError)
]


@pytest.mark.parametrize("kind", MODELS_ERRORS)
def test_every_failure_of_models_has_a_kind_and_a_status_of_its_own(kind: type[ModelsError]) -> None:
    error = kind.__new__(kind)
    if kind not in (ModelsError, DatabaseError):  # roots, which nobody raises
        assert kind.kind in STATUS_OF_KIND or issubclass(kind, DatabaseError)
        assert kind.kind != ModelsError.kind
    assert 400 <= status_of(error) < 600


@pytest.mark.parametrize("kind", ENGINE_ERRORS)
def test_every_failure_of_the_engine_has_a_next_step_even_if_its_raiser_named_none(kind: type[EngineError]) -> None:
    told = body_of(kind("It failed.", **NUMBERS.get(kind.__name__, {})))
    assert told.kind == kind.kind
    assert (told.message, told.hint[-1]) == ("It failed.", ".")


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b'{"error": {"message": "Compute error.", "type": "server_error"}}']
)
def test_the_engine_s_own_no_has_a_next_step(answer: bytes) -> None:
    told = body_of(refusal(500, answer))
    assert told.message.endswith(".")
    assert told.hint.endswith(".")


@pytest.mark.parametrize(
    ("number", "kind", "status"),
    [(errno.ENOSPC, "disk_full", 507), (errno.EDQUOT, "disk_full", 507), (errno.EACCES, "os_error", 500)],
)
@pytest.mark.parametrize("file", ["/data/settings.toml", None])
def test_what_the_system_refuses_is_said_in_its_words(number: int, kind: str, status: int, file: str | None) -> None:
    error = OSError(number, os.strerror(number), file)
    told = body_of(error)
    assert (told.kind, status_of(error)) == (kind, status)
    assert (file or "").strip() in told.message
    assert "Errno" not in told.message
    assert told.message.endswith(".")
    assert told.hint.endswith(".")


def test_a_mistake_of_ours_keeps_its_text_to_itself() -> None:
    told = body_of(KeyError("what somebody wrote"))
    assert told.kind == "internal_error"
    assert "somebody" not in told.message + told.hint
    assert told.hint


@pytest.mark.parametrize(
    ("name", "value"), [("prot", 1), ("port", "x"), ("port", 99999), ("theme", "pink"), ("bind", "\n")]
)
def test_a_setting_that_is_refused_says_what_would_be_allowed(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as caught:
        check(name, value)
    assert f"'{name}'" in caught.value.message
    assert "must be" in caught.value.message or "Did you mean" in caught.value.hint
