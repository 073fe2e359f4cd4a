from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.network import NetworkRules
from tests.fake_hub import FakeHub
from tests.models.download.rig import FILES, REPO, TOKEN, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with FakeHub() as hub:
        hub.tokens[TOKEN] = "alice"
        hub.add_repo(REPO, FILES)
        folder = tmp_path / "models"
        folder.mkdir()
        yield Rig(hub, folder, NetworkRules(endpoint=hub.endpoint))
