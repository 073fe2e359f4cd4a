#!/usr/bin/env python3
"""Sets Jackdaw up and runs it: `python packaging/bootstrap.py run` (or `make run`).

Standard library only, and readable by any Python from 3.8 on: it finds a suitable one, makes .venv, installs the locked
packages, has the engine built and proven, and starts what was asked for. A second start finds the note that the first
one left (readiness.py) and begins at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from console import SetupError, explain_os_error, run_child
from readiness import Ready, read_ready

ROOT = Path(__file__).resolve().parents[1]

HELP = """usage: bootstrap.py VERB [arguments]

  run      set up what is missing and open the window (without a display: the service)
  test     run the tests                    check    linter, formatter, types, layers
  bench    run the benchmarks               accept   the acceptance list, line by line
  setup    set up only                      engine   build the engine again
  doctor   what runs here, and its proof    lock     write packaging/requirements*.txt anew
"""

# Most tests wait for something: as many at a time as there are processors, because some hold what they see against the
# clock; file by file, so that what the tests of a file share is made once.
TEST_PROCESSES = str(max(1, min(4, os.cpu_count() or 1)))
# What each verb runs with the environment's Python: all of it, so that one run tells everything that is wrong.
COMMANDS: dict[str, list[list[str]]] = {
    "setup": [],
    "engine": [],
    "test": [["-m", "pytest", "-n", TEST_PROCESSES, "--dist", "loadfile"]],
    "check": [
        ["-m", "ruff", "check", "."],
        ["-m", "ruff", "format", "--check", "."],
        ["-m", "mypy"],
        ["-m", "mypy", "packaging/bootstrap.py", "packaging/native.py"],
        ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    ],
    "bench": [["-m", "tests.bench"]],
    "accept": [["-m", "pytest", "-m", "accept", "-p", "tests.accept_report"]],
    "doctor": [["-m", "desktop", "doctor"]],
}


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, 1 failed as told, 2 wrong usage, else that of the program that was run."""
    verb, rest = (arguments[0], list(arguments[1:])) if arguments else ("help", [])
    if verb in ("help", "-h", "--help"):
        print(HELP, end="")
        return 0
    if verb not in (*COMMANDS, "run", "lock"):
        print(f"There is no verb {verb!r}.\n\n{HELP}", end="", file=sys.stderr)
        return 2
    try:
        return _do(verb, rest)
    except SetupError as error:
        return _report(error)
    except OSError as error:
        explained = explain_os_error(error, "df -h .")
        if explained is None:
            raise
        return _report(explained)
    except KeyboardInterrupt:
        print("\nInterrupted; the same command continues where this one stopped.", file=sys.stderr)
        return 130


def _do(verb: str, rest: Sequence[str]) -> int:
    if verb == "lock":
        from lock import write_lock

        write_lock(ROOT)
        return 0
    kind = "run" if verb in ("run", "doctor") else "dev"
    ready = None if verb == "engine" else read_ready(ROOT, kind, os.environ)
    if ready is None:
        from set_up import set_up  # only now: it costs more to import than a ready start takes

        ready = set_up(ROOT, kind, force_engine=verb == "engine")
    os.environ.update(ready.variables())
    if verb == "run":
        return _run_app(ready, rest)
    statuses = [run_child([ready.python, *command, *rest], ROOT) for command in COMMANDS[verb]]
    return next((status for status in statuses if status != 0), 0)


def _run_app(ready: Ready, rest: Sequence[str]) -> int:
    """Become Jackdaw: the window where there is a display, else the service in the foreground."""
    command = [ready.python, "-m", "desktop", *rest]
    if not rest and sys.platform.startswith("linux"):
        sessions = [name for name in ("WAYLAND_DISPLAY", "DISPLAY") if os.environ.get(name)]
        if sessions:
            _require_qt_libraries(sessions)
        else:
            print("No display here, so this is the service alone; Ctrl-C stops it. In another terminal:")
            print("  .venv/bin/jackdaw chat           a conversation")
            print("  .venv/bin/jackdaw key new NAME   a key for the port", flush=True)
            command.append("serve")
    os.chdir(str(ROOT))
    if os.name == "posix":
        os.execv(ready.python, command)
    return run_child(command)


def _require_qt_libraries(sessions: Sequence[str]) -> None:
    """Name the packages of missing libraries; Qt's own message names a plugin. Asked until one session has all."""
    marker = ROOT / ".venv" / f"jackdaw-qt-{'-'.join(sessions)}"
    if marker.exists():
        return
    from environment import Environment
    from toolchain import install, missing_qt_libraries

    qt = Environment(ROOT).qt_folder()
    missing = [missing_qt_libraries(qt, name == "WAYLAND_DISPLAY") if qt else [] for name in sessions]
    if all(missing):  # with Wayland and X both there, Qt takes the one that works
        names = missing[-1]
        raise SetupError(f"The window needs system libraries that are missing: {', '.join(names)}.", install(*names))
    marker.touch()


def _report(error: SetupError) -> int:
    print(f"\n{error}", file=sys.stderr)
    if error.mend:
        print(f"  {error.mend}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
