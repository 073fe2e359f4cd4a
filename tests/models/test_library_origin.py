"""What the library remembers beyond the file: origin, hash, template, picture part; and what deleting gives back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from models.database import Database
from models.disk_use import disk_use
from models.errors import BadGguf, ModelExists
from models.library import LIBRARY_MIGRATION, LIBRARY_MIGRATIONS, Library, LibraryModel, Origin
from models.tiny_model import write_tiny_model
from tests.models.hub.test_names import ATTACKS
from tests.models.stores.layouts import PROJECTOR, sha256, snapshot

T = TypeVar("T")
Use = Callable[[Callable[[Library], Coroutine[Any, Any, T]]], T]
COMMIT = "c0ffee" + "0" * 34


@pytest.fixture
def use(tmp_path: Path) -> Use[Any]:
    def run(function: Callable[[Library], Coroutine[Any, Any, T]]) -> T:
        async def inside() -> T:
            database = await Database.open(tmp_path / "jackdaw.db", LIBRARY_MIGRATIONS)
            try:
                return await function(Library(database, clock=lambda: 1234.5))
            finally:
                await database.close()

        return asyncio.run(inside())

    return run


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Our models folder, as a download leaves it."""
    folder = tmp_path / "models"
    (folder / "org/repo" / COMMIT).mkdir(parents=True)
    return folder


def put(path: Path, content: Path | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return path


def importing(path: Path, origin: Origin | None = None) -> Callable[[Library], Coroutine[Any, Any, LibraryModel]]:
    return lambda library: library.import_path(path, origin=origin)


def test_the_origin_is_kept(use: Use[Any], ours: Path, tiny_chat_gguf: Path) -> None:
    path = put(ours / "org/repo" / COMMIT / "Tiny-F16.gguf", tiny_chat_gguf)
    digest = sha256(path.read_bytes())
    origin = Origin("hub", "", "org/repo", COMMIT, digest, None, "big-model", "mit")
    model = use(importing(path, origin))
    assert use(lambda library: library.get("tiny-f16")) == model
    assert (model.source, model.repo, model.commit, model.sha256) == ("hub", "org/repo", COMMIT, digest)
    assert (model.source_model, model.projector, model.licence) == ("big-model", None, "cc0-1.0")
    assert len(model.template_sha256) == 64 and not model.template_changed


def test_rows_of_the_first_schema_are_carried_over(tmp_path: Path, tiny_chat_gguf: Path, use: Use[Any]) -> None:
    async def old() -> None:
        await (await Database.open(tmp_path / "jackdaw.db", [LIBRARY_MIGRATION])).close()

    asyncio.run(old())
    with closing(sqlite3.connect(tmp_path / "jackdaw.db")) as connection:
        row = [
            1,
            "tiny",
            str(tiny_chat_gguf),
            "gguf",
            "qwen2",
            "Tiny",
            1,
            "F16",
            2,
            3,
            "chat",
            1,
            0,
            "import",
            "",
            4.0,
            "",
            1,
            5,
        ]
        connection.execute(f"INSERT INTO models VALUES ({', '.join('?' * len(row))})", row)
        connection.commit()

    model = use(lambda library: library.get("tiny"))
    assert (model.path, model.added_at, model.parts) == (tiny_chat_gguf, 4.0, 1)
    assert (model.repo, model.commit, model.sha256, model.projector, model.template_changed) == (
        "",
        "",
        "",
        None,
        False,
    )


def test_the_label_of_a_store_becomes_the_id(use: Use[Any], tmp_path: Path, tiny_chat_gguf: Path) -> None:
    path = put(tmp_path / f"sha256-{'a' * 64}", tiny_chat_gguf)
    model = use(importing(path, Origin("ollama", "hf.co/org/Tiny-GGUF:Q8_0")))
    assert (model.id, model.name, model.source) == ("hf.co-org-tiny-gguf-q8_0", "Tiny Chat", "ollama")


def test_the_same_content_elsewhere_is_told(use: Use[Any], tmp_path: Path, tiny_chat_gguf: Path) -> None:
    first, second = put(tmp_path / "a.gguf", tiny_chat_gguf), put(tmp_path / "b.gguf", tiny_chat_gguf)
    origin = Origin(sha256=sha256(first.read_bytes()))
    use(importing(first))
    use(lambda library: library.note_hash("a", origin.sha256))
    with pytest.raises(ModelExists, match="a in the library has the same content") as caught:
        use(importing(second, origin))
    assert caught.value.model_id == "a"

    first.unlink()  # now it moved
    model = use(importing(second, origin))
    assert (model.id, model.path, len(use(lambda library: library.list()))) == ("a", second, 1)


def test_a_changed_chat_template_is_remembered_until_it_is_accepted(use: Use[Any], tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "m.gguf")
    before = use(importing(path))
    write_tiny_model(path, chat_template="{{ messages[0]['content'] }}, changed")
    after = use(importing(path))
    assert (after.id, after.template_changed) == ("m", True)
    assert after.template_sha256 != before.template_sha256
    use(lambda library: library.accept_template("m"))
    assert not use(lambda library: library.get("m")).template_changed


def test_another_commit_with_another_template_is_marked_too(use: Use[Any], ours: Path) -> None:
    old = write_tiny_model(ours / "org/repo" / COMMIT / "m.gguf")
    (ours / "org/repo" / ("d" * 40)).mkdir()
    new = write_tiny_model(ours / "org/repo" / ("d" * 40) / "m.gguf", chat_template="{{ 'other' }}")
    assert not use(importing(old, Origin("hub", repo="org/repo", commit=COMMIT))).template_changed
    assert use(importing(new, Origin("hub", repo="org/repo", commit="d" * 40))).template_changed


@pytest.mark.parametrize(
    ("beside", "found"),
    [
        (["mmproj-F16.gguf"], "mmproj-F16.gguf"),
        (["mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"], "mmproj-F16.gguf"),
        (["mmproj-model-f16.gguf"], "mmproj-model-f16.gguf"),
        (["mmproj-Tiny-VL-7B-Q8_0.gguf"], "mmproj-Tiny-VL-7B-Q8_0.gguf"),
        (["Tiny-VL-7B.mmproj-f16.gguf"], None),
        (["mmproj-Other-7B-F16.gguf"], None),
        (["mmproj-Other-F16.gguf", "mmproj-Tiny-VL-F16.gguf"], "mmproj-Tiny-VL-F16.gguf"),
        (["mmproj-F16.gguf", "mmproj-Tiny-VL-F16.gguf"], "mmproj-Tiny-VL-F16.gguf"),
        (["mmproj-Tiny-F16.gguf", "mmproj-VL-F16.gguf"], None),
        (["other.gguf"], None),
    ],
)
def test_the_picture_part_beside_a_model_is_noted(
    use: Use[Any], tmp_path: Path, tiny_chat_gguf: Path, beside: list[str], found: str | None
) -> None:
    path = put(tmp_path / "repo/Tiny-VL-7B-Q4_K_M.gguf", tiny_chat_gguf)
    for name in beside:
        put(path.with_name(name), PROJECTOR)
    projector = use(importing(path)).projector
    assert (projector and projector.name) == found


def test_a_picture_part_of_another_width_or_that_is_none_is_not_taken(
    use: Use[Any], tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    path = put(tmp_path / "Tiny.gguf", tiny_chat_gguf)
    width = (256).to_bytes(4, "little")
    put(
        tmp_path / "mmproj-F16.gguf",
        PROJECTOR.replace(b"projection_dim\x04\0\0\0" + width, b"projection_dim\x04\0\0\0\1\1\0\0"),
    )
    put(tmp_path / "mmproj-Q8_0.gguf", b"GGUF nonsense")
    put(tmp_path / "mmproj-F32.gguf", tiny_chat_gguf)
    assert use(importing(path)).projector is None
    put(tmp_path / "mmproj-F16.gguf", PROJECTOR)
    assert use(lambda library: library.note_projector("tiny")).projector == tmp_path / "mmproj-F16.gguf"
    with pytest.raises(BadGguf, match="not the picture part"):
        use(importing(put(tmp_path / "B.gguf", tiny_chat_gguf), Origin(projector=tmp_path / "mmproj-F32.gguf")))


def test_deleting_says_what_the_disk_got_back(use: Use[Any], ours: Path, tiny_chat_gguf: Path) -> None:
    path = put(ours / "org/repo" / COMMIT / "m.gguf", tiny_chat_gguf)
    picture = put(path.with_name("mmproj-F16.gguf"), PROJECTOR)
    expected = (path.stat().st_blocks + picture.stat().st_blocks) * 512
    use(importing(path))
    removed = use(lambda library: library.remove("m", ours))
    assert (removed.file_deleted, removed.freed_bytes, removed.shared_with) == (True, expected, ())
    assert list(ours.iterdir()) == []


def test_deleting_one_name_of_shared_bytes_frees_nothing_and_says_who_has_them(
    use: Use[Any], ours: Path, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    path = put(ours / "org/repo" / COMMIT / "m.gguf", tiny_chat_gguf)
    theirs, stranger = tmp_path / "theirs.gguf", put(tmp_path / "stranger.gguf", b"x")
    os.link(path, theirs)
    use(importing(path))
    models = use(lambda library: library.list())
    (room,) = disk_use(models, ours, [theirs, stranger]).models
    assert (room.bytes, room.shared_with, room.file_bytes) == (0, (theirs,), path.stat().st_size)

    removed = use(lambda library: library.remove("m", ours, known=[theirs, stranger]))
    assert (removed.file_deleted, removed.freed_bytes, removed.shared_with) == (True, 0, (theirs,))
    assert theirs.read_bytes() == tiny_chat_gguf.read_bytes()


def test_a_picture_part_stays_as_long_as_a_model_uses_it(use: Use[Any], ours: Path, tiny_chat_gguf: Path) -> None:
    folder = ours / "org/repo" / COMMIT
    picture = put(folder / "mmproj-F16.gguf", PROJECTOR)
    for name in ("a", "b"):
        assert use(importing(put(folder / f"{name}.gguf", tiny_chat_gguf))).projector == picture
    use(lambda library: library.remove("a", ours))
    assert picture.exists()
    use(lambda library: library.remove("b", ours))
    assert not picture.exists()


def test_disk_use_counts_each_file_once_and_what_is_not_finished(
    use: Use[Any], ours: Path, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    path = put(ours / "org/repo" / COMMIT / "m.gguf", tiny_chat_gguf)
    os.link(path, path.with_name("n.gguf"))
    part = put(path.with_name("big.gguf.part"), b"x" * 9000)
    (ours / "link.gguf").symlink_to(put(tmp_path / "far.gguf", tiny_chat_gguf))
    far = use(importing(tmp_path / "far.gguf", Origin("ollama", "far:1b")))
    use(importing(path))

    used = disk_use(use(lambda library: library.list()), ours)

    assert (used.used_bytes, used.partial_bytes) == (
        (path.stat().st_blocks + part.stat().st_blocks) * 512,
        part.stat().st_blocks * 512,
    )
    assert used.disk_bytes == shutil.disk_usage(ours).total and 0 < used.free_bytes < used.disk_bytes
    assert [(room.id, room.store, room.bytes) for room in used.models] == [(far.id, "ollama", 0), ("m", "import", 0)]


@pytest.mark.accept(14)
def test_no_name_leads_the_library_out_of_our_folder(use: Use[Any], tmp_path: Path, tiny_chat_gguf: Path) -> None:
    """Every entry of the library: import reads, remove deletes. The names are joined as an unwary caller would."""

    async def attack(library: Library, outside: Path, name: str) -> bool:
        root = outside / "root"
        (root / "a").mkdir(parents=True)
        (root / "a/..gguf").symlink_to(outside)
        for canary in ("x.gguf", "passwd.txt", "a.gguf"):
            os.link(tiny_chat_copy, outside / canary)
        target = Path(f"{root}/{name}")
        with contextlib.suppress(OSError, ValueError):  # where such a file can be, it is there
            if Path(os.path.realpath(target)).is_relative_to(outside):
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(tiny_chat_copy, target)
        before = names_and_content(outside)
        try:
            model = await library.import_path(target, origin=Origin("hub", name, name, name))
        except (BadGguf, ModelExists):
            assert names_and_content(outside) == before
            return False
        assert model.id and not set(model.id) - set("abcdefghijklmnopqrstuvwxyz0123456789._-")
        removed = await library.remove(model.id, root)
        inside = Path(os.path.realpath(target.parent)).is_relative_to(root)
        assert removed.file_deleted == inside
        assert inside or names_and_content(outside) == before
        return True

    tiny_chat_copy = put(tmp_path / "tiny.gguf", tiny_chat_gguf)

    async def all_of_them(library: Library) -> int:
        return sum([await attack(library, tmp_path / str(at), name) for at, name in enumerate(ATTACKS)])

    assert use(all_of_them) >= 30  # so many lead to a model, and what lies outside stays


def names_and_content(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_ino, path.lstat().st_size) for path in folder.rglob("*")}


@pytest.mark.accept(14)
@pytest.mark.parametrize("link", ["", "org", "org/repo"])
def test_a_linked_folder_on_the_way_does_not_lead_to_deletion(
    use: Use[Any], tmp_path: Path, tiny_chat_gguf: Path, link: str
) -> None:
    outside, root = tmp_path / "outside", tmp_path / "models"
    below = "org/repo/m.gguf".removeprefix(f"{link}/" if link else "x")
    path = put(outside / below, tiny_chat_gguf)
    root.mkdir()
    place = root / (link or "elsewhere")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    use(importing(place / below))
    before = snapshot(outside)
    removed = use(lambda library: library.remove("m", root))
    assert (removed.file_deleted, removed.freed_bytes) == (False, 0)
    assert snapshot(outside) == before and path.exists()
