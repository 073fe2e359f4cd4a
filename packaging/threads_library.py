"""Builds adaptive_threads.c beside the engine, which gives each token the processors that are free.

Linux with libgomp only. Without it the engine works as llama.cpp made it, only slower on a busy machine, so a failure
is a reason to record and never a reason to stop.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from console import Console

SOURCE = Path(__file__).resolve().with_name("adaptive_threads.c")
NAME = "libjackdaw_threads.so"


def build_threads_library(lib_dir: Path) -> str:
    """Compile into `lib_dir`; returns "" when it is there, else why it is not, in a sentence."""
    if sys.platform != "linux":
        return "Threads do not follow the load here: that library is for Linux."
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return "Threads do not follow the load here: no C compiler was found."
    part = lib_dir / f".{NAME}.part"
    argv = [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", str(part), str(SOURCE), "-ldl"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        return f"Threads do not follow the load here: {SOURCE.name} did not compile ({done.stderr.strip()[-300:]})."
    part.replace(lib_dir / NAME)
    return ""


def renew_threads_library(lib_dir: Path, console: Console) -> None:
    """Compile the library unless the one there is of this source."""
    made_of = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    note = lib_dir / f"{NAME}.source"
    if (lib_dir / NAME).is_file() and note.is_file() and note.read_text(encoding="utf-8") == made_of:
        return
    if problem := build_threads_library(lib_dir):
        console.note(problem)
    else:
        note.write_text(made_of, encoding="utf-8")
