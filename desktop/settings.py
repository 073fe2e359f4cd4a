"""The settings: one frozen dataclass from which the window, the command line and the file are made.

A change is a checked copy: an unknown name or a value out of range is an error, and then nothing has changed. The file
is TOML, numbered by `version`, and replaced as a whole by a temporary file that is synced and renamed, 0600.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from desktop.editors import EDITORS, editor_problem
from models.durable import sync

VERSION = 1
DEFAULT_PORT = 5225
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


class SettingsError(Exception):
    """The settings file or a change to it was refused; the message names the field."""

    kind = "bad_setting"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def _setting(
    default: Any,
    help_text: str,
    *,
    needs_restart: bool = False,
    lowest: int | None = None,
    highest: int | None = None,
    choices: tuple[str, ...] = (),
    problem: Callable[[str], str] | None = None,
) -> Any:
    return field(
        default=default,
        metadata={
            "help": help_text,
            "needs_restart": needs_restart,
            "lowest": lowest,
            "highest": highest,
            "choices": choices,
            "problem": problem,
        },
    )


def endpoint_problem(value: str) -> str:
    """Why this is no address of a Hub; "" when it is. A token goes there, so plain http is for this machine alone."""
    scheme, host, rest = _address(value)
    if rest:
        return "must be an address without user, query or fragment, such as https://huggingface.co."
    if scheme == "https" and host:
        return ""
    if scheme == "http" and host in LOOPBACK_HOSTS:
        return ""
    return "must begin with https://; plain http is for 127.0.0.1 alone."


def proxy_problem(value: str) -> str:
    """Why this is no proxy; "" when it is one, or none at all."""
    scheme, host, rest = _address(value)
    if not value or (scheme == "http" and host and not rest):
        return ""
    if scheme == "https" or scheme.startswith("socks"):
        return f"must be an http proxy, not {scheme}: https goes through it as well, and stays closed to it."
    return "must be an address without a user's name, such as http://proxy.example:3128."


def folders_problem(value: str) -> str:
    """Why this is no list of folders; "" when it is."""
    relative = [folder for folder in value.split(os.pathsep) if folder and not os.path.isabs(folder)]  # noqa: PTH117
    return f"must hold whole paths; {relative[0]!r} is none." if relative else ""


def _address(value: str) -> tuple[str, str, bool]:
    """Scheme, host, and whether there is anything in it beside those, a port and a path."""
    try:
        parts = urlsplit(value)
        _ = parts.port
        host = _host(parts.netloc.rpartition("@")[2])
    except ValueError:
        return "", "", True
    return parts.scheme, host, bool(parts.username or parts.password or parts.query or parts.fragment)


def _host(text: str) -> str:
    """The host of "host:port" where it is a name or an address that can be asked for, else ""; may raise ValueError."""
    host = re.sub(r":\d*$", "", text.lower())
    if bracketed := re.fullmatch(r"\[([0-9a-f:.]+)\]", host):
        return str(ipaddress.IPv6Address(bracketed[1]))
    labels = host.encode("idna").decode("idna").removesuffix(".").split(".")
    return host if all(re.fullmatch(r"(?!-)[\w-]{1,63}", label) for label in labels) else ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; units are in the names or the help."""

    port: int = _setting(
        DEFAULT_PORT, "The local port, 0 for any free one.", needs_restart=True, lowest=0, highest=65535
    )
    bind: str = _setting(
        "", "Address of the port beside 127.0.0.1; also needs `jackdaw serve --allow-remote`.", needs_restart=True
    )
    idle_unload_s: int = _setting(
        900, "A model nobody used for so many seconds leaves memory; 0 keeps it.", lowest=0, highest=7 * 86400
    )
    slots: int = _setting(0, "Requests one model answers at the same time; 0 chooses by memory.", lowest=0, highest=64)
    context_limit: int = _setting(
        0, "Most tokens of context a model is given per slot; 0 chooses by memory.", lowest=0, highest=10_000_000
    )
    threads: int = _setting(0, "Threads that write text; 0 measures what is best here.", lowest=0, highest=1024)
    theme: str = _setting("system", "Look of the window.", choices=("system", "light", "dark"))
    keep_serving: bool = _setting(False, "Keep the service running when the window is closed.")
    default_model: str = _setting("", "Model of a new chat; empty for the last one used.")
    hub_endpoint: str = _setting(
        "https://huggingface.co", "The Hugging Face Hub, or a mirror of it.", problem=endpoint_problem
    )
    proxy: str = _setting("", "An http proxy for everything from the network; empty for none.", problem=proxy_problem)
    air_gapped: bool = _setting(False, "Never use the network: everything that would is refused at once.")
    model_folders: str = _setting(
        "",
        f"Folders with models of yours to look through as well, separated by {os.pathsep!r}.",
        problem=folders_problem,
    )
    download_parts: int = _setting(4, "Connections one download uses at the same time.", lowest=1, highest=16)
    disk_floor_gib: int = _setting(
        1,
        "Gigabytes downloads and conversions leave free, or 1 % of the disk if that is more; 0 for none.",
        lowest=0,
        highest=10_000,
    )
    editor: str = _setting(
        "",
        f"Opens files at a line: {', '.join(EDITORS)}, or a command with {{file}}, {{line}}, {{column}}, {{page}};"
        " empty for what the system opens them with.",
        problem=editor_problem,
    )
    embedder: str = _setting("", "Embedding model of a new collection; empty for the one that comes with Jackdaw.")
    index_on_battery: bool = _setting(False, "Go on indexing files while the machine runs on its battery.")
    files_on_port: bool = _setting(
        True, "Let programs with a key search your files and ask model@collection on the port."
    )


FIELDS: Mapping[str, dataclasses.Field[Any]] = {item.name: item for item in dataclasses.fields(Settings)}
# From the version in the key to the next one; each changes the mapping read from the file.
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


class SettingsFile:
    """The settings of one data folder: `current` is always whole and valid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.current = read(path)

    def change(self, changes: Mapping[str, Any]) -> Settings:
        """Check, write, then use the changes; raises SettingsError or OSError and then nothing has changed."""
        changed = changed_settings(self.current, changes)
        if changed != self.current:
            write(self.path, changed)
            self.current = changed
        return changed


def changed_settings(current: Settings, changes: Mapping[str, Any]) -> Settings:
    """A checked copy of `current` with `changes`."""
    for name, value in changes.items():
        check(name, value)
    return dataclasses.replace(current, **changes)


def check(name: str, value: object) -> None:
    """Raise SettingsError unless `value` is allowed for the setting `name`."""
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, n=1)
        raise SettingsError(
            f"There is no setting {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"The settings are: {', '.join(FIELDS)}.",
        )
    rules = FIELDS[name]
    expected = type(rules.default)
    # bool is a subclass of int: `port = true` would pass an isinstance check
    if type(value) is not expected:
        raise SettingsError(f"The setting {name!r} must be {_in_words(expected)}, not {value!r}.")
    if isinstance(value, int) and not isinstance(value, bool):
        _check_range(name, value, rules.metadata["lowest"], rules.metadata["highest"])
    if rules.metadata["choices"] and value not in rules.metadata["choices"]:
        raise SettingsError(f"The setting {name!r} must be one of {', '.join(rules.metadata['choices'])}.")
    if isinstance(value, str) and (len(value) > 1000 or not value.isprintable()):
        raise SettingsError(f"The setting {name!r} must be one line of at most 1,000 characters.")
    if rules.metadata["problem"] and (problem := rules.metadata["problem"](value)):
        raise SettingsError(f"The setting {name!r} {problem}")


def read(path: Path) -> Settings:
    """The settings in the file; the defaults when there is none. Raises SettingsError naming what is wrong with it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", hint="Mend it, or move it away.") from error
    try:
        return changed_settings(Settings(), _migrated(content))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.message}", hint=error.hint or "Mend that line, or remove it.") from error


def write(path: Path, settings: Settings) -> None:
    """Replace the file at once: a crash leaves the old one or the new one, never half of it."""
    handle, name = tempfile.mkstemp(prefix=".settings-", suffix=".toml", dir=path.parent)  # made 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(to_toml(settings))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def to_toml(settings: Settings) -> str:
    """The file's text: only what differs from the default, each with its help above, so that defaults can improve."""
    lines = [f"version = {VERSION}"]
    for name, rules in FIELDS.items():
        value = getattr(settings, name)
        if value != rules.default:
            lines += ["", f"# {rules.metadata['help']}", f"{name} = {_toml_value(value)}"]
    return "\n".join(lines) + "\n"


def _toml_value(value: str | int | bool) -> str:
    # A JSON string is a TOML basic string for printable text; true, false and integers are written the same.
    return json.dumps(value, ensure_ascii=False)


def _migrated(content: dict[str, Any]) -> dict[str, Any]:
    version = content.pop("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise SettingsError(
            f"it was written by a newer Jackdaw (version {version!r}).", hint="Update Jackdaw, or move the file away."
        )
    for number in range(version, VERSION):
        content = MIGRATIONS[number](content)
    return content


def _check_range(name: str, value: int, lowest: int | None, highest: int | None) -> None:
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        raise SettingsError(f"The setting {name!r} must be between {lowest} and {highest}, not {value}.")


def _in_words(kind: type) -> str:
    return {int: "a whole number", bool: "true or false", str: "a text"}[kind]
