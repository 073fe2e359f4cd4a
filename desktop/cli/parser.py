"""All commands and their options in one tree; help texts and shell completion are made from it."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version

from desktop.cli import chat, completion, keys, service
from desktop.cli import config as config_command
from desktop.cli.context import Command
from desktop.cli.files_parser import add_ask, add_files
from desktop.cli.models_parser import add_hub, add_jobs, add_models, positive

ROOT_TEXT = (
    "A desktop assistant for developers: open-weights models and your files on your own machine, one local port."
)
ROOT_END = (
    "Without a command, jackdaw opens its window. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 already running, 4 not available."
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `jackdaw`; each command's function is in the namespace as `run`, None for no command."""
    parser = argparse.ArgumentParser(prog="jackdaw", description=ROOT_TEXT, epilog=ROOT_END)
    parser.add_argument("--version", action="version", version=f"jackdaw {program_version()}")
    _common(parser, top=True)
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _serve(commands)
    _add(commands, "status", "what the service is doing", service.status)
    _add(commands, "stop", "end the service", service.stop)
    _add(commands, "doctor", "prove the engine on this machine and show what it found", service.doctor)
    bench = _add(commands, "bench", "measure a model's speed here", service.bench)
    bench.add_argument("model", nargs="?", metavar="MODEL", help="default: the only model, or the last used")
    config = _add(commands, "config", "the settings; NAME=VALUE changes one", config_command.run)
    config.add_argument("settings", nargs="*", metavar="NAME[=VALUE]")
    _keys(commands)
    add_models(commands, _add, _group)
    add_hub(commands, _add, _group)
    add_files(commands, _add, _group)
    add_ask(commands, _add)
    add_jobs(commands, _add, _group)
    _chat(commands)
    shell = _add(commands, "completion", "print the completion script of a shell", completion.run)
    shell.add_argument("shell", choices=("bash", "zsh", "fish"))
    names = commands.add_parser("_names")  # for the completion scripts; without help, so it is not listed
    names.set_defaults(run=completion.names)
    names.add_argument("kind", choices=tuple(completion.KINDS))
    return parser


def program_version() -> str:
    """Our version as installed, or "0" from a folder that is not installed."""
    try:
        return version("jackdaw")
    except PackageNotFoundError:
        return "0"


Commands = argparse._SubParsersAction  # argparse gives its return type no public name


def _common(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    # SUPPRESS: an option given before the command must not be reset by the command's own default
    default = None if top else argparse.SUPPRESS
    parser.add_argument("--json", action="store_true", default=False if top else default, help="answer in JSON")
    parser.add_argument("--home", metavar="DIR", default=default, help="the data folder (also JACKDAW_HOME)")


def _add(commands: Commands[argparse.ArgumentParser], name: str, text: str, run: Command) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run)
    _common(parser)
    return parser


def _group(commands: Commands[argparse.ArgumentParser], name: str, text: str) -> Commands[argparse.ArgumentParser]:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    _common(parser)
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _serve(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "serve", "run the service in the foreground", service.serve)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _keys(commands: Commands[argparse.ArgumentParser]) -> None:
    group = _group(commands, "key", "keys with which programs use the port")
    new = _add(group, "new", "make a key; it is shown once", keys.new)
    new.add_argument("name", metavar="NAME", help="which program it is for, e.g. vscode")
    new.add_argument("--quiet", action="store_true", help="print the key alone")
    _add(group, "list", "all keys, by name", keys.show)
    revoke = _add(group, "revoke", "make a key worthless", keys.revoke)
    revoke.add_argument("name", metavar="NAME")


def _chat(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "chat", "one answer, or a conversation in the terminal", chat.run)
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="text from a pipe is added to it")
    parser.add_argument("-m", "--model", default="", metavar="MODEL", help="default: the only model, or the last used")
    parser.add_argument("-s", "--system", default="", metavar="TEXT", help="system prompt of a new chat")
    parser.add_argument(
        "-n", "--max-tokens", type=positive, metavar="N", help="the longest answer of a new chat, in tokens"
    )
    parser.add_argument("-c", "--continue", dest="resume", action="store_true", help="go on with the latest chat")
    parser.add_argument("--raw", action="store_true", help="print the answer as it is, without Markdown rendering")
