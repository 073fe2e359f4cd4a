"""The command line as a user runs it: real processes, a real service, a data folder of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desktop.cli.main import main
from desktop.paths import Paths

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120


@dataclass(frozen=True)
class CommandLine:
    """Runs `jackdaw …` for one data folder."""

    home: Path
    environ: dict[str, str]

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "desktop", "--home", str(self.home), *arguments],
            cwd=CHECKOUT,
            env=self.environ,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output of a command that must succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def inside(self, *arguments: str) -> Any:
        """The JSON answer of a command that must succeed, run in this process: a second saved where nothing is lost.

        The service must run already, because it takes its environment from who starts it.
        """
        return json.loads(self.text("--json", *arguments))

    def text(self, *arguments: str) -> str:
        """The same for what is printed for people."""
        out, umask = io.StringIO(), os.umask(0o077)
        try:
            with contextlib.redirect_stdout(out):
                code = main(["--home", str(self.home), *arguments])
        finally:
            os.umask(umask)
        assert code == 0, (arguments, code)
        return out.getvalue()

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        return json.loads(self.ok("--json", *arguments, stdin=stdin))


@pytest.fixture
def cli(home: Paths, engine_bin: Path) -> Iterator[CommandLine]:
    """A command line whose service, should a command start one, is stopped at the end."""
    home.settings.write_text("port = 0\n")  # any free port: the real one may be in use on this machine
    line = CommandLine(home.data, {**os.environ, "JACKDAW_ENGINE": str(engine_bin)})
    yield line
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(["--home", str(line.home), "stop"])
