"""The steps of a set-up, each said on one line: Python, packages, engine."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from console import Console, SetupError, run_child
from environment import Environment, find_python
from pip_errors import explain_pip, is_network
from readiness import Ready, ready_key, requirements, write_ready
from toolchain import find_tools

STEPS = 4


def set_up(root: Path, kind: str, force_engine: bool = False) -> Ready:
    """Make what `kind` needs and note it. Raises SetupError, or SystemExit when native.py has told the reason."""
    own = os.environ.get("JACKDAW_ENGINE", "")
    if not own:
        find_tools(os.environ)  # before the long downloads, so that a missing compiler is told at once
    console = Console(STEPS)
    environment = Environment(root)
    console.step("python", "looking for Python 3.11 to 3.13")
    environment.create(console, find_python(os.environ))
    console.step("packages", f"reading {requirements(root, kind).name}")
    # first, so that pip finds there what others ask for
    install_torch(environment, root / "packaging" / "requirements-torch.txt", console, kind)
    environment.install(requirements(root, kind), console, kind)
    environment.install_project()
    engine = prove_own(root, environment.python, own) if own else build(root, environment.python, force_engine)
    console = Console(STEPS, done=STEPS - 1)
    if kind == "dev" and not own:
        environment.install_bindings(Path(engine))
    ready = Ready(ready_key(root, kind), kind, str(environment.python), engine, own)
    write_ready(root, ready)
    console.step("ready", f"Jackdaw is set up in {environment.folder}")
    return ready


def install_torch(environment: Environment, listed: Path, console: Console, kind: str) -> None:
    """What conversion needs. Jackdaw runs without it, so that only the tests insist. Raises SetupError for them."""
    console.note("torch, for converting checkpoints")
    said = environment.install_torch(listed)
    if said is None:
        return
    if kind == "dev" and is_network(said):
        raise explain_pip(said, "torch")
    why = f"No build of torch for this Python is listed in {listed.name}, or it could not be downloaded"
    if kind == "dev":
        raise SetupError(f"{why}; the tests need it.", "Use Python 3.11, go online, and run the same command again.")
    console.note(f"{why}: checkpoints cannot be converted until it is there. All else works.")


def build(root: Path, python: Path, force: bool) -> str:
    """Run native.py with the environment's Python, which it needs for the proof; returns the build's folder."""
    with tempfile.TemporaryDirectory(prefix="jackdaw-setup-") as folder:
        result = Path(folder) / "engine"
        command = [str(python), str(root / "packaging" / "native.py"), "--step", "3", "--steps", str(STEPS)]
        status = run_child([*command, "--result", str(result), *(["--force"] if force else [])])
        if status != 0:
            raise SystemExit(status)  # native.py has said why
        return result.read_text(encoding="utf-8").strip()


def prove_own(root: Path, python: Path, engine: str) -> str:
    """Somebody else's build is proven like ours. Raises SetupError with the proof's reason."""
    Console(STEPS, done=2).step("engine", f"proving {engine} (JACKDAW_ENGINE)")
    ask = "import desktop.paths; print(desktop.paths.engine_cache())"
    cache = subprocess.check_output([str(python), "-c", ask], cwd=str(root), text=True).strip()
    command = [str(python), "-m", "engine.proof", "--engine", engine, "--cache", cache]
    answer = subprocess.run(command, cwd=str(root), capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return engine
    said = answer.stderr.strip().splitlines() or ["no reason was given"]
    reason = json.loads(answer.stdout)["reason"] if answer.stdout.startswith("{") else said[-1]
    raise SetupError(f"The engine named by JACKDAW_ENGINE does not work here: {reason}", "unset JACKDAW_ENGINE")
