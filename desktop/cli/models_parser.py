"""The options of `jackdaw models`, `hub` and `jobs`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import get_args

from desktop.cli import fit, hub, jobs, making, models, stores
from desktop.cli.context import Command
from desktop.wire_models import Task
from models.hub.types import Format

Commands = argparse._SubParsersAction  # argparse gives its return type no public name
Add = Callable[["Commands[argparse.ArgumentParser]", str, str, Command], argparse.ArgumentParser]
Group = Callable[["Commands[argparse.ArgumentParser]", str, str], "Commands[argparse.ArgumentParser]"]

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
OUT_TYPES = ("f16", "bf16", "q8_0", "f32")
SORTS = ("downloads", "likes", "updated", "trending")


def add_models(commands: Commands[argparse.ArgumentParser], add: Add, group: Group) -> None:
    """`jackdaw models …`; `add` and `group` are the parser's own, with the options every command has."""
    inside = group(commands, "models", "the models on this machine, and how to get more")
    add(inside, "list", "all models in the library", models.show_all)
    show = add(inside, "show", "everything about one model, or about a repository of the Hub", models.show)
    show.add_argument("id", metavar="ID|REPO")
    take = add(inside, "import", "take a GGUF file into the library, where it lies", models.take)
    take.add_argument("path", metavar="PATH")
    remove = add(inside, "rm", "take a model out of the library; files Jackdaw got or made go, too", models.remove)
    remove.add_argument("id", metavar="ID")
    _find(inside, add)
    _here(inside, add)
    _make(inside, add)
    adapters = group(inside, "adapters", "LoRA adapters")
    add(adapters, "list", "the adapters that are here", making.adapters)
    take = add(adapters, "import", "take in a GGUF adapter or a PEFT folder", making.import_adapter)
    take.add_argument("path", metavar="PATH")
    take.add_argument("--base", default="", metavar="ID", help="the model it was made for")
    remove = add(adapters, "rm", "delete an adapter", making.remove_adapter)
    remove.add_argument("id", metavar="ADAPTER")


def _find(inside: Commands[argparse.ArgumentParser], add: Add) -> None:
    search = add(inside, "search", "search the Hub", hub.search)
    search.add_argument("words", nargs="*", metavar="WORDS")
    search.add_argument("--author", default="", metavar="NAME")
    search.add_argument("--task", default="", metavar="TASK", help=f"{', '.join(get_args(Task))}, or the Hub's own")
    search.add_argument("--licence", "--license", default="", metavar="NAME", help="e.g. apache-2.0")
    search.add_argument("--arch", default="", metavar="NAME", help="llama.cpp's name of the architecture, e.g. qwen3")
    search.add_argument("--format", default="gguf", choices=get_args(Format), help="safetensors: what may be converted")
    search.add_argument("--sort", default="downloads", choices=SORTS)
    search.add_argument("--limit", type=limit, default=20, metavar="N", help="results on a page, at most 100")
    search.add_argument("--next", default="", metavar="CURSOR", help="the next page of the search before")
    card = add(inside, "card", "the model card of a repository of the Hub", hub.card)
    card.add_argument("repo", metavar="REPO")
    pull = add(inside, "pull", "download a model; one that was begun goes on", hub.pull)
    pull.add_argument("name", metavar="REPO[:QUANT]", help="without QUANT the recommended one is taken")
    pull.add_argument("--file", action="append", default=[], metavar="FILE", help="this file; may be given repeatedly")
    pull.add_argument("--revision", default="", metavar="REV", help="a branch, tag or commit; default: the newest")
    suggest = add(inside, "suggest", "what suits this machine, and why", fit.suggest)
    suggest.add_argument("task", nargs="?", choices=get_args(Task), metavar="TASK", help=", ".join(get_args(Task)))


def _here(inside: Commands[argparse.ArgumentParser], add: Add) -> None:
    scan = add(inside, "scan", "find what Ollama, LM Studio and others have on this disk", stores.scan)
    scan.add_argument("folders", nargs="*", metavar="FOLDER", help="look here, too")
    scan.add_argument("--add", action="store_true", help="take what is found into the library, where it lies")
    scan.add_argument("--merge", action="store_true", help="make equal files one on the disk; asks first")
    scan.add_argument("--yes", action="store_true", help="consent to merging")
    add(inside, "disk", "what the models take, and what deleting each would free", stores.disk)
    fits = add(inside, "fit", "whether a model fits here, and how fast it would be", fit.fit)
    fits.add_argument("id", metavar="ID|REPO[:QUANT]")
    fits.add_argument("--context", type=positive, metavar="N", help="tokens per slot")
    fits.add_argument("--slots", type=positive, metavar="N", help="requests answered at the same time")
    fits.add_argument("--cache-type", choices=CACHE_TYPES, help="how keys and values are kept")
    fits.add_argument("--gpu-layers", type=natural, metavar="N")
    fits.add_argument("--cpu-expert-layers", type=natural, metavar="N", help="layers whose experts stay in main memory")
    fits.add_argument("--draft", metavar="ID", help="a small model that guesses ahead")
    chosen = add(inside, "options", "what was chosen for a model, and its cost", fit.options)
    chosen.add_argument("id", metavar="ID")
    chosen.add_argument(
        "changes", nargs="*", metavar="NAME=VALUE", help="e.g. context=16384; NAME= leaves it to the fit"
    )


def _make(inside: Commands[argparse.ArgumentParser], add: Add) -> None:
    convert = add(inside, "convert", "make a GGUF file of safetensors, in a folder or on the Hub", making.convert)
    convert.add_argument("source", metavar="DIR|REPO")
    convert.add_argument("--to", default="f16", choices=OUT_TYPES)
    convert.add_argument("--name", default="", metavar="NAME", help="what the model is called here")
    quantize = add(inside, "quantize", "make a model smaller, several types in one pass", making.quantize)
    quantize.add_argument("id", metavar="ID")
    quantize.add_argument("--to", required=True, type=types, metavar="TYPE,…", help="e.g. Q4_K_M,Q5_K_M")
    quantize.add_argument("--imatrix", default="none", metavar="neutral|FILE|none", help="text that shows what matters")
    quantize.add_argument("--keep-output", default="", metavar="TYPE", help="type of the output tensor")
    quantize.add_argument("--keep-embeddings", default="", metavar="TYPE", help="type of the embeddings")
    quantize.add_argument("--measure", action="store_true", help="measure the new ones afterwards")
    split = add(inside, "split", "write a model in parts", making.split)
    split.add_argument("id", metavar="ID")
    split.add_argument(
        "--max-size", type=size, default=2 * 10**9, metavar="SIZE", help="of a part, e.g. 500M; default 2G"
    )
    merge = add(inside, "merge", "write a model in parts as one file", making.merge)
    merge.add_argument("id", metavar="ID")
    listed = add(inside, "types", "what a model can be quantized to, with sizes", making.types)
    listed.add_argument("id", metavar="ID")
    measure = add(inside, "measure", "what quantizations lose and cost on this machine", making.measure)
    measure.add_argument("ids", nargs="+", metavar="ID")
    measure.add_argument("--source", default="", metavar="ID", help="what they are compared with")
    measure.add_argument("--text", default="", metavar="FILE", help="text to measure on; default: the one we ship")
    measure.add_argument(
        "--prompts", default="", metavar="FILE", help="prompts to answer, parted by empty lines; - for stdin"
    )
    measure.add_argument(
        "--chunks", type=positive, metavar="N", help="pieces of 512 tokens of the text to read; default 16"
    )
    measure.add_argument("--show", action="store_true", help="print what was measured before")


def add_hub(commands: Commands[argparse.ArgumentParser], add: Add, group: Group) -> None:
    """`jackdaw hub …`"""
    inside = group(commands, "hub", "your account on the Hub")
    login = add(inside, "login", "keep a token, read from a hidden prompt or from standard input", hub.login)
    login.add_argument("--session", action="store_true", help="in memory alone, until the service ends")
    add(inside, "logout", "forget the token", hub.logout)
    add(inside, "whoami", "whose token is known", hub.whoami)


def add_jobs(commands: Commands[argparse.ArgumentParser], add: Add, group: Group) -> None:
    """`jackdaw jobs …`"""
    inside = group(commands, "jobs", "long work: downloads, conversions, measurements")
    listed = add(inside, "list", "what is going on", jobs.show_all)
    listed.add_argument("--all", action="store_true", help="also what is over")
    for name, text, run in (
        ("watch", "follow a job; Ctrl-C lets it go on", jobs.watch),
        ("pause", "stop for now and keep what is done", jobs.pause),
        ("resume", "go on, and follow it", jobs.resume),
        ("cancel", "end a job", jobs.cancel),
    ):
        one = add(inside, name, text, run)
        one.add_argument("id", metavar="JOB")
        if name == "cancel":
            one.add_argument("--keep-partial", action="store_true", help="keep what was downloaded for another time")


def positive(text: str) -> int:
    """A whole number from 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def natural(text: str) -> int:
    """A whole number from 0."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def limit(text: str) -> int:
    """Results on a page."""
    if not 1 <= (number := int(text)) <= 100:
        raise argparse.ArgumentTypeError("must be from 1 to 100")
    return number


def types(text: str) -> list[str]:
    """Quantization types with commas between."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("must name a type, such as Q4_K_M")
    return names


def size(text: str) -> int:
    """Bytes as people write them: "500M", "2G", "1.5 GB"; powers of ten, as in every size we print."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([MG])B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError("must be a size such as 500M or 2G")
    return round(float(match[1]) * {"M": 10**6, "G": 10**9}[match[2].upper()])
