"""What readers can reach: nothing outside the folder that was added, whatever happens to paths meanwhile."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from rag.errors import ParseFailed
from rag.reading.seat import program_folders
from rag.reading.source import read_source
from rag.reading.types import DEFAULT_LIMITS

SECRET = b"nobody added this"


@pytest.fixture
def swapping(tmp_path: Path) -> Path:
    """A root whose folder `sub` is a folder at one moment and a link to `outside` at the next."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "kept").mkdir(parents=True)
    outside.mkdir()
    (root / "kept" / "a.txt").write_bytes(b"added")
    (outside / "a.txt").write_bytes(SECRET)
    (root / "sub").symlink_to("kept")
    return root


def test_a_folder_that_becomes_a_link_while_it_is_read_leads_nowhere(swapping: Path) -> None:
    ended = threading.Event()

    def swap() -> None:
        targets = ("kept", "../outside")
        turn = 0
        while not ended.is_set():
            (swapping / "next").symlink_to(targets[turn % 2])
            (swapping / "next").rename(swapping / "sub")
            turn += 1

    swapper = threading.Thread(target=swap)
    swapper.start()
    read = []
    try:
        for _ in range(3000):
            with contextlib.suppress(ParseFailed):
                read.append(read_source(swapping / "sub" / "a.txt", swapping, DEFAULT_LIMITS).data)
    finally:
        ended.set()
        swapper.join()

    assert read
    assert SECRET not in read


def test_a_file_that_became_a_link_out_of_the_root_is_told(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "root" / "a.txt").symlink_to(tmp_path / "secret.txt")

    with pytest.raises(ParseFailed) as caught:
        read_source(tmp_path / "root" / "a.txt", tmp_path / "root", DEFAULT_LIMITS)

    assert caught.value.reason == "link_outside"


@pytest.mark.parametrize("bin_folder", ["home/bin", "home/.local/bin", "opt/tesseract/bin", "home"])
def test_a_program_in_the_users_own_folder_opens_none_of_it(tmp_path: Path, bin_folder: str) -> None:
    program = tmp_path / bin_folder / "tesseract"
    program.parent.mkdir(parents=True)
    program.write_text("")
    private = [tmp_path / "home/.ssh/id_rsa", tmp_path / "home/.local/share/jackdaw/jackdaw.db"]

    allowed = program_folders(program)

    assert program.resolve() in allowed
    assert not [path for path in private for folder in allowed if path.is_relative_to(folder)]


def test_a_linked_program_brings_what_it_was_installed_with(tmp_path: Path) -> None:
    (tmp_path / "cellar/bin").mkdir(parents=True)
    (tmp_path / "cellar/bin/tesseract").write_text("")
    os.symlink(tmp_path / "cellar/bin/tesseract", tmp_path / "tesseract")

    assert tmp_path / "cellar/share/tessdata" in program_folders(tmp_path / "tesseract")
