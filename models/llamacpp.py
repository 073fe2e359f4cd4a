"""The llama.cpp build on this machine: where it is, what it was made of, whether it proved itself.

The only module that knows how a build lies on the disk; packaging/native.py writes this layout, everybody else asks
here. Standard library only, because native.py runs before anything is installed.

    <engines>/<key>/build.json   what it was built from, written last: a folder without it is no build
                    bin/ lib/    llama-server and the tools; the shared libraries
                    convert/     convert_hf_to_gguf.py and what it imports, from the same archive
                    wheels/      the Python bindings without libraries of their own
    <engines>/proofs/<id>.json   one proof's result for one set of files, processor and driver
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.cpu import ggml_features, read_cpu_flags
from models.errors import BinaryMissing

RELEASE = "0.3.36"
"""The llama-cpp-python release whose sdist carries the llama.cpp we build."""

ARCHIVE_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
"""sha256 of llama_cpp_python-0.3.36.tar.gz as PyPI publishes it."""

MANIFEST = "build.json"
MANIFEST_SCHEMA = 1
_EXE = ".exe" if sys.platform == "win32" else ""
_BUILD_HINT = "Run `make engine` in the source folder, or set JACKDAW_ENGINE to the bin folder of a llama.cpp build."


@dataclass(frozen=True, slots=True)
class EngineBuild:
    """One llama.cpp build. Features are in ggml's names; `proof` is the saved ProofResult, {} before the first."""

    directory: Path
    bin_dir: Path
    variant: str  # "native", "native-no-amx", "avx2", "generic"; "own" for somebody else's build
    flags: tuple[str, ...]
    source: str
    backend: str  # "CPU", "CUDA", "Vulkan", "Metal", "HIP"
    features_used: tuple[str, ...]
    features_left_out: tuple[str, ...]
    fallback_reason: str
    proven: bool
    proof: Mapping[str, Any] = field(default_factory=dict)
    convert_dir: Path | None = None
    own: bool = False

    @property
    def lib_dir(self) -> Path:
        """Where libllama and libggml are: what LLAMA_CPP_LIB_PATH wants."""
        lib = self.bin_dir.parent / "lib"
        return lib if lib.is_dir() else self.bin_dir

    @property
    def self_contained(self) -> bool:
        """Whether it was made by us: then all it needs besides the system's libraries is in `bin_dir` and `lib_dir`."""
        return read_manifest(self.bin_dir.parent) is not None

    @property
    def label(self) -> str:
        """One line for status texts: "llama.cpp 0.3.36 native", or "own: /path/to/bin"."""
        return f"own: {self.bin_dir}" if self.own else f"llama.cpp {RELEASE} {self.variant}"


def find_build(engines: Path, environ: Mapping[str, str]) -> EngineBuild:
    """The build to use: JACKDAW_ENGINE when set, else the newest complete one of our release below `engines`.

    A build made for instructions that this processor lacks is passed over (a cache on a shared home folder).
    Raises BinaryMissing when there is none, or when JACKDAW_ENGINE names a folder without llama-server.
    """
    if chosen := environ.get("JACKDAW_ENGINE"):
        return _own_build(Path(chosen).expanduser().absolute(), engines)
    present = frozenset(ggml_features(read_cpu_flags()))
    newest: tuple[float, Path, dict[str, Any]] | None = None
    for manifest_path in engines.glob(f"*/{MANIFEST}"):
        manifest = read_manifest(manifest_path.parent)
        if manifest is None or manifest.get("archive_sha256") != ARCHIVE_SHA256:
            continue
        if present and not present.issuperset(manifest.get("features_used", ())):
            continue
        used_at = manifest_path.stat().st_mtime
        if newest is None or used_at > newest[0]:
            newest = (used_at, manifest_path.parent, manifest)
    if newest is None:
        raise BinaryMissing(f"No llama.cpp build is in {engines}.", hint=_BUILD_HINT)
    return _our_build(newest[1], newest[2], engines)


def binary(build: EngineBuild, name: str) -> Path:
    """The absolute path of one tool, e.g. "llama-server". Raises BinaryMissing when the build lacks it."""
    path = build.bin_dir / (name + _EXE)
    if not path.is_file() or not os.access(path, os.X_OK):
        raise BinaryMissing(f"{name} is missing in {build.bin_dir}.", hint=_BUILD_HINT)
    return path


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """A build folder's build.json, or None when the folder is not a complete build."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("schema") != MANIFEST_SCHEMA:
        return None
    return manifest if (directory / "bin" / f"llama-server{_EXE}").is_file() else None


def proof_id(bin_dir: Path) -> str:
    """Names the proof that holds for these very files on this processor with this driver: 32 hex digits.

    Contents count, not dates: a rebuilt library or a new driver makes an old proof void.
    """
    digest = hashlib.sha256()
    for path in _proven_files(bin_dir):
        digest.update(path.name.encode())
        with path.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    digest.update(" ".join(sorted(read_cpu_flags())).encode())
    digest.update(driver_version().encode())
    return digest.hexdigest()[:32]


def load_proof(engines: Path, bin_dir: Path) -> dict[str, Any]:
    """The saved result for these files on this machine, or {}."""
    try:
        proof = json.loads((engines / "proofs" / f"{proof_id(bin_dir)}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return proof if isinstance(proof, dict) else {}


def save_proof(engines: Path, bin_dir: Path, proof: Mapping[str, Any]) -> None:
    """Keep a result under its proof_id, replacing an older one whole or not at all."""
    folder = engines / "proofs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(folder / f"{proof_id(bin_dir)}.json", proof)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Temp file in the same folder, fsync, rename: a reader sees the old text or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def driver_version() -> str:
    """The kernel's GPU drivers in words, "" without any; part of what a proof depends on."""
    found = []
    for path in (Path("/proc/driver/nvidia/version"), Path("/sys/module/amdgpu/version")):
        with contextlib.suppress(OSError):
            found.append(path.read_text(encoding="utf-8", errors="replace").strip())
    return "\n".join(found)


def _proven_files(bin_dir: Path) -> list[Path]:
    """What llama-server is made of: itself, llama-quantize and the libraries beside it. Links are followed once."""
    lib = bin_dir.parent / "lib"
    found = [bin_dir / f"{name}{_EXE}" for name in ("llama-server", "llama-quantize")]
    for folder in (lib, bin_dir):
        for pattern in ("lib*.so*", "lib*.dylib", "*.dll"):
            found.extend(path for path in folder.glob(pattern) if _counts(path))
    return sorted(path for path in found if path.is_file())


def _counts(path: Path) -> bool:
    """Our own library of thread counts computes nothing, and is renewed without a new build."""
    return not path.is_symlink() and not path.name.startswith("libjackdaw")


def _own_build(chosen: Path, engines: Path) -> EngineBuild:
    folders = (chosen.parent,) if chosen.is_file() else (chosen, chosen / "bin")
    bin_dir = next((folder for folder in folders if (folder / f"llama-server{_EXE}").is_file()), None)
    if bin_dir is None:
        raise BinaryMissing(
            f"JACKDAW_ENGINE is {chosen}, and there is no llama-server there.",
            hint="Point it at the folder that holds llama-server, or unset it to use the build Jackdaw makes itself.",
        )
    proof = load_proof(engines, bin_dir)
    convert = next((folder for folder in (bin_dir.parent, bin_dir.parent.parent) if _has_converter(folder)), None)
    return EngineBuild(
        directory=bin_dir.parent,
        bin_dir=bin_dir,
        variant="own",
        flags=(),
        source=f"own: {bin_dir}",
        backend=str(proof.get("backend", "CPU")),
        features_used=tuple(proof.get("features_used", ())),
        features_left_out=tuple(proof.get("features_left_out", ())),
        fallback_reason="",
        proven=proof.get("ok") is True,
        proof=proof,
        convert_dir=convert,
        own=True,
    )


def _our_build(directory: Path, manifest: Mapping[str, Any], engines: Path) -> EngineBuild:
    bin_dir = directory / "bin"
    proof = load_proof(engines, bin_dir)
    convert = directory / "convert"
    return EngineBuild(
        directory=directory,
        bin_dir=bin_dir,
        variant=str(manifest["variant"]),
        flags=tuple(manifest["flags"]),
        source=str(manifest["source"]),
        backend=str(manifest["backend"]),
        features_used=tuple(proof.get("features_used") or manifest.get("features_used", ())),
        features_left_out=tuple(proof.get("features_left_out") or manifest.get("features_left_out", ())),
        fallback_reason=str(manifest.get("fallback_reason", "")),
        proven=proof.get("ok") is True,
        proof=proof,
        convert_dir=convert if _has_converter(convert) else None,
    )


def _has_converter(folder: Path) -> bool:
    return (folder / "convert_hf_to_gguf.py").is_file()
