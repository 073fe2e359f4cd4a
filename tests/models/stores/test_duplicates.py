"""Equal files are found by what is in them, and each is hashed once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.stores.duplicates import file_system_of, find_duplicates, stored_files
from models.stores.hashes import FileChanged, FileHashes, hash_file
from models.stores.places import StorePlaces
from models.stores.types import FoundModel, ScanResult
from models.tiny_model import write_tiny_model
from tests.models.stores.conftest import Tools, Use
from tests.models.stores.layouts import lm_studio, sha256

Scan = Callable[[StorePlaces], ScanResult]


def found(*paths: Path) -> list[FoundModel]:
    return [FoundModel(path, path.name, "folder", path.name, 1, files=(path,)) for path in paths]


def test_equal_size_is_not_equal_content(use: Use, tmp_path: Path) -> None:
    one, other, third = (tmp_path / name for name in "abc")
    content = bytearray(os.urandom(1 << 20))
    one.write_bytes(content)
    third.write_bytes(content)
    content[300_000] ^= 1  # in none of the pieces that are compared first
    other.write_bytes(content)

    duplicates, unhashed = use(lambda tools: find_duplicates(stored_files(found(one, other, third)), tools.hashes))

    assert [(twins.paths, twins.sha256) for twins in duplicates] == [((one, third), sha256(one.read_bytes()))]
    assert unhashed == 0


def test_hard_links_are_one_file_and_waste_nothing(use: Use, tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"x" * 10_000)
    os.link(one, other)
    (twins,), _ = use(lambda tools: find_duplicates(stored_files(found(one, other)), tools.hashes))
    assert (twins.wasted_bytes, twins.method, twins.problem) == (0, "", "They are one file already.")


def test_a_file_is_hashed_again_only_when_it_changed(use: Use, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"first")
    read: list[int] = []

    def ask() -> str:
        return use(lambda tools: tools.hashes.sha256(path, read.append))

    assert [ask(), ask()] == [sha256(b"first")] * 2
    assert read == [5]
    path.rename(path.with_name("moved"))
    path = path.with_name("moved")
    assert (ask(), read) == (sha256(b"first"), [5])
    path.write_bytes(b"second")
    assert (ask(), read) == (sha256(b"second"), [5, 6])


def test_a_file_that_grows_while_it_is_read_has_no_hash(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)

    def grow(_: int) -> None:
        with path.open("ab") as file:
            file.write(b"y")

    with pytest.raises(FileChanged):
        hash_file(path, grow)


def test_what_cannot_be_compared_is_counted(use: Use, tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    for path in (one, other):
        path.write_bytes(b"x" * 100)
    files = stored_files(found(one, other))
    one.unlink()
    assert use(lambda tools: find_duplicates(files, tools.hashes)) == ((), 1)


def test_twins_in_a_store_are_found_without_hashes_in_their_names(
    scanned: Scan, use: Use, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    models = tmp_path / "lm"
    first = lm_studio(models, "a/x/one.gguf", tiny_chat_gguf)
    second = lm_studio(models, "b/y/two.gguf", tiny_chat_gguf)
    lm_studio(models, "c/z/three.gguf", write_tiny_model(tmp_path / "m.gguf", name="Tiny Chaz"))

    result = scanned(StorePlaces(lm_studio=(models,)))

    (twins,) = result.duplicates
    assert (twins.paths, twins.stores, twins.method != "") == ((first, second), ("lm-studio", "lm-studio"), True)
    hashes = {model.path.name: model.sha256 for model in result.models}
    assert hashes == {"one.gguf": twins.sha256, "two.gguf": twins.sha256, "three.gguf": ""}

    async def known(tools: Tools) -> str | None:
        return await FileHashes.known(tools.hashes, first)

    assert use(known) == twins.sha256


def test_the_file_system_is_that_of_the_longest_mount_point() -> None:
    mounts = {"/": "ext4", "/mnt/disk": "btrfs", "/mnt": "tmpfs"}
    assert [file_system_of(Path(path), mounts) for path in ("/nowhere/x", "/mnt/disk/a", "/mnt/disks/a")] == [
        "ext4",
        "btrfs",
        "tmpfs",
    ]
    assert file_system_of(Path("/nowhere/x"), {}) == ""
