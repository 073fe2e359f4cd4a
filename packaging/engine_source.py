"""The engine's source: fetched with pip, checked against its hash before anything of it runs, unpacked file by file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from console import SetupError
from pip_errors import explain_pip, is_network

from models.llamacpp import ARCHIVE_SHA256, RELEASE

ARCHIVE_NAME = f"llama_cpp_python-{RELEASE}.tar.gz"
TRIES = 3
MAX_UNPACKED_BYTES = 2 * 2**30
LLAMA_CPP = "vendor/llama.cpp"

# Nothing of these is compiled or used by the conversion scripts; .git is the history of somebody's working copy.
_SKIPPED = frozenset({".git", ".github", ".devops", ".gemini", "media", "benches", "docs", "ci", "pocs"})
# What the Python bindings are made of.
_BINDINGS = ("llama_cpp", "CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE.md")


def fetch_archive(folder: Path, python: str, say: Callable[[str], None]) -> Path:
    """The pinned source archive in `folder`, downloaded unless it lies there already.

    pip checks the sha256 before it unpacks the archive for its metadata; it is checked again here. Raises SetupError
    without a network, and when the bytes are not the pinned ones.
    """
    archive = folder / ARCHIVE_NAME
    if archive.is_file() and sha256_of(archive) == ARCHIVE_SHA256:
        return archive
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "engine-source.txt"
    wanted.write_text(f"llama-cpp-python=={RELEASE} --hash=sha256:{ARCHIVE_SHA256}\n", encoding="utf-8")
    # Without isolation: metadata is read with the locked build backend of our environment, not with a fresh download.
    command = [python, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["--no-deps", "--no-binary", "llama-cpp-python", "--no-build-isolation", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(wanted)]
    for attempt in range(TRIES):
        say(f"downloading {ARCHIVE_NAME} (73 MiB)" + (f", attempt {attempt + 1} of {TRIES}" if attempt else ""))
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            break
        output = answer.stdout + answer.stderr
        if attempt + 1 == TRIES or not is_network(output):
            raise explain_pip(output, f"the engine's source {ARCHIVE_NAME}")
        time.sleep(2**attempt)
    if sha256_of(archive) != ARCHIVE_SHA256:
        archive.unlink()
        raise SetupError(f"{ARCHIVE_NAME} is not the pinned file (sha256 differs); it was deleted.", "make run")
    return archive


def unpack(archive: Path, target: Path) -> None:
    """Unpack what the build needs into `target`: llama.cpp below vendor/, and the bindings' sources.

    Plain files and folders only: links, devices, absolute names and ".." are refused. A marker written last tells a
    complete tree from an interrupted one, which is unpacked anew.
    """
    marker = target / ".complete"
    if marker.is_file():
        return
    shutil.rmtree(target, ignore_errors=True)
    total = 0
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = wanted_name(member.name)
            if name is None or not member.isfile():
                continue
            total += member.size
            if total > MAX_UNPACKED_BYTES:
                raise SetupError(f"{archive.name} unpacks to more than {MAX_UNPACKED_BYTES} bytes.")
            content = tar.extractfile(member)
            assert content is not None
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                shutil.copyfileobj(content, out)
            path.chmod(0o700 if member.mode & 0o100 else 0o600)
    marker.touch()


def wanted_name(member: str) -> PurePosixPath | None:
    """Where a member of the archive goes below the target, or None when it is not needed. Raises on hostile names."""
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or "\0" in member:
        raise SetupError(f"The archive holds a file name that points outside of it: {member!r}.")
    parts = path.parts[1:]  # the first is the release's own folder
    if not parts:
        return None
    if parts[0] in _BINDINGS:
        return PurePosixPath(*parts)
    if parts[:2] == ("vendor", "llama.cpp") and len(parts) > 2 and parts[2] not in _SKIPPED:
        return PurePosixPath(*parts)
    return None


def copy_converters(source: Path, target: Path) -> None:
    """The conversion scripts and the two packages they import, all from the one pinned archive."""
    origin = source / LLAMA_CPP
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE"):
        shutil.copy2(origin / name, target / name)
    for name in ("conversion", "gguf-py"):
        shutil.copytree(origin / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "tests", "examples"))


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
