"""The command line: finds the command, runs it as a client of the service, turns errors into sentences and codes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from desktop.cli.console import Console
from desktop.cli.context import DONE, FAILED, NOT_AVAILABLE, NOT_AVAILABLE_KINDS, Command, Context
from desktop.cli.parser import build_parser
from desktop.client import ClientError
from desktop.paths import find_paths, secure_umask

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code, exits with 2 on wrong usage as argparse does."""
    secure_umask()
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.run is None:
        parser.print_help()
        return DONE
    console = Console(as_json=getattr(arguments, "json", False))
    home = getattr(arguments, "home", None)
    context = Context(arguments, console, find_paths(Path(home) if home else None), argv)
    try:
        return asyncio.run(_run(arguments.run, context))
    except ClientError as error:
        console.error(error.message, error.hint)
        return NOT_AVAILABLE if error.kind in NOT_AVAILABLE_KINDS else FAILED
    except KeyboardInterrupt:
        console.error("Stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has seen enough; python would complain again while flushing at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        console.error(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
        return FAILED


async def _run(command: Command, context: Context) -> int:
    return await command(context)
