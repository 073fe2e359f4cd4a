"""Choose what runs: no argument opens the window, `serve` is the service, everything else is the command line.

Each is imported only when chosen: the window never loads the service's dependencies, the service never loads Qt.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Entry point of `jackdaw` and of `python -m desktop`."""
    arguments = sys.argv[1:]
    home, rest = _take_home(arguments)
    if not rest and not _asks_for_help(arguments):
        return _window(home)
    if rest[:1] == ["serve"]:
        from desktop.service.run import main as serve

        return serve(rest[1:] + ([] if home is None else ["--home", home]))
    from desktop.cli.main import main as command_line

    return command_line(arguments)


def _window(home: str | None) -> int:
    from desktop.paths import find_paths, secure_umask

    secure_umask()
    from desktop.qt.app import run_window

    return run_window(find_paths(Path(home) if home else None))


def _take_home(arguments: list[str]) -> tuple[str | None, list[str]]:
    """`--home DIR` may stand before the command; both of its spellings are taken out here."""
    if len(arguments) >= 2 and arguments[0] == "--home":
        return arguments[1], arguments[2:]
    if arguments and arguments[0].startswith("--home="):
        return arguments[0].removeprefix("--home="), arguments[1:]
    return None, arguments


def _asks_for_help(arguments: list[str]) -> bool:
    return any(argument in ("-h", "--help") for argument in arguments[:2])


if __name__ == "__main__":
    sys.exit(main())
