"""Builds llama.cpp for this machine and proves it: `python packaging/native.py`.

Standard library only; run by bootstrap.py with the environment's Python, which the proof needs. A finished build lies
in the cache folder under a key made of everything that went into it, so any checkout with the same needs finds it. What
happened on the way (each attempt, why a safer build was taken) is kept in its build.json.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from console import Console, SetupError, explain_os_error, require_room  # noqa: E402
from engine_backends import Backend, choose_backend, probe_machine  # noqa: E402
from engine_compile import CompileFailed, Compiler  # noqa: E402
from engine_mends import apply_mends, mend_key  # noqa: E402
from engine_source import LLAMA_CPP, copy_converters, fetch_archive, unpack  # noqa: E402
from engine_variants import BASE_FLAGS, TARGETS, Attempt, Failure, Variant, next_attempt, variants  # noqa: E402
from pip_errors import explain_pip  # noqa: E402
from threads_library import renew_threads_library  # noqa: E402
from toolchain import Tools, find_tools  # noqa: E402

from models.cpu import ggml_features, read_cpu_flags  # noqa: E402
from models.llamacpp import ARCHIVE_SHA256, MANIFEST, MANIFEST_SCHEMA, RELEASE, read_manifest, write_json  # noqa: E402

NEEDED_BYTES = 1200 * 2**20  # archive 73 MiB, source 350, tree 100, result 30, and twice that for a second attempt
PROOF_TIMEOUT_S = 300
CACHE_MEND = "JACKDAW_ENGINE_CACHE=/a/folder/with/2GB make run"


@dataclass(frozen=True)
class Proof:
    """What `python -m engine.proof` said about one build."""

    ok: bool
    reason: str
    signal_name: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """The build that passed, and every attempt that did not."""

    attempt: Attempt
    folder: Path
    proof: Proof
    failures: tuple[Failure, ...]

    @property
    def fallback_reason(self) -> str:
        """Why this is not the first choice, "" when it is."""
        return "; ".join(f"{failure.attempt.name}: {failure.reason}" for failure in self.failures)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The same folder as desktop.paths.engine_cache(), found without platformdirs."""
    if chosen := environ.get("JACKDAW_ENGINE_CACHE"):
        return Path(chosen).expanduser().resolve()
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "jackdaw" / "engine"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "jackdaw" / "Cache" / "engine"
    xdg = environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(xdg) if xdg else home / ".cache") / "jackdaw" / "engine"


def cache_key(backend: Backend, ladder: Sequence[Variant], compiler: str, cpu_flags: frozenset[str]) -> str:
    """Names a build by everything it depends on: 20 hex digits."""
    parts = [
        ARCHIVE_SHA256,
        mend_key(),
        *BASE_FLAGS,
        *TARGETS,
        backend.name,
        *backend.flags,
        compiler,
        platform.machine(),
    ]
    parts += [text for variant in ladder for text in (variant.name, *variant.flags, variant.c_flags)]
    parts += ggml_features(cpu_flags) or sorted(cpu_flags)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def climb(
    backend: Backend,
    ladder: Sequence[Variant],
    build: Callable[[Attempt], Path],
    prove: Callable[[Path], Proof],
    say: Callable[[str], None],
) -> Built:
    """Build and prove until one passes. Raises SetupError when none does."""
    failures: list[Failure] = []
    while attempt := next_attempt(backend, ladder, failures):
        try:
            folder = build(attempt)
        except CompileFailed as error:
            failures.append(Failure(attempt, "build", f"did not compile: {error} (log: {error.log})"))
        else:
            say(f"proving {attempt.name}: load, decode and embed in Q4_K and Q8_0")
            proof = prove(folder)
            if proof.ok:
                return Built(attempt, folder, proof, tuple(failures))
            failures.append(Failure(attempt, "proof", proof.reason, proof.signal_name))
        say(f"{attempt.name} failed: {failures[-1].reason}")
    reasons = "; ".join(f"{failure.attempt.name}: {failure.reason}" for failure in failures)
    raise SetupError(f"No build of the engine works here. {reasons}.", "make doctor")


def prove_with(python: str, cache: Path) -> Callable[[Path], Proof]:
    """A prover that runs `python -m engine.proof` and keeps its result below `cache`."""

    def prove(folder: Path) -> Proof:
        command = [python, "-m", "engine.proof", "--engine", str(folder / "bin"), "--cache", str(cache), "--again"]
        try:
            answer = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PROOF_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            return Proof(False, f"the proof did not end within {PROOF_TIMEOUT_S} s")
        try:
            result = json.loads(answer.stdout)
        except ValueError:
            lines = answer.stderr.strip().splitlines() or ["it said nothing"]
            raise SetupError(f"The proof could not run: {lines[-1]}", "make doctor") from None
        return Proof(result["ok"] is True, result["reason"], result.get("signal_name", ""), result)

    return prove


def ensure_engine(cache: Path, python: str, console: Console, environ: Mapping[str, str], force: bool = False) -> Path:
    """The folder of a proven build for this machine, built unless the cache has it. Raises SetupError."""
    tools = find_tools(environ)
    cpu_flags = read_cpu_flags()
    backend = choose_backend(probe_machine(environ))
    ladder = variants(platform.machine(), cpu_flags)
    compiler = compiler_id(tools, backend)
    final = cache / cache_key(backend, ladder, compiler, cpu_flags)
    if not force and _reuse(final, console):
        return final
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(cache / ".lock", console) as lock_fd:
        if not force and _reuse(final, console):  # the holder of the lock may have built just this
            return final
        work = cache / f".work-{final.name}"
        require_room(cache, 0 if work.exists() else NEEDED_BYTES, "building the engine", CACHE_MEND)
        console.note(f"for {backend.name} ({backend.reason}), instructions: {_instructions(cpu_flags)}")
        work.mkdir(mode=0o700, exist_ok=True)
        unpack(fetch_archive(cache / ".downloads", python, console.note), work / "source")
        mends = apply_mends(work / "source" / LLAMA_CPP)
        builder = Compiler(tools, work, environ, lock_fd)

        def build(attempt: Attempt) -> Path:
            folder = builder.build(attempt, console.progress)
            renew_threads_library(folder / "lib", console)  # before the proof, which holds for these very files
            return folder

        built = climb(backend, ladder, build, prove_with(python, cache), console.note)
        copy_converters(work / "source", built.folder / "convert")
        build_bindings(work / "source", built.folder / "wheels", python, environ)
        write_json(built.folder / MANIFEST, manifest(built, compiler, mends))
        _publish(built.folder, final)
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(cache / ".downloads", ignore_errors=True)
    console.note(f"{built.attempt.name} is built and proven in {final}")
    return final


def compiler_id(tools: Tools, backend: Backend) -> str:
    """The compilers' own first line: another version makes another build."""
    commands = [[tools.compiler_cxx, "--version"]]
    if backend.name == "CUDA":
        commands.append([next(flag for flag in backend.flags if "CUDA_COMPILER" in flag).split("=")[1], "--version"])
    words = []
    for command in commands:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        words.append((answer.stdout + answer.stderr).strip().splitlines()[0] if answer.stdout else command[0])
    return "; ".join(words)


def build_bindings(source: Path, target: Path, python: str, environ: Mapping[str, str]) -> None:
    """The Python bindings as a wheel without libraries: LLAMA_CPP_LIB_PATH points them at the proven ones."""
    command = [python, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-input", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(target), str(source)]
    settings = {**environ, "CMAKE_ARGS": "-DLLAMA_BUILD=OFF -DLLAVA_BUILD=OFF"}
    answer = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise explain_pip(answer.stdout + answer.stderr, "the Python bindings")


def manifest(built: Built, compiler: str, mends: Mapping[str, str]) -> dict[str, Any]:
    """What build.json says; models.llamacpp reads it."""
    return {
        "schema": MANIFEST_SCHEMA,
        "source": f"llama-cpp-python {RELEASE}",
        "archive_sha256": ARCHIVE_SHA256,
        "variant": built.attempt.variant.name,
        "backend": built.attempt.backend.name,
        "backend_reason": built.attempt.backend.reason,
        "flags": list(built.attempt.cmake_flags()),
        "compiler": compiler,
        "mends": dict(mends),
        "features_used": list(built.proof.result.get("features_used", ())),
        "features_left_out": list(built.proof.result.get("features_left_out", ())),
        "fallback_reason": built.fallback_reason,
        "attempts": [
            {"build": failure.attempt.name, "stage": failure.stage, "reason": failure.reason}
            for failure in built.failures
        ],
        "built_at": time.time(),
    }


@contextlib.contextmanager
def locked(path: Path, console: Console) -> Iterator[int | None]:
    """Hold the cache's lock; says so when another set-up has it. Without flock (Windows) there is no lock."""
    try:
        import fcntl
    except ImportError:
        yield None
        return
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.note("another set-up is building the engine; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _reuse(final: Path, console: Console) -> bool:
    found = read_manifest(final)
    if found is None:
        return False
    os.utime(final / MANIFEST)  # the build used last is the one find_build() prefers
    renew_threads_library(final / "lib", console)
    console.note(f"{found['variant']} ({found['backend']}) is ready in {final}")
    return True


def _publish(folder: Path, final: Path) -> None:
    """Move a complete build to its name in one step; an older one of that name is set aside first."""
    aside = final.with_name(f".old-{final.name}")
    shutil.rmtree(aside, ignore_errors=True)
    if final.exists():
        final.rename(aside)
    folder.rename(final)
    shutil.rmtree(aside, ignore_errors=True)


def _instructions(cpu_flags: frozenset[str]) -> str:
    return " ".join(ggml_features(cpu_flags)) or "this processor's"


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="native.py", description="Build and prove the engine for this machine.")
    parser.add_argument(
        "--cache", type=Path, help="folder of builds (default: JACKDAW_ENGINE_CACHE or the user's cache)"
    )
    parser.add_argument("--force", action="store_true", help="build again even when the cache has it")
    parser.add_argument("--python", default=sys.executable, help="Python with Jackdaw's packages, for the proof")
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help="write the build's folder into this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    console = Console(options.steps, done=options.step - 1)
    os.umask(0o077)  # like everything else in our folders, builds are for their owner alone
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the compilers are ended too
    cache = options.cache or cache_folder(os.environ)
    try:
        console.step("engine", f"looking in {cache}")
        folder = ensure_engine(cache, options.python, console, os.environ, options.force)
        if options.result:
            options.result.write_text(f"{folder}\n", encoding="utf-8")
    except SetupError as error:
        return report_failure(error)
    except OSError as error:
        explained = explain_os_error(error, CACHE_MEND)
        if explained is None:
            raise
        return report_failure(explained)
    except KeyboardInterrupt:
        print("\nInterrupted; the next run continues where this one stopped.", file=sys.stderr)
        return 130
    return 0


def report_failure(error: SetupError) -> int:
    print(f"\n{error}", file=sys.stderr)
    if error.mend:
        print(f"  {error.mend}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
