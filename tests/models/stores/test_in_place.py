"""Must show: the stores of three programs, found, used where they lie, twins named, nothing changed without consent."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from desktop.paths import Paths
from models.blocks import inode_of
from models.stores.merge import merge
from models.stores.places import find_places
from tests.engine.rig import chat, rig
from tests.models.stores.conftest import Tools, Use
from tests.models.stores.layouts import PROJECTOR, HubCache, Ollama, lm_studio, sha256, snapshot


def test_three_stores_are_found_used_in_place_and_left_alone_until_the_user_agrees(
    use: Use, home: Paths, engine_bin: Path, tmp_path: Path, tiny_chat_gguf: Path, tiny_embedding_gguf: Path
) -> None:
    user = tmp_path / "user"
    ollama = Ollama(user / ".ollama/models")
    blob = ollama.pull("llama3.2:3b", {"model": tiny_chat_gguf, "template": b"{{ .Prompt }}"})
    ollama.half()
    studio = lm_studio(user / "big disk/models", "lmstudio-community/Tiny-GGUF/Tiny-F16.gguf", tiny_chat_gguf)
    (user / ".lmstudio").mkdir()
    (user / ".lmstudio/settings.json").write_text(json.dumps({"downloadsFolder": str(user / "big disk/models")}))
    cache = HubCache(user / ".cache/huggingface/hub", "org/Tiny-GGUF")
    linked = cache.add("Tiny-F16.gguf", tiny_chat_gguf)
    embedding = cache.add("Tiny-embedding.gguf", tiny_embedding_gguf)
    cache.add("mmproj-F16.gguf", PROJECTOR)
    places = find_places({}, user)
    before = snapshot(user)

    async def find_and_use(tools: Tools) -> None:
        result = await tools.scan(places)
        usable = {model.path: model for model in result.models if not model.problem}
        assert set(usable) == {blob, studio, linked, embedding}
        assert {model.store for model in usable.values()} == {"ollama", "lm-studio", "huggingface"}

        models = {}
        for path in (blob, embedding):
            model = await tools.library.import_path(path, origin=usable[path].origin())
            models[model.id] = model
        assert [(model.id, model.path) for model in models.values()] == [
            ("llama3.2-3b", blob),
            ("tiny-embedding", embedding),
        ]
        async with rig(home, engine_bin, models) as loading, loading.scheduler.hold("llama3.2-3b") as server:
            assert str(blob) in Path(f"/proc/{server.pid}/cmdline").read_text().split("\0")
            status, answer = await server.upstream.json("POST", "/v1/chat/completions", chat("hi"))
            assert (status, answer["usage"]["completion_tokens"]) == (200, 4)
        await tools.library.remove("tiny-embedding", home.models)
        assert snapshot(user) == before

        (twins,) = result.duplicates
        assert (set(twins.paths), twins.sha256) == ({blob, studio, linked}, sha256(tiny_chat_gguf.read_bytes()))
        assert twins.bytes == tiny_chat_gguf.stat().st_size
        assert 2 * twins.bytes <= twins.wasted_bytes <= 2 * twins.bytes + 2 * 4096 and twins.method
        assert result.unhashed == 0

        free = _allocated(user)
        merged = await asyncio.to_thread(merge, twins.paths, twins.sha256)
        assert [one.problem for one in merged] == ["", ""]
        assert sum(one.saved_bytes for one in merged) == free - _allocated(user) == twins.wasted_bytes
        again = await tools.scan(places)
        assert [one.wasted_bytes for one in again.duplicates] == [0]
        assert {path: inode_of(path) for path in (studio, linked)} == {
            path: inode_of(blob) for path in (studio, linked)
        }
        assert blob.read_bytes() == studio.read_bytes() == linked.read_bytes() == tiny_chat_gguf.read_bytes()

    use(find_and_use)


def _allocated(root: Path) -> int:
    """What `du` says."""
    seen = {}
    for path in root.rglob("*"):
        info = os.lstat(path)
        seen[info.st_ino] = info.st_blocks * 512 if path.is_file() and not path.is_symlink() else 0
    return sum(seen.values())
