"""Completion scripts for bash, zsh and fish, made from the parser, so that they cannot fall behind it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from desktop.cli.context import DONE, Context

# After these words a name from the service follows; the shell asks for it with the command on the right.
DYNAMIC = {
    ("models", "show"): "models list",
    ("models", "rm"): "models list",
    ("bench",): "models list",
    ("key", "revoke"): "key list",
}


async def run(context: Context) -> int:
    """Print the script for the asked shell; nothing is installed."""
    from desktop.cli.parser import build_parser

    words = dict(command_words(build_parser()))
    script = {"bash": bash, "zsh": zsh, "fish": fish}[context.arguments.shell](words)
    context.console.result({"shell": context.arguments.shell, "script": script}, script)
    return DONE


def command_words(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """For each command path, what can follow it: subcommands, choices, long options."""
    words: list[str] = []
    nested: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            nested += action.choices.items()
            words += action.choices
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
        f'    "{" ".join(path)}") words="$words $(jackdaw {command} 2>/dev/null | tail -n +2 | cut -d" " -f1)" ;;'
        for path, command in DYNAMIC.items()
    )
    known = " ".join(f'"{" ".join(path)}"' for path in words if path)
    return f"""# jackdaw completion for bash: eval "$(jackdaw completion bash)"
_jackdaw() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" candidate word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    candidate="${{path:+$path }}$word"
    case " {known} " in *"\\"$candidate\\""*) path="$candidate" ;; esac
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
    for path, command in DYNAMIC.items():
        condition = " && ".join(f"__fish_seen_subcommand_from {word}" for word in path)
        names = f"(jackdaw {command} 2>/dev/null | tail -n +2 | string split -f1 ' ')"
        lines.append(f"complete -c jackdaw -n '{condition}' -a '{names}'")
    lines.append("complete -c jackdaw -n '__fish_seen_subcommand_from import' -F")
    return "\n".join(lines) + "\n"
