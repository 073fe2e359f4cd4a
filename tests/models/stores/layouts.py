"""Stores laid out as other programs make them, with real model files in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.models import gguf_bytes as make

GARBAGE = os.urandom(1 << 12)
PROJECTOR = make.gguf(
    [
        make.string("general.architecture", "clip"),
        make.string("general.type", "mmproj"),
        make.u32("clip.vision.projection_dim", 256),
    ],
    [make.tensor("v.patch_embd.weight", [32])],
    data_bytes=128,
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Ollama:
    """`pull` and `cp` of Ollama: blobs 0644 by hash, a manifest by registry, namespace, model and tag."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs").mkdir(parents=True)
        (folder / "manifests").mkdir()

    def pull(self, name: str, layers: Mapping[str, bytes | Path], host: str = "registry.ollama.ai/library") -> Path:
        """Keys are the last words of media types; "model" gives the path that is returned."""
        listed = []
        for kind, content in layers.items():
            raw = content.read_bytes() if isinstance(content, Path) else content
            self.blob(raw)
            media = f"application/vnd.ollama.image.{kind}"
            listed.append({"mediaType": media, "digest": f"sha256:{sha256(raw)}", "size": len(raw)})
        config = json.dumps({"model_format": "gguf", "model_family": "qwen2", "os": "linux"}).encode()
        self.blob(config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "digest": f"sha256:{sha256(config)}",
                "size": len(config),
            },
            "layers": listed,
        }
        model, _, tag = name.partition(":")
        path = self.folder / "manifests" / host / model / (tag or "latest")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest))
        models = [layer for layer in listed if str(layer["mediaType"]).endswith("image.model")]
        return self.path(str(models[0]["digest"]).removeprefix("sha256:")) if models else path

    def blob(self, content: bytes) -> Path:
        path = self.path(sha256(content))
        if not path.exists():
            path.write_bytes(content)
            path.chmod(0o644)
        return path

    def path(self, digest: str) -> Path:
        return self.folder / "blobs" / f"sha256-{digest}"

    def half(self, size: int = 5 << 20) -> Path:
        """An unfinished pull: at full size, sparse, with the state of its parts beside it."""
        path = self.folder / "blobs" / f"sha256-{'ab' * 32}-partial"
        with path.open("wb") as file:
            file.truncate(size)
        path.with_name(f"{path.name}-0").write_text('{"N": 0, "Offset": 0, "Size": 100, "Completed": 7}')
        return path


class HubCache:
    """Hugging Face's cache for one repository."""

    def __init__(self, hub: Path, repo: str) -> None:
        self.folder = hub / f"models--{repo.replace('/', '--')}"
        (self.folder / "blobs").mkdir(parents=True)

    def add(self, name: str, content: bytes | Path, commit: str = "c0ffee" + "0" * 34, main: bool = True) -> Path:
        raw = content.read_bytes() if isinstance(content, Path) else content
        blob = self.folder / "blobs" / sha256(raw)
        if not blob.exists():
            blob.write_bytes(raw)
        link = self.folder / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
        if main:
            (self.folder / "refs").mkdir(exist_ok=True)
            (self.folder / "refs" / "main").write_text(commit)
        return link


def lm_studio(models: Path, name: str, content: Path) -> Path:
    """`name` is publisher/repo/file.gguf."""
    path = models / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(content, path)
    return path


def llama_cpp(cache: Path, repo: str, file: str, content: Path, mmproj: str = "") -> Path:
    """A file of llama.cpp's flat cache with its etag and the Hub's manifest."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{repo}_{file}".replace("/", "_")
    shutil.copyfile(content, path)
    path.with_name(f"{path.name}.etag").write_text('"0123"')
    manifest: dict[str, object] = {"ggufFile": {"rfilename": file, "size": path.stat().st_size}}
    if mmproj:
        manifest["mmprojFile"] = {"rfilename": mmproj}
        (cache / f"{repo}_{mmproj}".replace("/", "_")).write_bytes(PROJECTOR)
    (cache / f"manifest={repo.replace('/', '=')}=latest.json").write_text(json.dumps(manifest))
    return path


def snapshot(*roots: Path) -> dict[str, tuple[object, ...]]:
    """Everything below the folders: kind, mode, size, dates, inode, links, content."""
    found: dict[str, tuple[object, ...]] = {}
    for root in roots:
        for path in sorted([root, *root.rglob("*")]):
            info = path.lstat()
            inside: object = os.readlink(path) if path.is_symlink() else ""
            if not path.is_symlink() and path.is_file():
                inside = sha256(path.read_bytes())
            # Not the access time: whether reading moves it is the mount's choice.
            about = (info.st_mode, info.st_uid, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
            found[str(path)] = (*about, info.st_nlink, inside)
    return found
