"""Completion scripts for bash, zsh and fish, made from the parser, so that they cannot fall behind it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from desktop.cli.context import DONE, Context
from desktop.client import Client, ClientError
from desktop.settings import FIELDS

# After these words a name from the service follows; the shell asks for it with `jackdaw _names KIND`.
OF_A_MODEL = ("show", "rm", "fit", "options", "quantize", "types", "measure", "split", "merge")
OF_A_COLLECTION = ("rename", "embedder", "reranker", "local-only", "watch", "pause", "resume", "index", "rm")
KINDS = ("models", "keys", "adapters", "jobs", "collections", "embedders")
DYNAMIC: dict[tuple[str, ...], str] = {
    **dict.fromkeys([("models", name) for name in OF_A_MODEL], "models"),
    ("bench",): "models",
    ("key", "revoke"): "keys",
    ("models", "adapters", "rm"): "adapters",
    **dict.fromkeys([("jobs", name) for name in ("watch", "pause", "resume", "cancel")], "jobs"),
    **dict.fromkeys([("files", "collections", name) for name in OF_A_COLLECTION], "collections"),
    ("files", "embedders", "rm"): "embedders",
}
# After these words a file or folder follows.
FILES = (
    *(("models", "import"), ("models", "adapters", "import"), ("models", "scan"), ("models", "convert")),
    *(("files", "add"), ("files", "rm"), ("files", "open"), ("files", "embedders", "add")),
)


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
            found = await _names(client, context.arguments.kind)
    except ClientError:
        found = []
    context.console.result(found, "\n".join(found))
    return DONE


async def _names(client: Client, kind: str) -> list[str]:
    if kind == "models":
        return [model.id for model in await client.models()]
    if kind == "adapters":
        return [adapter.id for adapter in await client.adapters()]
    if kind == "jobs":
        return [job.id for job in await client.jobs() if job.state not in ("done", "failed", "cancelled")]
    if kind == "collections":
        return [collection.name for collection in await client.collections()]
    if kind == "embedders":
        return [embedder.id for embedder in await client.embedders()]
    return [key.name for key in await client.keys() if key.revoked_at is None]


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
    if path == ("config",):
        words += [*FIELDS, *(f"{name}=" for name in FIELDS)]
    yield path, words
    for name, child in nested:
        yield from command_words(child, (*path, name))


def bash(words: dict[tuple[str, ...], list[str]]) -> str:
    cases = "\n".join(f'    "{" ".join(path)}") words="{" ".join(follow)}" ;;' for path, follow in words.items())
    names = "\n".join(
        f'    "{" ".join(path)}") words="$words $(jackdaw _names {kind} 2>/dev/null)" ;;'
        for path, kind in DYNAMIC.items()
    )
    files = "|".join(f'"{" ".join(path)}"' for path in FILES)
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
    {files}) COMPREPLY=($(compgen -f -- "$current") $(compgen -W "$words" -- "$current")); return ;;
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
    for path in FILES:
        condition = " && ".join(f"__fish_seen_subcommand_from {word}" for word in path)
        lines.append(f"complete -c jackdaw -n '{condition}' -F")
    return "\n".join(lines) + "\n"
