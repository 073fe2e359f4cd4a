"""The note a finished set-up leaves in .venv/jackdaw-ready.json, and whether it still holds."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Ready(NamedTuple):
    """A finished set-up. `kind` "dev" has what tests and benches need besides "run"; `own` is JACKDAW_ENGINE."""

    key: str
    kind: str
    python: str
    engine: str
    own: str

    def variables(self) -> dict[str, str]:
        """Where `python -m llama_cpp.server` finds the proven libraries; the bench compares with it."""
        lib = Path(self.engine) / "lib"
        return {"LLAMA_CPP_LIB_PATH": str(lib)} if lib.is_dir() else {}


def note_path(root: Path) -> Path:
    return root / ".venv" / "jackdaw-ready.json"


def write_ready(root: Path, ready: Ready) -> None:
    note_path(root).write_text(json.dumps(ready._asdict(), indent=1), encoding="utf-8")


def read_ready(root: Path, kind: str, environ: Mapping[str, str]) -> Ready | None:
    """What the last set-up noted, or None when it was less than `kind` or anything it depends on has changed."""
    try:
        ready = Ready(**json.loads(note_path(root).read_text(encoding="utf-8")))
        enough = ready.kind in ("dev", kind)
        same = ready.own == environ.get("JACKDAW_ENGINE", "") and ready.key == ready_key(root, ready.kind)
        there = os.access(ready.python, os.X_OK) and (bool(ready.own) or _is_build(ready.engine, environ))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ready if enough and same and there else None


def ready_key(root: Path, kind: str) -> str:
    """A hash of all that set-up depends on: the lock, the project's description, the place, and set-up itself."""
    digest = hashlib.sha256(str(root).encode())
    packaging = root / "packaging"
    files = [root / "pyproject.toml", root / "models" / "llamacpp.py", requirements(root, kind)]
    files.append(packaging / "requirements-torch.txt")
    files += sorted(path for path in packaging.iterdir() if path.suffix in (".py", ".c"))
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def requirements(root: Path, kind: str) -> Path:
    """The lock file of a kind of set-up; "dev" holds everything of "run" in the same versions."""
    return root / "packaging" / ("requirements.txt" if kind == "run" else "requirements-dev.txt")


def _is_build(engine: str, environ: Mapping[str, str]) -> bool:
    """Whether the noted build is still there, and in the cache folder that is asked for now."""
    cache = environ.get("JACKDAW_ENGINE_CACHE")
    inside = not cache or Path(engine).parent == Path(cache).expanduser().resolve()
    return inside and (Path(engine) / "build.json").is_file()
