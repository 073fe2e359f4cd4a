"""Acceptance line 14 for the stores: names other programs wrote lead to nothing that is not theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.stores.places import StorePlaces
from tests.models.hub.test_names import ATTACKS
from tests.models.stores.conftest import Tools, Use
from tests.models.stores.layouts import HubCache, Ollama, snapshot

pytestmark = pytest.mark.accept(14)


def test_names_in_manifests_and_folders_lead_out_of_no_store(use: Use, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    """Every attack as digest, as file of llama.cpp's manifest, as branch, and as folder name where one can be made."""
    around = tmp_path / "around"
    ollama = Ollama(around / "ollama")
    cache = HubCache(around / "hub", "org/name")
    flat, studio = around / "llama.cpp", around / "lm"
    flat.mkdir()
    canary = around / "x.gguf"
    canary.write_bytes(tiny_chat_gguf.read_bytes())
    made = 0
    for number, attack in enumerate(ATTACKS):
        digests = [attack, f"sha256:{attack}", f"sha256-{attack}", f"sha256:{'a' * 64}{attack}"]
        for at, digest in enumerate(digests):
            layer = {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": 1}
            path = ollama.folder / "manifests/registry.ollama.ai/library" / f"m{number}" / f"t{at}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"layers": [layer]}))
        manifest = {"ggufFile": {"rfilename": attack}, "mmprojFile": {"rfilename": attack}}
        (flat / f"manifest=org=m{number}=latest.json").write_text(json.dumps(manifest))
        (cache.folder / "refs").mkdir(exist_ok=True)
        (cache.folder / "refs/main").write_bytes(attack.encode(errors="surrogatepass"))
        made += _made(studio, attack, tiny_chat_gguf) + _made(cache.folder / "snapshots", attack, tiny_chat_gguf)
    before = snapshot(around)
    places = StorePlaces((ollama.folder,), (studio,), (around / "hub",), (flat,), ours=(tmp_path / "models",))

    async def scan_and_import(tools: Tools) -> tuple[int, list[Path]]:
        result = await tools.scan(places)
        imported = 0
        for model in result.models:
            assert model.repo in ("", "org/name") or model.repo.replace("/", "").isascii()
            if not model.problem and not model.model_id:
                taken = await tools.library.import_path(model.path, origin=model.origin())
                assert not (await tools.library.remove(taken.id, tmp_path / "models")).file_deleted
                imported += 1
        return imported, [model.path for model in result.models if model.store == "ollama"]

    imported, of_ollama = use(scan_and_import)
    assert imported > 0 and made > 40
    # "sha256-" and 64 digits is the one form in which a digest of these names a blob; none of theirs is.
    blobs = ollama.folder / "blobs"
    assert all(path.parent == blobs for path in of_ollama)
    assert snapshot(around) == before


def _made(root: Path, name: str, content: Path) -> int:
    """Whether the name could be made as folders of a store that stay inside it."""
    try:
        folder = root / "org" / name.strip("/")
        if not folder.resolve().is_relative_to(root.resolve() / "org"):
            return 0
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.gguf").write_bytes(content.read_bytes())
    except (OSError, ValueError):
        return 0
    return 1
