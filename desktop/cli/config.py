"""config: the settings, made from their definition in desktop/settings.py."""

from __future__ import annotations

from typing import Any

from desktop.cli.context import DONE, WRONG_USAGE, Context
from desktop.settings import FIELDS, SettingsError, check

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


async def run(context: Context) -> int:
    """Print all settings, or those named; NAME=VALUE changes them, all or none."""
    wanted: list[str] = context.arguments.settings
    try:
        changes = dict(change(text) for text in wanted if "=" in text)
        for name, value in changes.items():
            check(name, value)
        names = [_known(text.partition("=")[0]) for text in wanted]
    except SettingsError as error:
        context.console.error(error.message, error.hint)
        return WRONG_USAGE
    async with context.client() as client:
        now = await (client.patch_settings(changes) if changes else client.settings())
    shown = {name: now[name] for name in names or now}
    context.console.result(shown, settings_text(shown, changes))
    return DONE


def change(text: str) -> tuple[str, Any]:
    """NAME=VALUE with the value as its setting wants it. Raises SettingsError for an unknown name or a wrong kind."""
    name, _, value = text.partition("=")
    default = FIELDS[_known(name)].default
    if isinstance(default, bool):
        if value.lower() not in _YES + _NO:
            raise SettingsError(f"The setting {name!r} must be true or false, not {value!r}.")
        return name, value.lower() in _YES
    if isinstance(default, int):
        try:
            return name, int(value)
        except ValueError:
            raise SettingsError(f"The setting {name!r} must be a whole number, not {value!r}.") from None
    return name, value


def settings_text(shown: dict[str, Any], changes: dict[str, Any]) -> str:
    """Each setting with its help, and whether the service must start again for what was changed."""
    lines = [part for name, value in shown.items() for part in (f"{name} = {_text(value)}", f"    {_help(name)}")]
    if any(FIELDS[name].metadata["needs_restart"] for name in changes):
        lines.append("This takes effect when the service starts again: jackdaw stop")
    return "\n".join(lines)


def _known(name: str) -> str:
    if name not in FIELDS:
        check(name, "")  # raises, with the nearest name
    return name


def _help(name: str) -> str:
    return str(FIELDS[name].metadata["help"]) if name in FIELDS else ""


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
