"""The Hub's token: in the system's keyring or in this process, never in a file of ours, a log or an argument.

Where the system has no keyring (a server without a session, or one set to forget) nothing is kept beyond the session,
and that only after the user agreed to it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal, Protocol

from models.errors import KeyringMissing

SERVICE = "jackdaw"
NAME = "huggingface.co token"
# Backends that keep nothing, or keep it as plain text: as good as none.
_USELESS = ("keyring.backends.fail", "keyring.backends.null", "keyring.backends.chainer", "keyrings.alt")


class Keyring(Protocol):
    """What is used of a keyring backend."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


@dataclass(frozen=True)
class TokenState:
    """Whether a token is known, where it is kept, and why it is not in the keyring ("" when it is or could be)."""

    present: bool
    kept: Literal["", "keyring", "session"] = ""
    problem: str = ""


class HubTokens:
    """One token. All methods but token() may wait for the keyring, which may ask the user: call them in a thread.

    `backend` stands for the system's keyring; None finds it when it is first needed.
    """

    def __init__(self, backend: Keyring | None = None) -> None:
        self._backend = backend
        self._looked = False
        self._token: str | None = None
        self._kept: Literal["", "keyring", "session"] = ""
        self._problem = ""
        self._lock = threading.Lock()

    def token(self) -> str | None:
        """The token, read from the keyring once."""
        with self._lock:
            self._look()
            return self._token

    def state(self) -> TokenState:
        with self._lock:
            self._look()
            return TokenState(self._token is not None, self._kept, self._problem)

    def remember(self, token: str, *, session_only: bool = False) -> TokenState:
        """Keep `token` in the keyring; in this process alone when `session_only`, the user's consent to that.

        Raises KeyringMissing when there is no keyring and no consent, ValueError for what cannot be a token.
        """
        clean = token.strip()
        if not clean or not clean.isascii() or not clean.isprintable() or " " in clean:
            raise ValueError("a token has visible ASCII characters only")
        with self._lock:
            self._look()
            if not session_only:
                self._store(clean)
            self._token, self._kept = clean, "session" if session_only else "keyring"
        return self.state()

    def forget(self) -> None:
        """Remove the token from the keyring and from this process. Raises KeyringMissing when the keyring refuses."""
        from keyring.errors import KeyringError, PasswordDeleteError

        with self._lock:
            self._look()
            self._token, self._kept = None, ""
            if self._backend is None:
                return
            try:
                if self._backend.get_password(SERVICE, NAME) is not None:
                    self._backend.delete_password(SERVICE, NAME)
            except PasswordDeleteError:
                return  # it was not there
            except (KeyringError, OSError) as error:
                raise _refused(error) from error

    def _store(self, token: str) -> None:
        from keyring.errors import KeyringError

        if self._backend is None:
            raise KeyringMissing(
                f"{self._problem} The token was not kept.",
                hint="Agree to keep it for this session only; it is then never written anywhere.",
            )
        try:
            self._backend.set_password(SERVICE, NAME, token)
        except (KeyringError, OSError) as error:
            raise _refused(error) from error

    def _look(self) -> None:
        """Find the keyring and what it holds, once; a keyring that fails is none, and the reason is kept."""
        if self._looked:
            return
        self._looked = True
        self._backend = self._backend or _system_keyring()
        if self._backend is None:
            self._problem = "This system has no keyring that keeps secrets."
            return
        try:
            self._token = self._backend.get_password(SERVICE, NAME) or None
        except Exception as error:  # a daemon that went away speaks in its own library's errors
            self._backend, self._problem = None, f"The system's keyring refused: {_reason(error)}."
        self._kept = "keyring" if self._token else ""


def _system_keyring() -> Keyring | None:
    """The best backend of this system, None when it would keep nothing or keep it readable."""
    import keyring

    try:
        backend = keyring.get_keyring()
    except Exception:  # backends fail in ways of their own when their daemon is not there
        return None
    # A chain writes to its first member, whatever that is: the first one that keeps secrets is used by itself.
    members = getattr(backend, "backends", None) or [backend]
    return next((one for one in members if not type(one).__module__.startswith(_USELESS)), None)


def _refused(error: Exception) -> KeyringMissing:
    return KeyringMissing(
        f"The system's keyring refused the token: {_reason(error)}.",
        hint="Unlock it, or agree to keep the token for this session only.",
    )


def _reason(error: Exception) -> str:
    return str(error).strip(" .")[:200] or type(error).__name__
