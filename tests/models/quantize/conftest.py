"""The real tools on models small enough to be quantized in a tenth of a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.progress import Progress


class Told(list[Progress]):
    """What was reported, and the texts of it."""

    def __call__(self, progress: Progress) -> None:
        self.append(progress)

    @property
    def messages(self) -> list[str]:
        return [progress.message for progress in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def source(tmp_path: Path, tiny_chat_gguf: Path) -> Path:
    """A model in F16, in a folder of its own."""
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "Tiny-Chat-F16.gguf"
    path.symlink_to(tiny_chat_gguf)  # as the Hugging Face cache has it
    return path
