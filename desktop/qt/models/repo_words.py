"""What the inspector says of a repo of the Hub and its files. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from desktop.qt.figures import grouped_digits, in_bytes, in_parameters
from desktop.qt.models.facts import Fact
from desktop.qt.models.hub_words import ROOM, guessed_verdict, in_count

if TYPE_CHECKING:
    from desktop.wire_models import Fit, HubFit, HubRepo, HubVariant

LOCKED = ("log_in", "accept_licence")
_COMMAND = re.compile(r"(?: with|:) `jackdaw [a-z ]+`")
TOKENS = {"fits": "accent", "tight": "warning", "too_large": "danger"}
LICENCES = {
    "apache-2.0": "Apache 2.0",
    "mit": "MIT",
    "gemma": "Gemma",
    "llama3.2": "Llama 3.2",
    "cc-by-4.0": "CC BY 4.0",
}


@dataclass(frozen=True, slots=True)
class VariantLook:
    """Share of the memory, its colour token, and the words beside the bar."""

    share: float
    token: str
    words: str


@dataclass(frozen=True, slots=True)
class AccessWords:
    """What stands between a repo and its use, and the one thing to do about it."""

    level: Literal["info", "warning"]
    message: str
    hint: str
    action: str = ""


def access_words(repo: HubRepo) -> AccessWords | None:
    """None when nothing stands in the way."""
    if repo.access == "log_in":
        return AccessWords("warning", "This model is gated.", "Its author wants to know who fetches it.", "Log in…")
    if repo.access == "accept_licence":
        hint = "That is done on the Hub's page of the model, then here: choose the model again."
        return AccessWords("warning", "Its licence must be accepted first.", hint, "Open the page")
    if not repo.variants and not repo.convertible:
        return AccessWords("info", "There is nothing to run here.", repo.convert_problem or "It holds no GGUF file.")
    return None


def in_window(hint: str) -> str:
    """A next step without the command of the terminal: the window has buttons for it."""
    return _COMMAND.sub("", hint)


def variant_look(variant: HubVariant, fit: Fit | None, memory_bytes: int) -> VariantLook:
    """From the file's own header once it was read, before that from its size alone."""
    if fit is not None:
        whole = fit.memory_bytes or memory_bytes
        share, verdict, speed = fit.needed_bytes / whole if whole else 0.0, fit.verdict, fit.tokens_per_s
    else:
        share = variant.bytes * ROOM / memory_bytes if memory_bytes else 0.0
        speed = variant.tokens_per_s
        found = variant.verdict or guessed_verdict(variant.bytes, memory_bytes)
        if found is None:
            return VariantLook(0.0, "text3", "size alone is known")
        verdict = found
    if verdict == "too_large":
        return VariantLook(1.0, TOKENS[verdict], "too large here")
    words = f"{verdict}, {short_speed(speed)} tok/s" if speed else verdict
    return VariantLook(share, TOKENS[verdict], words)


def short_speed(tokens_per_s: float) -> str:
    """Two figures, as much as an expectation is worth: "9", "11", "0.55", "180"."""
    return f"{tokens_per_s:.2g}" if tokens_per_s < 99.5 else f"{tokens_per_s:.0f}"


def licence_name(licence: str) -> str:
    return LICENCES.get(licence.lower(), licence)


def repo_facts(repo: HubRepo, variant: HubVariant | None, fit: HubFit | None, loss: float | None) -> list[Fact]:
    """The rows below the files; `loss` is the KL divergence measured here for the variant."""
    context = fit.context_length if fit is not None else repo.context_length
    params = fit.params if fit is not None else repo.params
    return [
        Fact("Licence", licence_name(repo.licence) or "not stated", link=repo.licence_url),
        Fact("Context", f"{grouped_digits(context)} tokens" if context else ""),
        Fact("Parameters", in_parameters(params) if params else ""),
        Fact("Architecture", (fit.arch if fit is not None else "") or repo.architecture),
        Fact("Quality loss", f"{loss:.3g} nats per token" if loss is not None else "not measured yet", "text2"),
        Fact("Checksum", *_checksum(variant)),
        Fact("Picture part", in_bytes(variant.projector.bytes) if variant and variant.projector else ""),
        Fact("Updated", _date(repo.updated_at)),
        Fact("Downloads", in_count(repo.downloads) if repo.downloads else ""),
        Fact("Commit", repo.commit[:12], tip=repo.commit),
        Fact("Source", source_host(repo.url), link=repo.url),
    ]


def source_host(url: str) -> str:
    return urlsplit(url).hostname or ""


def action_of(variant: HubVariant | None) -> tuple[str, str]:
    """What the main button does with a variant, as (act, words)."""
    if variant is None:
        return "", "Download"
    if variant.installed:
        return "use", "Use it"
    if variant.on_disk:
        return "in_place", "Use the copy on this disk"
    return "download", f"Download {in_bytes(variant.bytes + (variant.projector.bytes if variant.projector else 0))}"


def _checksum(variant: HubVariant | None) -> tuple[str, str]:
    if variant is None or not variant.files:
        return "", "text"
    if variant.installed:
        return "verified", "success"
    known = all(file.sha256 for file in variant.files)
    return ("verified after download", "success") if known else ("the Hub states none", "warning")


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%d %b %Y}" if seconds else ""
