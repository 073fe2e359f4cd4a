"""The options of `jackdaw files` and `jackdaw ask`."""

from __future__ import annotations

import argparse
from typing import get_args

from desktop.cli import ask, files, files_kept
from desktop.cli.models_parser import Add, Commands, Group, limit, positive
from desktop.wire_files import FileState, SearchMode


def add_files(commands: Commands[argparse.ArgumentParser], add: Add, group: Group) -> None:
    """`jackdaw files …`; `add` and `group` are the parser's own, with the options every command has."""
    inside = group(commands, "files", "your own files: indexed, searched, removed with proof")
    taken = add(inside, "add", "index folders and files, and keep the index as they are", files.add)
    taken.add_argument("paths", nargs="+", metavar="PATH")
    _collection(taken, "the collection to add to; made when there is none")
    taken.add_argument(
        "--wait", action=argparse.BooleanOptionalAction, default=True, help="follow the indexing to its end"
    )
    listed = add(inside, "list", "the files of a collection, and why some were left out", files.show_all)
    _collection(listed, "default: all")
    listed.add_argument("--state", default="", choices=get_args(FileState))
    listed.add_argument("--find", default="", metavar="TEXT", help="a part of the path")
    listed.add_argument("--limit", type=positive, default=200, metavar="N", help="files of each collection")
    search = add(inside, "search", "the best passages for words or a question", files.search)
    search.add_argument("query", nargs="+", metavar="QUERY")
    _searching(search)
    search.add_argument("--path", default="", metavar="PATTERN", help="search only there; as in .gitignore")
    opened = add(inside, "open", "open a result of the last search in your editor", files.open_one)
    opened.add_argument("what", metavar="N|PATH[:LINE]")
    add(inside, "status", "what is indexed and what is going on", files.status)
    removed = add(inside, "rm", "take paths out of the index, with proof; the files stay", files.remove)
    removed.add_argument("paths", nargs="+", metavar="PATH")
    _collection(removed, "default: all that have them")
    doctor = add(inside, "doctor", "whether files, database and vectors agree", files.doctor)
    _collection(doctor, "default: all")
    doctor.add_argument("--repair", action="store_true", help="make them agree")
    doctor.add_argument("--deep", action="store_true", help="read every file again")
    why = add(inside, "why", "why these passages and not others", files.why)
    why.add_argument("query", nargs="+", metavar="QUERY|ID", help="a new search, or the id of an answer")
    _searching(why)
    why.add_argument("--save", default="", metavar="NAME", help="keep it as a check")
    _collections(inside, add)
    _embedders(inside, add)
    _checks(inside, add)


def add_ask(commands: Commands[argparse.ArgumentParser], add: Add) -> None:
    """`jackdaw ask …`"""
    parser = add(commands, "ask", "an answer from your files, with its sources", ask.run)
    parser.add_argument("question", nargs="+", metavar="QUESTION")
    _collection(parser, "default: all")
    parser.add_argument("-m", "--model", default="", metavar="MODEL", help="none: the best passages, without any model")
    parser.add_argument("-k", type=positive, default=None, metavar="N", help="passages to look for")
    parser.add_argument("--raw", action="store_true", help="print the answer as it is, without Markdown rendering")


def _collection(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-c", "--collection", default="", metavar="NAME", help=text)


def _searching(parser: argparse.ArgumentParser) -> None:
    _collection(parser, "default: all")
    parser.add_argument("-k", type=limit, default=10, metavar="N", help="passages, at most 100")
    parser.add_argument("--mode", default="auto", choices=get_args(SearchMode))


def _collections(inside: Commands[argparse.ArgumentParser], add: Add) -> None:
    parser = add(inside, "collections", "what the files are grouped into", files_kept.collections)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")
    new = add(actions, "new", "make an empty one", files_kept.new_collection)
    new.add_argument("name", metavar="NAME")
    _rules(new)
    new.add_argument("--embedder", default="", metavar="ID")
    new.add_argument("--local-only", action="store_true", help="it never leaves this machine")
    new.add_argument("--no-watch", action="store_true", help="do not watch its folders")
    rules = add(actions, "rules", "show or change what of its folders is read", files_kept.rules)
    rules.add_argument("name", metavar="NAME")
    _rules(rules)
    rename = add(actions, "rename", "give one another name", files_kept.rename)
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new", metavar="NEW")
    embedder = add(actions, "embedder", "embed one by another model", files_kept.change_embedder)
    embedder.add_argument("name", metavar="NAME")
    embedder.add_argument("embedder", metavar="ID")
    reranker = add(actions, "reranker", "rerank its results, or not", files_kept.change_reranker)
    reranker.add_argument("name", metavar="NAME")
    reranker.add_argument("reranker", metavar="ID|none")
    for name, text, run in (
        ("local-only", "whether one never leaves this machine", files_kept.local_only),
        ("watch", "whether its folders are watched", files_kept.watch),
    ):
        switch = add(actions, name, text, run)
        switch.add_argument("name", metavar="NAME")
        switch.add_argument("switch", choices=("on", "off"))
    for name, text, run in (
        ("pause", "leave its index as it is for now", files_kept.pause),
        ("resume", "go on with its index", files_kept.resume),
        ("index", "compare it with the disk now", files_kept.index),
        ("rm", "take all of it out of the index, with proof; the files stay", files_kept.remove_collection),
    ):
        add(actions, name, text, run).add_argument("name", metavar="NAME")


def _rules(parser: argparse.ArgumentParser) -> None:
    """Options named as the fields of CollectionRules; None for what is not said."""
    parser.add_argument("--include", action="append", metavar="PATTERN", help="read it whatever is ignored")
    parser.add_argument("--exclude", action="append", metavar="PATTERN", help="as in .gitignore")
    for name, text in (
        ("ignore-files", "obey .gitignore, .ignore and .jackdawignore"),
        ("hidden", "read files whose names begin with a dot"),
        ("secrets", "read files that usually hold keys and passwords"),
        ("generated", "read vendored, minified and built files"),
    ):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, help=text)
    parser.add_argument("--max-file-mib", type=positive, metavar="N", help="leave out larger files")


def _embedders(inside: Commands[argparse.ArgumentParser], add: Add) -> None:
    parser = add(inside, "embedders", "what embeds and reranks here, and how fast", files_kept.embedders)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")
    new = add(actions, "add", "add an embedding model of yours", files_kept.add_embedder)
    new.add_argument("kind", choices=("sentence-transformers", "ollama", "openai"))
    new.add_argument("name", metavar="FOLDER|MODEL")
    new.add_argument("--url", default="", metavar="URL", help="of the server")
    new.add_argument("--query-prefix", default=None, metavar="TEXT", help="default: that of the model's family")
    new.add_argument("--passage-prefix", default=None, metavar="TEXT")
    new.add_argument("--dimensions", type=positive, default=None, metavar="N", help="cut vectors to so many numbers")
    add(actions, "rm", "forget one that was added", files_kept.remove_embedder).add_argument("id", metavar="ID")
    add(actions, "measure", "measure the ways to run the built-in one", files_kept.measure_embedder)


def _checks(inside: Commands[argparse.ArgumentParser], add: Add) -> None:
    parser = add(inside, "checks", "questions that are asked again after each indexing", files_kept.checks)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")
    new = add(actions, "add", "keep what a question finds now", files_kept.add_check)
    new.add_argument("query", nargs="+", metavar="QUESTION")
    new.add_argument("-c", "--collection", required=True, metavar="NAME")
    new.add_argument("--name", default="", metavar="NAME")
    new.add_argument("--expect", action="append", default=[], metavar="PATH[:LINE[-LINE]]", help="what it must find")
    add(actions, "run", "run all of them now", files_kept.run_checks)
    add(actions, "rm", "forget one", files_kept.remove_check).add_argument("id", type=positive, metavar="ID")
