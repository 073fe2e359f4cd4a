"""Completion scripts for bash, zsh and fish, made from the parser, so that they cannot fall behind it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from desktop.cli.context import DONE, Context
from desktop.client import ClientError

# After these words a name from the service follows; the shell asks for it with `jackdaw _names KIND`.
DYNAMIC = {("models", "show"): "models", ("models", "rm"): "models", ("bench",): "models", ("key", "revoke"): "keys"}


async def run(context: Context) -> int:
    """Print the script for the asked shell; nothing is installed."""
    from desktop.cli.parser import build_parser

    words = dict(command_words(build_parser()))
    script = {"bash": bash, "zsh": zsh, "fish": fish}[context.arguments.shell](words)
    context.console.result({"shell": context.arguments.shell, "script": script}, script)
    return DONE


async def names(context: Context) -> int:
    """Names for the shell, one a line. A service that does not run is not started for a press of Tab."""
    try:
        async with context.client(start=False) as client:
            if context.arguments.kind == "models":
                found = [model.id for model in await client.models()]
            else:
                found = [key.name for key in await client.keys() if key.revoked_at is None]
    except ClientError:
        found = []
    context.console.result(found, "\n".join(found))
    return DONE


def command_words(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """For each command path, what can follow it: subcommands, choices, long options."""
    words: list[str] = []
    nested: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            nested += [(name, child) for name, child in action.choices.items() if not name.startswith("_")]
            words += [name for name, _ in nested]
        elif action.option_strings:
            words += [option for option in action.option_strings if option.startswith("--")]
        elif action.choices:
            words += [str(choice) for choice in action.choices]
    yield path, words
    for name, child in nested:
        yield from command_words(child, (*path, name))


def bash(words: dict[tuple[str, ...], list[str]]) -> str:
    cases = "\n".join(f'    "{" ".join(path)}") words="{" ".join(follow)}" ;;' for path, follow in words.items())
    names = "\n".join(
        f'    "{" ".join(path)}") words="$words $(jackdaw _names {kind} 2>/dev/null)" ;;'
        for path, kind in DYNAMIC.items()
    )
    known = "|".join(f'"{" ".join(path)}"' for path in words if path)
    return f"""# jackdaw completion for bash: eval "$(jackdaw completion bash)"
_jackdaw() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" candidate word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    candidate="${{path:+$path }}$word"
    case "$candidate" in {known}) path="$candidate" ;; esac
  done
  case "$path" in
{cases}
  esac
  case "$path" in
{names}
    "models import") COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o filenames -F _jackdaw jackdaw
"""


def zsh(words: dict[tuple[str, ...], list[str]]) -> str:
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash(words)


def fish(words: dict[tuple[str, ...], list[str]]) -> str:
    lines = ["# jackdaw completion for fish: jackdaw completion fish | source", "complete -c jackdaw -f"]
    for path, follow in words.items():
        condition = " && ".join(f"__fish_seen_subcommand_from {word}" for word in path) or "__fish_use_subcommand"
        for word in follow:
            target = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c jackdaw -n '{condition}' {target}")
    for path, kind in DYNAMIC.items():
        condition = " && ".join(f"__fish_seen_subcommand_from {word}" for word in path)
        lines.append(f"complete -c jackdaw -n '{condition}' -a '(jackdaw _names {kind} 2>/dev/null)'")
    lines.append("complete -c jackdaw -n '__fish_seen_subcommand_from import' -F")
    return "\n".join(lines) + "\n"
