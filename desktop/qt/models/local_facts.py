"""The facts of an installed model, row by row. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from desktop.qt.figures import grouped_digits, in_parameters
from desktop.qt.models.facts import Fact
from desktop.qt.models.repo_words import licence_name

if TYPE_CHECKING:
    from desktop.wire import Model
    from desktop.wire_models import Details


def local_facts(model: Model, details: Details | None) -> list[Fact]:
    """What stands below the fit of a model; `details` may still be on its way."""
    digest = details.sha256 if details is not None else ""
    commit = details.commit if details is not None else ""
    made = model.source_model or (details.source_model if details is not None else "")
    changed = details is not None and details.template_changed
    return [
        Fact("Licence", licence_name(model.licence)),
        Fact("Trained context", f"{grouped_digits(model.context_length)} tokens" if model.context_length else ""),
        Fact("Parameters", in_parameters(model.params) if model.params else ""),
        Fact("Architecture", model.arch),
        Fact("Quality loss", *_loss(model, made)),
        Fact("Made from", made),
        Fact("Checksum", digest[:12], "success", tip=digest),
        Fact("Commit", commit[:12], tip=commit),
        Fact("Template", "changed since it came" if changed else "", "warning"),
        Fact("Shared with", _shared(details.shared_with) if details else ""),
        Fact("File", Path(model.path).name, tip=model.path),
        Fact("Added", f"{datetime.fromtimestamp(model.added_at).astimezone():%d %b %Y}" if model.added_at else ""),
    ]


def _shared(paths: Sequence[str]) -> str:
    return "" if not paths else "1 other file" if len(paths) == 1 else f"{len(paths)} other files"


def _loss(model: Model, made: str) -> tuple[str, str]:
    if model.kl_divergence is not None:
        return f"{model.kl_divergence:.3g} nats per token", "text"
    return ("not measured yet", "text2") if made else ("", "text2")
