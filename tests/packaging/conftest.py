"""Set-up's scripts import each other as siblings, because they run before anything is installed; so do these tests."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packaging"))

from console import Console  # noqa: E402


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what set-up reads, without an environment: a fresh clone."""
    root = tmp_path / "checkout"
    for name in ("packaging", "models", "engine", "desktop"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "qt"))
    for name in ("pyproject.toml", "README.md", "Makefile"):
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, root / name)
    return root


@pytest.fixture
def console() -> Console:
    """A console whose lines can be read: `console.said()`."""
    return ReadableConsole()


class ReadableConsole(Console):
    def __init__(self) -> None:
        self.text = io.StringIO()
        super().__init__(4, stream=self.text)

    def said(self) -> str:
        return self.text.getvalue()


@pytest.fixture
def own_network() -> list[str]:
    """The start of a command line that runs the rest without any network. Skips where the kernel forbids it."""
    return _unshare("-Urn")


@pytest.fixture
def own_mounts() -> list[str]:
    """The start of a command line that may mount file systems of its own."""
    return _unshare("-Urm")


def _unshare(flags: str) -> list[str]:
    program = shutil.which("unshare")
    if not program or subprocess.run([program, flags, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel does not let us make a namespace of our own")
    return [program, flags]
