"""Line 18 of the acceptance list, the part that reads our sources: nothing of ours runs what a model's author wrote."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("desktop", "rag", "engine", "models", "packaging")
# Renderers of templates and readers of formats that run code when they read.
NEVER_IMPORTED = {"jinja2", "pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# What is named to be refused says so.
ALLOWED = "trust_remote_code=False"
NEVER_NAMED = ("trust_remote_code", "torch.load", "pickle.load", "allow_pickle=True")


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.accept(18)
def test_no_module_of_ours_imports_a_template_renderer_or_a_reader_that_runs_code() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in sources()
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] in NEVER_IMPORTED
    }

    assert len(sources()) > 100
    assert found == set()


@pytest.mark.accept(18)
@pytest.mark.parametrize("words", NEVER_NAMED)
def test_no_source_of_ours_names_a_way_to_run_a_models_code(words: str) -> None:
    assert [path.name for path in sources() if words in path.read_text(encoding="utf-8").replace(ALLOWED, "")] == []
