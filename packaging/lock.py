"""Writes packaging/requirements.txt and requirements-dev.txt: exact versions with every allowed hash."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

# uv resolves for all platforms and Pythons at once; pip-compile only for the machine it runs on, and a lock without
# Windows' colorama makes pip refuse the whole file there.
LOCK_TOOL = "uv==0.13.8"


def write_lock(root: Path) -> None:
    """Resolve anew and write both files. Needs PyPI itself: hashes and versions of a mirror are nobody else's."""
    with tempfile.TemporaryDirectory(prefix="jackdaw-lock-") as folder:
        venv.create(folder, with_pip=True)
        tools = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin")
        subprocess.check_call([str(tools / "python"), "-m", "pip", "install", "--quiet", LOCK_TOOL])
        common = [str(tools / "uv"), "pip", "compile", "--quiet", "--no-config", "--universal", "--upgrade"]
        common += ["--python-version", "3.11", "--generate-hashes", "--default-index", "https://pypi.org/simple"]
        common += ["--no-emit-index-url", "--no-emit-find-links"]
        common += ["--custom-compile-command", "python3 packaging/bootstrap.py lock"]
        common += ["pyproject.toml", "--group", "pyproject.toml:build"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
        without_torch = Path(folder) / "overrides.txt"
        # It is locked apart (requirements-torch.txt): PyPI's builds for Linux bring gigabytes of CUDA along.
        without_torch.write_text("torch==2.13.0 ; python_version < '3'\n", encoding="utf-8")
        common += ["--override", str(without_torch), "--group", "pyproject.toml:torch"]
        run = "packaging/requirements.txt"
        subprocess.check_call([*common, "--output-file", run], cwd=str(root), env=environ)
        dev = ["--group", "pyproject.toml:dev", "--group", "pyproject.toml:bindings", "--constraint", run]
        command = [*common, *dev, "--output-file", "packaging/requirements-dev.txt"]
        subprocess.check_call(command, cwd=str(root), env=environ)
