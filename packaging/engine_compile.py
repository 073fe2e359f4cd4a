"""One run of cmake and the compiler over the unpacked source, with progress by compiled file."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from console import SetupError, remaining
from engine_source import LLAMA_CPP
from engine_variants import TARGETS, Attempt
from toolchain import Tools

_NINJA = re.compile(r"^\[(\d+)/(\d+)\]")
_MAKE = re.compile(r"^\[ *(\d+)%\]")
_JOB_BYTES = 3 * 2**29  # the largest of llama.cpp's files takes about 1.2 GiB in gcc


class CompileFailed(Exception):
    """cmake or the compiler ended with an error; the message is its first complaint, `log` the whole output."""

    def __init__(self, message: str, log: Path) -> None:
        super().__init__(message)
        self.log = log


def parse_progress(line: str) -> tuple[int, int] | None:
    """(done, total) from a line of ninja in files, or of make in percent; None for any other line."""
    if found := _NINJA.match(line):
        return int(found[1]), int(found[2])
    if found := _MAKE.match(line):
        return int(found[1]), 100
    return None


def progress_text(done: int, total: int, elapsed_s: float, in_files: bool) -> str:
    """ "123 of 268 files, about 2 min left"."""
    amount = f"{done} of {total} files" if in_files else f"{done} %"
    return amount + remaining(done, total, elapsed_s)


def job_count(processors: int, memory_bytes: int) -> int:
    """How many compilers at once: one per processor, as long as each finds the memory it needs."""
    return max(1, min(processors, memory_bytes // _JOB_BYTES))


class Compiler:
    """Configures and builds one attempt in `work`. A build folder left by an interrupted run is continued.

    `lock_fd` is handed to the children: should this process be killed, the lock stays until the last of them ended,
    so that no second build writes into the same folder.
    """

    def __init__(self, tools: Tools, work: Path, environ: Mapping[str, str], lock_fd: int | None) -> None:
        self._tools = tools
        self._work = work
        self._lock_fd = lock_fd
        # A repository around the cache folder is not llama.cpp's: its commit must not become the build's.
        self._environ = {**environ, "GIT_CEILING_DIRECTORIES": str(work), "LC_ALL": "C", "CLICOLOR_FORCE": "0"}
        self._log = work / "build.log"

    def build(self, attempt: Attempt, report: Callable[[str], None]) -> Path:
        """Make the folder with bin/ and lib/. Raises CompileFailed, or SetupError when the disk or memory is full."""
        tree = self._work / f"tree-{attempt.backend.name.lower()}"
        report(f"configuring {attempt.name}")
        rpath = "@loader_path/../lib" if sys.platform == "darwin" else "$ORIGIN/../lib"
        configure = [self._tools.cmake, "-S", str(self._work / "source" / LLAMA_CPP), "-B", str(tree)]
        configure += ["-G", self._tools.generator, *attempt.cmake_flags()]
        # The libraries move from the tree to lib/ by copying, so they are linked for that place from the start.
        configure += ["-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", f"-DCMAKE_INSTALL_RPATH={rpath}"]
        configure += [
            f"-DCMAKE_C_COMPILER={self._tools.compiler_c}",
            f"-DCMAKE_CXX_COMPILER={self._tools.compiler_cxx}",
        ]
        self._run(configure, lambda line: None)
        started = time.monotonic()

        def on_line(line: str) -> None:
            if amount := parse_progress(line):
                report(progress_text(*amount, time.monotonic() - started, self._tools.generator == "Ninja"))

        jobs = job_count(_processors(), _memory_bytes())
        self._run([self._tools.cmake, "--build", str(tree), "--parallel", str(jobs), "--target", *TARGETS], on_line)
        return assemble(tree / "bin", self._work / "out")

    def _run(self, command: Sequence[str], on_line: Callable[[str], None]) -> None:
        last: deque[str] = deque(maxlen=400)
        keep = () if self._lock_fd is None else (self._lock_fd,)
        with (
            self._log.open("a", encoding="utf-8") as log,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=self._environ,
                pass_fds=keep,
                start_new_session=True,
            ) as child,
        ):
            try:
                assert child.stdout is not None
                for line in child.stdout:
                    log.write(line)
                    last.append(line.rstrip())
                    on_line(line)
            except BaseException:
                stop_group(child)
                raise
        if child.returncode != 0:
            raise self._explain(list(last), child.returncode)

    def _explain(self, lines: list[str], exit_code: int) -> Exception:
        text = "\n".join(lines)
        if "No space left on device" in text or "Disk quota exceeded" in text:
            return SetupError(
                f"The disk is full: the engine could not be built in {self._work}.",
                "JACKDAW_ENGINE_CACHE=/a/folder/with/2GB make run",
            )
        if "Killed signal terminated program" in text:
            return SetupError("The compiler ran out of memory.", "Close other programs and run the same command again.")
        complaint = next((line for line in lines if re.search(r"\berror\b|CMake Error", line, re.IGNORECASE)), "")
        return CompileFailed(complaint.strip() or f"the build ended with exit code {exit_code}", self._log)


def assemble(built: Path, out: Path) -> Path:
    """Sort the tree's flat bin folder into out/bin (programs) and out/lib (libraries with their links)."""
    shutil.rmtree(out, ignore_errors=True)
    for folder in (out / "bin", out / "lib"):
        folder.mkdir(parents=True)
    for path in sorted(built.iterdir()):
        is_library = ".so" in path.suffixes or path.suffix in (".dylib", ".metallib")
        if is_library:
            shutil.copy2(path, out / "lib" / path.name, follow_symlinks=False)
        elif path.stem in TARGETS or path.suffix == ".dll":
            shutil.copy2(path, out / "bin" / path.name)
    return out


def stop_group(child: subprocess.Popen[str]) -> None:
    """End a build and everything it started, and wait for it."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
    else:
        child.terminate()
    child.wait()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30
