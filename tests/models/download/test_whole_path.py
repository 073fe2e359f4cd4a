"""From a search to a model that can be loaded, through the real huggingface-hub client and our transfer."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

from models.download import DownloadSpec, RemoteFile, fetch
from models.gguf import read_header
from models.hub.client import Hub
from models.hub.types import HubQuery
from models.network import Network
from models.progress import Cancel
from tests.models.download.rig import QUICK, TOKEN, Rig


def test_a_model_is_found_chosen_fetched_and_readable(rig: Rig, tiny_chat_gguf: Path) -> None:
    card = "---\nlicense: mit\n---\n# Tiny"
    rig.hub.add_repo("alice/tiny-GGUF", {"tiny-F16.gguf": tiny_chat_gguf}, card=card, licence="mit", likes=3)
    network = Network(lambda: rig.rules)
    token: Callable[[], str | None] = lambda: TOKEN  # noqa: E731

    async def find_and_fetch() -> tuple[Path, ...]:
        with contextlib.closing(Hub(network, token)) as hub:
            (found,) = (await hub.search(HubQuery(words="tiny"))).models
            repo = await hub.repo(found.repo)
        files = tuple(RemoteFile(**dataclasses.asdict(file)) for file in repo.variants[0].all_files)
        spec = DownloadSpec(repo.repo, repo.commit, files, rig.folder)
        return await fetch(spec, network, token, rig.said.append, Cancel(), limits=QUICK)

    (path,) = asyncio.run(find_and_fetch())
    assert path.read_bytes() == tiny_chat_gguf.read_bytes()
    assert read_header(path).name == "Tiny Chat"
    assert not any("authorization" in seen.headers for seen in rig.hub.seen("cdn"))
