"""The Python environment: a suitable Python, a .venv beside the sources, and the locked packages in it.

Every package comes with its allowed hashes (packaging/requirements*.txt); pip refuses anything else. Runs on Python 3.8
and later, because the Python that starts set-up need not be the one Jackdaw runs on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from console import Console, SetupError, require_room
from pip_errors import explain_pip
from toolchain import install

SUITABLE = ((3, 11), (3, 12), (3, 13))
ENVIRONMENT_BYTES = {"run": 1900 * 2**20, "dev": 2400 * 2**20}
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH_BYTES = 1200 * 2**20
MEND_ROOM = "python3 -m pip cache purge"

_ASK = "import json, sys; print(json.dumps(list(sys.version_info[:2])))"


def find_python(environ: Mapping[str, str], running: str = sys.executable) -> str:
    """A Python of a version we run on: the one running now, else python3.x on PATH. Raises SetupError."""
    seen = []
    for candidate in _candidates(environ, running):
        version = _version_of(candidate)
        if version in SUITABLE:
            return candidate
        if version:
            seen.append(f"{version[0]}.{version[1]}")
    there = f"; there is {', '.join(dict.fromkeys(seen))}" if seen else ""
    raise SetupError(f"No Python 3.11, 3.12 or 3.13 is installed{there}.", install("python"))


def _candidates(environ: Mapping[str, str], running: str) -> Iterator[str]:
    yield running
    for name in ("python3.12", "python3.13", "python3.11", "python3"):
        for folder in environ.get("PATH", "").split(os.pathsep):
            found = shutil.which(name, path=folder) if folder else None
            if found:
                yield found


def _version_of(program: str) -> tuple[int, int] | None:
    """(major, minor), or None when it does not run: version managers put shims of absent versions on PATH."""
    try:
        answer = subprocess.run([program, "-c", _ASK], capture_output=True, timeout=30, check=False)
        major, minor = json.loads(answer.stdout)
        return major, minor
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


class Environment:
    """The .venv of one checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def create(self, console: Console, python: str) -> None:
        """Make it with `python`, unless one with a working Python of a suitable version is there."""
        if self.python.exists() and _version_of(str(self.python)) in SUITABLE and self._has_pip():
            console.note(f"{self.folder} is there")
            return
        require_room(self.root, ENVIRONMENT_BYTES["run"], "the environment with Qt", MEND_ROOM)
        version = _version_of(python)
        console.note(f"making {self.folder} with {python}")
        answer = _run([python, "-m", "venv", "--clear", str(self.folder)])
        if answer.returncode != 0:
            raise _explain_venv(answer.stdout, version or SUITABLE[0])

    def install(self, requirements: Path, console: Console, kind: str) -> None:
        """Install exactly what `requirements` lists, each file checked against its hashes."""
        total = sum(1 for line in requirements.read_text(encoding="utf-8").splitlines() if line[:1].isalnum())
        seen = 0

        def on_line(line: str) -> None:
            nonlocal seen
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                seen += 1
                console.progress(f"{min(seen, total)} of {total}")
            elif line.startswith("Installing collected packages"):
                console.progress("installing what was downloaded")

        require_room(self.root, ENVIRONMENT_BYTES[kind] // 4, "installing the packages", MEND_ROOM)
        console.note(f"{total} packages, each checked against its hash")
        command = [str(self.python), *PIP, "install", "--progress-bar", "off", "--require-hashes", "-r"]
        self._pip([*command, str(requirements)], "the packages", on_line)

    def install_torch(self, requirements: Path) -> str | None:
        """Torch in its small CPU build, from the sources pip is set to, else from PyTorch's own index.

        Returns None, or what pip said when neither has a build for this Python whose hash is listed: only conversion
        needs it.
        """
        command = [str(self.python), *PIP, "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--require-hashes", "-r", str(requirements)]
        said = ""
        for source in ([], ["--extra-index-url", TORCH_INDEX]):
            require_room(self.root, TORCH_BYTES, "installing torch", MEND_ROOM)
            answer = _run([*command, *source])
            if answer.returncode == 0:
                return None
            if "no space left" in answer.stdout.lower():
                raise explain_pip(answer.stdout, "torch")
            said = answer.stdout
        return said

    def install_project(self) -> None:
        """Jackdaw itself, editable.

        Without dependencies, since the lock has installed them; without isolation, since pip would download a build
        backend of its own choice, unlocked, where the locked one is installed already.
        """
        options = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--editable"]
        self._pip([str(self.python), *PIP, *options, str(self.root)], "Jackdaw itself", lambda line: None)

    def install_bindings(self, engine: Path) -> None:
        """The engine's Python bindings, from the wheel that was made beside the engine."""
        wheels = sorted((engine / "wheels").glob("llama_cpp_python-*.whl"))
        if not wheels:
            raise SetupError(f"The Python bindings are missing in {engine}.", "python3 packaging/bootstrap.py engine")
        options = ["install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheels[-1])]
        self._pip([str(self.python), *PIP, *options], "the Python bindings", lambda line: None)

    def qt_folder(self) -> Path | None:
        """PySide6's copy of Qt, None before it is installed."""
        return next(iter(sorted(self.folder.glob("lib/python3*/site-packages/PySide6/Qt"))), None)

    def _has_pip(self) -> bool:
        return _run([str(self.python), *PIP, "--version"]).returncode == 0

    def _pip(self, command: Sequence[str], what: str, on_line: Callable[[str], None]) -> None:
        lines: list[str] = []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                lines.append(line)
                on_line(line.strip())
        if child.returncode != 0:
            raise explain_pip("".join(lines), what)


def _explain_venv(output: str, version: tuple[int, int]) -> SetupError:
    if "ensurepip" in output:
        name = f"python{version[0]}.{version[1]}-venv"
        mend = install("python").replace("python3-venv", name) if "apt-get" in install("python") else install("python")
        return SetupError("This Python cannot make environments: its ensurepip module is not installed.", mend)
    if "No space left" in output:
        return SetupError("The disk is full: the environment could not be made.", MEND_ROOM)
    detail = (output.strip().splitlines() or ["no output"])[-1]
    return SetupError(f"The environment could not be made: {detail}", "rm -rf .venv")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
