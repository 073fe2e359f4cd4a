"""The Hub's token: in the keyring or in this process, nowhere else, and never there without consent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keyring.errors
import pytest

from models.errors import KeyringMissing
from models.tokens import HubTokens

SECRET = "hf_secretsecretsecret"


class MemoryKeyring:
    """A keyring that keeps what it is given; `error` is raised by every call."""

    def __init__(self, error: Exception | None = None) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        self._fail()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._fail()
        del self.kept[service, username]

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def test_a_token_outlives_the_session_in_the_keyring() -> None:
    system = MemoryKeyring()
    HubTokens(system).remember(f" {SECRET}\n")

    later = HubTokens(system)

    assert later.token() == SECRET
    assert (later.state().present, later.state().kept, later.state().problem) == (True, "keyring", "")
    later.forget()
    assert later.token() is None and not system.kept
    assert HubTokens(system).token() is None


def test_consent_keeps_it_out_of_the_keyring() -> None:
    system = MemoryKeyring()
    tokens = HubTokens(system)

    assert tokens.remember(SECRET, session_only=True).kept == "session"
    assert not system.kept
    assert HubTokens(system).token() is None


@pytest.mark.accept(28)
def test_without_a_keyring_it_is_kept_for_the_session_after_consent_only(tmp_path: Path) -> None:
    """In a process of its own with keyring's own fail backend, and a look at every file it could have written."""
    script = f"""
from models.errors import KeyringMissing
from models.tokens import HubTokens
tokens = HubTokens()
assert tokens.token() is None and not tokens.state().present
assert "no keyring" in tokens.state().problem, tokens.state()
try:
    tokens.remember({SECRET!r})
except KeyringMissing as error:
    assert "session" in error.hint
else:
    raise AssertionError("kept without consent")
assert tokens.token() is None
assert tokens.remember({SECRET!r}, session_only=True).kept == "session"
assert tokens.token() == {SECRET!r}
assert HubTokens().token() is None
tokens.forget()
assert tokens.token() is None
"""
    for backend in ("keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={
                **os.environ,
                "HOME": str(tmp_path),
                "XDG_DATA_HOME": str(tmp_path),
                "PYTHON_KEYRING_BACKEND": backend,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in written)


@pytest.mark.accept(28)
@pytest.mark.parametrize("error", [keyring.errors.KeyringLocked("it is locked"), OSError("no daemon")])
def test_a_keyring_that_refuses_is_none_and_says_why(error: Exception) -> None:
    tokens = HubTokens(MemoryKeyring(error))

    assert tokens.token() is None
    assert str(error) in tokens.state().problem
    with pytest.raises(KeyringMissing) as refused:
        tokens.remember(SECRET)
    assert SECRET not in refused.value.message + refused.value.hint
    assert tokens.remember(SECRET, session_only=True).present


def test_a_keyring_that_is_locked_meanwhile_keeps_nothing() -> None:
    system = MemoryKeyring()
    tokens = HubTokens(system)
    assert tokens.token() is None
    system.error = keyring.errors.KeyringLocked("it is locked")

    with pytest.raises(KeyringMissing, match="it is locked"):
        tokens.remember(SECRET)

    assert tokens.token() is None


@pytest.mark.parametrize("text", ["", "  ", "two words", "hf_ü", "a\nb", "a\0b"])
def test_what_cannot_be_a_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        HubTokens(MemoryKeyring()).remember(text)


def test_plain_text_backends_are_as_good_as_none() -> None:
    script = """
import sys, types
import keyring, keyring.backend
from models.tokens import HubTokens
module = types.ModuleType("keyrings.alt.file")
class Plain(keyring.backend.KeyringBackend):
    priority = 9
    def get_password(self, service, username): raise AssertionError("was used")
    set_password = delete_password = get_password
Plain.__module__ = "keyrings.alt.file"
keyring.set_keyring(Plain())
assert "no keyring" in HubTokens().state().problem
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
