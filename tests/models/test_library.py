"""The library: files stay where they are, ids are stable, nothing of the user's is deleted."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from models.database import Database
from models.errors import BadGguf, Cancelled, ModelExists, ModelNotFound, ModelsError
from models.gguf import read_header
from models.library import LIBRARY_MIGRATIONS, Library, LibraryModel, model_id_of
from models.progress import Cancel, Progress
from models.split_gguf import read_model
from models.tiny_model import write_tiny_model
from tests.models import gguf_bytes as make

T = TypeVar("T")


class Use(Protocol):
    """Opens the library, awaits the function, closes; state stays between calls."""

    def __call__(self, function: Callable[[Library], Coroutine[Any, Any, T]], /) -> T: ...


def importing(path: Path) -> Callable[[Library], Coroutine[Any, Any, LibraryModel]]:
    return lambda library: library.import_path(path)


def getting(model_id: str) -> Callable[[Library], Coroutine[Any, Any, LibraryModel]]:
    return lambda library: library.get(model_id)


@pytest.fixture
def use(tmp_path: Path) -> Use:
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
def gguf(tmp_path: Path, tiny_chat_gguf: Path) -> Callable[[str], Path]:
    """Returns `gguf(name)`: a copy of the tiny chat model below a folder of the user's."""

    def copy(name: str) -> Path:
        path = tmp_path / "downloads" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tiny_chat_gguf, path)
        return path

    return copy


def test_an_imported_file_stays_where_it_is_and_is_described(use: Use, gguf: Callable[[str], Path]) -> None:
    path = gguf("Tiny Chat-F16.gguf")

    model = use(importing(path))

    assert use(lambda library: library.list()) == [model]
    assert use(lambda library: library.get("tiny-chat-f16")) == model
    assert (model.id, model.path, model.format, model.arch) == ("tiny-chat-f16", path, "gguf", "qwen2")
    assert (model.name, model.quant, model.kind, model.source) == ("Tiny Chat", "F16", "chat", "import")
    assert (model.bytes, model.context_length, model.licence) == (path.stat().st_size, 4096, "cc0-1.0")
    assert (model.has_chat_template, model.supports_infill, model.suspect) == (True, False, "")
    assert (model.params, model.added_at) == (read_header(path).parameter_count, 1234.5)


@pytest.mark.parametrize(
    ("stem", "model_id"),
    [
        ("Qwen3-8B-Q4_K_M", "qwen3-8b-q4_k_m"),
        ("mine@notes", "mine-notes"),
        ("Ünï côde 模型", "n-c-de"),
        ("../../etc/passwd", "etc-passwd"),
        ("--rpc evil", "rpc-evil"),
        ("模型", "model"),
        (".", "model"),
        ("x" * 300, "x" * 96),
        ("a\nb", "a-b"),
    ],
)
def test_ids_are_plain(stem: str, model_id: str) -> None:
    assert model_id_of(stem) == model_id


def test_the_same_name_elsewhere_gets_a_number(use: Use, gguf: Callable[[str], Path]) -> None:
    ids = [use(importing(gguf(f"{n}/Model.gguf"))).id for n in range(3)]
    assert ids == ["model", "model-2", "model-3"]


def test_the_same_file_again_is_told_with_its_id(use: Use, gguf: Callable[[str], Path], tmp_path: Path) -> None:
    path = gguf("model.gguf")
    link, hard = tmp_path / "link.gguf", tmp_path / "hard.gguf"
    link.symlink_to(path)
    os.link(path, hard)
    use(importing(path))

    for again in (path, link, hard, path.parent / ".." / path.parent.name / path.name):
        with pytest.raises(ModelExists) as caught:
            use(importing(again))
        assert caught.value.model_id == "model"
    assert len(use(lambda library: library.list())) == 1


def test_two_imports_of_one_file_at_once_make_one_model(use: Use, gguf: Callable[[str], Path]) -> None:
    path = gguf("model.gguf")

    async def both(library: Library) -> list[object]:
        return await asyncio.gather(*(library.import_path(path) for _ in range(8)), return_exceptions=True)

    results = use(both)
    assert sum(isinstance(result, ModelExists) for result in results) == 7
    assert [model.id for model in use(lambda library: library.list())] == ["model"]


def test_a_replaced_file_is_taken_anew_under_its_id_and_no_longer_suspect(
    use: Use, gguf: Callable[[str], Path], tiny_embedding_gguf: Path
) -> None:
    path = gguf("model.gguf")
    use(importing(path))
    use(lambda library: library.mark_suspect("model", "It crashed the engine."))
    assert use(lambda library: library.get("model")).suspect == "It crashed the engine."
    shutil.copyfile(tiny_embedding_gguf, path)

    model = use(importing(path))

    assert (model.id, model.kind, model.suspect) == ("model", "embedding", "")
    assert use(lambda library: library.list()) == [model]


def test_a_link_keeps_its_own_name(use: Use, gguf: Callable[[str], Path], tmp_path: Path) -> None:
    """As in the Hugging Face cache, where the files themselves are named by their hash."""
    link = tmp_path / "snapshots" / "nice-name.gguf"
    link.parent.mkdir()
    link.symlink_to(gguf("blobs/0123456789abcdef"))
    model = use(importing(link))
    assert (model.id, model.path) == ("nice-name", link)


def test_an_unknown_model_is_answered_with_near_ones(use: Use, gguf: Callable[[str], Path]) -> None:
    with pytest.raises(ModelNotFound) as caught:
        use(lambda library: library.get("anything"))
    assert "jackdaw models import" in caught.value.hint
    for name in ("qwen3-8b-q4_k_m.gguf", "gemma-3-4b.gguf"):
        use(importing(gguf(name)))
    hints = {}
    for wanted in ("qwen3-8b", "qwen3-8b-q4km", "Gemma-3-4B", "zzz"):
        with pytest.raises(ModelNotFound) as caught:
            use(getting(wanted))
        hints[wanted] = caught.value.hint
    assert hints == {
        "qwen3-8b": "Did you mean qwen3-8b-q4_k_m?",
        "qwen3-8b-q4km": "Did you mean qwen3-8b-q4_k_m?",
        "Gemma-3-4B": "Did you mean gemma-3-4b?",
        "zzz": "`jackdaw models list` shows all.",
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"nothing of the kind", "not a GGUF file"),
        (make.gguf([make.ARCHITECTURE]), "no weights"),
        (make.gguf([], [make.tensor("t", [32])], data_bytes=128), "which architecture"),
        (make.gguf([make.ARCHITECTURE, make.string("general.type", "adapter")]), "LoRA adapter"),
        (make.gguf([make.string("general.architecture", "clip")]), "picture part"),
        (make.gguf([make.ARCHITECTURE, make.string("general.type", "imatrix")]), "importance matrix"),
    ],
)
def test_what_no_engine_may_see_does_not_come_in(use: Use, tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "file.gguf"
    path.write_bytes(content)
    with pytest.raises(BadGguf, match=reason):
        use(importing(path))
    assert use(lambda library: library.list()) == []


def test_a_name_that_is_no_text_is_refused(use: Use, gguf: Callable[[str], Path]) -> None:
    path = gguf("a.gguf")
    strange = Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff.gguf"))
    path.rename(strange)
    with pytest.raises(BadGguf, match="no valid text"):
        use(importing(strange))


def test_removing_leaves_the_users_own_file_alone(use: Use, gguf: Callable[[str], Path], tmp_path: Path) -> None:
    path = gguf("model.gguf")
    use(importing(path))

    removed = use(lambda library: library.remove("model", tmp_path / "models"))

    assert (removed.id, removed.path, removed.file_deleted) == ("model", path, False)
    assert path.exists()
    assert use(lambda library: library.list()) == []


def test_removing_deletes_what_lies_in_our_folder_and_the_empty_folders(
    use: Use, gguf: Callable[[str], Path], tmp_path: Path
) -> None:
    ours = tmp_path / "models"
    path, neighbour = ours / "org" / "repo" / "model.gguf", ours / "org" / "keep.txt"
    path.parent.mkdir(parents=True)
    neighbour.touch()
    gguf("model.gguf").rename(path)
    use(importing(path))

    assert use(lambda library: library.remove("model", ours)).file_deleted
    assert sorted(ours.rglob("*")) == [ours / "org", neighbour]


def test_a_folder_link_out_of_our_folder_does_not_lead_to_deletion(
    use: Use, gguf: Callable[[str], Path], tmp_path: Path
) -> None:
    path, ours = gguf("model.gguf"), tmp_path / "models"
    ours.mkdir()
    (ours / "out").symlink_to(path.parent)
    use(importing(ours / "out" / "model.gguf"))

    assert not use(lambda library: library.remove("model", ours)).file_deleted
    assert path.exists()


def test_a_link_in_our_folder_is_deleted_and_its_target_is_not(
    use: Use, gguf: Callable[[str], Path], tmp_path: Path
) -> None:
    path, link = gguf("model.gguf"), tmp_path / "models" / "model.gguf"
    link.parent.mkdir()
    link.symlink_to(path)
    use(importing(link))

    assert use(lambda library: library.remove("model", link.parent)).file_deleted
    assert path.exists() and not link.is_symlink()


def test_a_model_whose_file_cannot_be_deleted_stays(use: Use, gguf: Callable[[str], Path], tmp_path: Path) -> None:
    ours = tmp_path / "models"
    path = ours / "model.gguf"
    ours.mkdir()
    gguf("model.gguf").rename(path)
    use(importing(path))
    path.unlink()
    path.mkdir()  # unlink fails for a folder, for every user
    with pytest.raises(ModelsError, match="cannot be deleted"):
        use(lambda library: library.remove("model", ours))
    assert [model.id for model in use(lambda library: library.list())] == ["model"]


def test_removing_or_marking_an_unknown_model_says_so(use: Use, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        use(lambda library: library.remove("x", tmp_path))
    with pytest.raises(ModelNotFound):
        use(lambda library: library.mark_suspect("x", "y"))


@pytest.fixture
def split(engine_bin: Path, tmp_path: Path, tiny_chat_gguf: Path) -> list[Path]:
    """The tiny chat model in parts, made by llama.cpp's own tool."""
    folder = tmp_path / "split"
    folder.mkdir()
    argv = [str(engine_bin / "llama-gguf-split"), "--split", "--split-max-tensors", "10"]
    subprocess.run([*argv, str(tiny_chat_gguf), str(folder / "Tiny")], check=True, capture_output=True, timeout=60)
    parts = sorted(folder.iterdir())
    assert len(parts) == 3
    return parts


def test_any_part_of_a_split_model_stands_for_the_whole(use: Use, split: list[Path], tiny_chat_gguf: Path) -> None:
    seen: list[Progress] = []
    model = use(lambda library: library.import_path(split[1], seen.append))

    assert (model.id, model.path, model.parts) == ("tiny", split[0], 3)
    assert model.bytes == sum(part.stat().st_size for part in split)
    assert model.params == read_header(tiny_chat_gguf).parameter_count
    assert read_model(split[2]).weights_bytes == read_header(tiny_chat_gguf).weights_bytes
    assert [(progress.done, progress.total) for progress in seen] == [(1, 3), (2, 3), (3, 3)]
    for part in split:
        with pytest.raises(ModelExists):
            use(importing(part))


def test_all_parts_of_a_split_model_must_be_there_and_fit(use: Use, split: list[Path]) -> None:
    third = split[2].read_bytes()
    split[2].unlink()
    with pytest.raises(BadGguf, match=r"Tiny-00003-of-00003\.gguf is missing"):
        use(importing(split[0]))
    shutil.copyfile(split[1], split[2])
    with pytest.raises(BadGguf, match="is not part 3 of 3"):
        use(importing(split[0]))
    split[2].write_bytes(third[:-1])
    with pytest.raises(BadGguf, match="truncated"):
        use(importing(split[0]))
    renamed = split[0].rename(split[0].with_name("renamed.gguf"))
    with pytest.raises(BadGguf, match="does not say which"):
        use(importing(renamed))


def test_an_import_can_be_cancelled_between_parts(use: Use, split: list[Path]) -> None:
    cancel = Cancel()
    with pytest.raises(Cancelled):
        use(lambda library: library.import_path(split[0], lambda _: cancel.set(), cancel))
    assert use(lambda library: library.list()) == []


def test_removing_a_split_model_deletes_its_parts_and_only_those(use: Use, split: list[Path]) -> None:
    folder = split[0].parent
    stranger = folder / "Other-00002-of-00003.gguf"
    stranger.touch()
    use(importing(split[0]))
    assert use(lambda library: library.remove("tiny", folder)).file_deleted
    assert list(folder.iterdir()) == [stranger]


def test_a_whole_model_named_like_a_part_takes_no_sibling_with_it(use: Use, tmp_path: Path) -> None:
    whole = write_tiny_model(tmp_path / "x-00001-of-00002.gguf")
    sibling = tmp_path / "x-00002-of-00002.gguf"
    sibling.touch()
    use(importing(whole))
    assert use(lambda library: library.remove("x", tmp_path)).file_deleted
    assert sibling.exists() and not whole.exists()
