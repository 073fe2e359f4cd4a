"""The index of files over the control API: a real service, the real embedder, the real vector index."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.client import AskDelta, AskSources, Client, ClientError, FilesEnd
from desktop.paths import Paths
from desktop.wire import ChatPatch, Event, NewChat
from desktop.wire_files import (
    AddRoots,
    AskFiles,
    CollectionPatch,
    NewCheck,
    NewCollection,
    OpenRequest,
    PlanRequest,
    RemoveRequest,
    SearchRequest,
    WhyRequest,
)
from rag.answer.prompt import NOT_IN_FILES
from tests.service.files_rig import ended, indexed
from tests.service.running import RunningService, eventually_async, running

LIGHTHOUSE = """# Lighthouses

## The keeper of Vardo

The lighthouse on Vardo was kept by Amalie Brekke for thirty-one years.
She wrote down the weather every evening, and fed the gulls.

## Lamps

A lamp of the first order has a focal length of 920 millimetres.
"""
CODE = '''"""A cache that forgets."""


class ForgetfulCache:
    """Keeps values for a while."""

    def evict_expired(self, now: float) -> int:
        """Remove what is older than its time to live; how many that was."""
        expired = [key for key, born in self.births.items() if now - born > self.ttl_s]
        for key in expired:
            del self.values[key]
        return len(expired)
'''
BREAD = "Sourdough rises overnight. Fold the dough four times before shaping the loaf.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("notes")
    (root / "sea").mkdir()
    (root / "sea" / "lighthouses.md").write_text(LIGHTHOUSE)
    (root / "forgetful_cache.py").write_text(CODE)
    (root / "bread.txt").write_text(BREAD)
    (root / ".env").write_text("PASSWORD=correct horse battery staple\n")
    (root / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return root


@pytest.fixture(scope="module")
def service(module_home: Paths, engine_environ: dict[str, str], folder: Path) -> Iterator[RunningService]:
    """With the folder indexed as the collection "notes"."""
    with running(module_home, environ=engine_environ) as started:

        async def prepare(client: Client) -> None:
            await indexed(client, AddRoots(collection="notes", paths=[str(folder)]))
            await client.search_files(SearchRequest(query="warm"))  # children that a test starts would count as left

        started.use(prepare)
        yield started


def test_a_collection_tells_what_it_has_and_what_was_left_out(service: RunningService, folder: Path) -> None:
    async def run(client: Client) -> None:
        (notes,) = [one for one in await client.collections() if one.name == "notes"]
        assert (notes.files, notes.failed, notes.state) == (3, 0, "ready")
        assert [root.path for root in notes.roots] == [str(folder)]
        assert notes.chunks > 0
        assert notes.index_bytes > 0
        assert notes.embedder_name == "all-MiniLM-L6-v2"
        page = await client.files_list("notes")
        by_path = {file.path: file for file in page.files}
        assert by_path["sea/lighthouses.md"].state == "indexed"
        assert by_path["sea/lighthouses.md"].file == str(folder / "sea" / "lighthouses.md")
        assert (by_path["logo.png"].state, by_path["logo.png"].reason) == ("skipped", "binary")
        assert by_path[".env"].reason in ("secret", "ignored")
        assert all(file.message.endswith(".") for file in page.files if file.reason)
        (only,) = (await client.files_list("notes", q="bread")).files
        assert only.path == "bread.txt"
        with pytest.raises(ClientError, match="no state"):
            await client.files_list("notes", "read")

    service.use(run)


def test_a_plan_counts_without_reading(service: RunningService, folder: Path) -> None:
    plan = service.use(lambda client: client.plan_files(PlanRequest(paths=[str(folder)])))
    assert plan.files == 3
    assert plan.reasons["binary"] == 1
    assert plan.complete


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("who kept the lighthouse of Vardo?", "sea/lighthouses.md"),
        ("evict_expired", "forgetful_cache.py"),
        ("how is a loaf made", "bread.txt"),
    ],
)
def test_a_search_finds_the_passage_with_its_place(
    service: RunningService, folder: Path, query: str, path: str
) -> None:
    answer = service.use(lambda client: client.search_files(SearchRequest(collection="notes", query=query, k=3)))
    best = answer.results[0]
    assert best.path == path
    assert best.file == str(folder / path)
    text = (folder / path).read_text()
    assert text[best.start_char : best.end_char] == best.text
    lines = text.splitlines()[best.start_line - 1 : best.end_line]
    assert best.text.strip().splitlines()[0] in lines[0]
    assert 0 <= best.score <= 1
    assert answer.complete


def test_a_search_without_a_collection_asks_all_and_an_unknown_one_is_told(service: RunningService) -> None:
    async def run(client: Client) -> None:
        everywhere = await client.search_files(SearchRequest(query="sourdough"))
        assert everywhere.results[0].collection == "notes"
        with pytest.raises(ClientError, match="nowhere") as caught:
            await client.search_files(SearchRequest(collection="nowhere", query="sourdough"))
        assert (caught.value.status, caught.value.kind) == (404, "collection_not_found")

    service.use(run)


def test_the_evidence_of_a_search_is_kept_and_can_be_a_check(service: RunningService) -> None:
    async def run(client: Client) -> None:
        request = WhyRequest(collection="notes", query="focal length of a lamp", save_as_check="lamps")
        why = await client.why_files(request)
        assert {stage.name for stage in why.stages} >= {"analyse", "lexical", "dense", "fuse"}
        assert why.candidates[0].path == "sea/lighthouses.md"
        assert why.candidates[0].lexical_rank is not None
        assert why.embedder
        assert await client.why(why.id) == why
        (check,) = [check for check in await client.checks() if check.name == "lamps"]
        assert check.passed
        await client.remove_check(check.id)
        with pytest.raises(ClientError, match="no record"):
            await client.why("0" * 16)

    service.use(run)


def test_a_preview_shows_the_passage_in_its_file(service: RunningService, folder: Path) -> None:
    async def run(client: Client) -> None:
        hit = (await client.search_files(SearchRequest(collection="notes", query="evict_expired"))).results[0]
        preview = await client.preview(hit.file, hit.chunk_ids[0])
        assert "def evict_expired" in preview.text[preview.start : preview.end]
        assert preview.language == "python"
        assert not preview.stale
        with pytest.raises(ClientError) as caught:
            await client.preview(str(folder / ".env"))
        assert caught.value.kind == "file_not_indexed"
        with pytest.raises(ClientError) as caught:
            await client.preview("/etc/passwd")
        assert caught.value.kind == "file_not_indexed"

    service.use(run)


def test_a_result_opens_in_the_editor_of_the_settings_without_a_shell(
    service: RunningService, folder: Path, tmp_path: Path
) -> None:
    noted = tmp_path / "noted"
    editor = tmp_path / "my editor"
    editor.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{noted}.new"\nmv "{noted}.new" "{noted}"\n')
    editor.chmod(0o700)

    async def run(client: Client) -> None:
        await client.patch_settings({"editor": f"'{editor}' --at {{line}} '{{file}};$(id)'"})
        file = str(folder / "bread.txt")
        opened = await client.open_file(OpenRequest(file=file, line=1))
        assert opened.command == [str(editor), "--at", "1", f"{file};$(id)"]
        with pytest.raises(ClientError) as caught:
            await client.open_file(OpenRequest(file="/etc/passwd"))
        assert caught.value.kind == "file_not_indexed"
        await client.patch_settings({"editor": f"{tmp_path}/nothing {{file}}"})
        with pytest.raises(ClientError) as caught:
            await client.open_file(OpenRequest(file=file))
        assert caught.value.kind == "editor_missing"

        async def was_called() -> bool:
            return noted.exists()

        await eventually_async(was_called)
        assert noted.read_text() == f"--at\n1\n{file};$(id)\n"

    service.use(run)


def test_a_saved_file_is_found_within_seconds_and_checks_run_again(service: RunningService, tmp_path: Path) -> None:
    garden = tmp_path / "garden"
    garden.mkdir()
    (garden / "plants.md").write_text("Tomatoes want sun and a stake.\n")
    (garden / "stakes.md").write_text("A stake of hazel lasts for three summers.\n")

    async def run(client: Client) -> None:
        collection = await indexed(client, AddRoots(collection="garden", paths=[str(garden)]))
        query = SearchRequest(collection="garden", query="tomatoes stake")
        await client.new_check(NewCheck(collection="garden", query="hazel", name="stakes", expected=["stakes.md"]))
        failed = asyncio.create_task(_until(client, lambda event: event.data.get("action") == "check_failed"))
        await asyncio.sleep(0)
        await _watched(client, collection.id)

        replacement = garden / "plants.md.new"
        replacement.write_text("Pumpkins want manure.\n")
        replacement.replace(garden / "plants.md")
        (garden / "stakes.md").unlink()

        async def changed() -> bool:
            found = (await client.search_files(query)).results
            return bool(found) and "Pumpkins" in found[0].text

        await eventually_async(changed, 15)
        assert not any("Tomatoes" in hit.text for hit in (await client.search_files(query)).results)
        event = await failed
        assert event.data["check"]["name"] == "stakes"
        assert (await client.collection(collection.id)).failing_checks == 1
        (check,) = [one for one in await client.checks() if one.name == "stakes"]
        await client.remove_check(check.id)
        assert (await client.collection(collection.id)).failing_checks == 0
        await client.remove_collection(collection.id)

    service.use(run)


async def _until(client: Client, wanted: object) -> Event:
    assert callable(wanted)
    async with asyncio.timeout(30):
        async for event in client.events():
            if event.type == "files" and wanted(event):
                return event
    raise AssertionError("the stream of events ended")


async def _watched(client: Client, collection_id: int) -> None:
    async def is_watched() -> bool:
        return all(root.watching for root in (await client.collection(collection_id)).roots)

    await eventually_async(is_watched, 15)


def test_removed_paths_are_gone_for_good_and_the_files_stay(service: RunningService, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    secret = "The treasure of Queen Ulrikke lies beneath the third apple tree."
    (shelf / "map.txt").write_text(secret + "\n")
    (shelf / "other.txt").write_text("Nothing of interest stands here.\n")

    async def run(client: Client) -> None:
        collection = await indexed(client, AddRoots(collection="shelf", paths=[str(shelf)]))
        asked = SearchRequest(collection="shelf", query="treasure of Queen Ulrikke")
        assert secret in (await client.search_files(asked)).results[0].text
        why = await client.why_files(WhyRequest(collection="shelf", query="treasure of Queen Ulrikke"))

        receipt = await client.remove_files(RemoveRequest(collection="shelf", paths=[str(shelf / "map.txt")]))

        assert receipt.proven
        assert (receipt.files, receipt.found_by_search, receipt.found_in_bytes) == (1, 0, 0)
        assert receipt.probes > 0
        assert receipt.id in [one.id for one in await client.receipts()]
        assert not any(secret in hit.text for hit in (await client.search_files(asked)).results)
        with pytest.raises(ClientError, match="no record"):
            await client.why(why.id)
        # It stays away, though it lies in a folder that is indexed.
        job = await ended(client, (await client.reindex(collection.id)).id)
        assert job.state == "done"
        assert not any(secret in hit.text for hit in (await client.search_files(asked)).results)
        assert (shelf / "map.txt").read_text() == secret + "\n"

        whole = await client.remove_collection(collection.id)
        assert whole.proven
        assert "shelf" not in [one.name for one in await client.collections()]

    service.use(run)
    assert secret.encode() not in _bytes_of_databases(service.paths)


def _bytes_of_databases(paths: Paths) -> bytes:
    files = [path for path in paths.data.rglob("*") if path.is_file() and "logs" not in path.parts]
    return b"".join(path.read_bytes() for path in files)


def test_a_collection_is_renamed_flagged_and_paused(service: RunningService, folder: Path) -> None:
    async def run(client: Client) -> None:
        made = await client.new_collection(NewCollection(name="mine"))
        assert made.state == "empty"
        chat = await client.new_chat(NewChat(collections=["mine"]))
        patch = CollectionPatch(name="ours", local_only=True, paused=True)
        changed = await client.change_collection(made.id, patch)
        assert (changed.name, changed.local_only, changed.state) == ("ours", True, "paused")
        assert (await client.chat(chat.id)).collections == ["ours"]
        with pytest.raises(ClientError) as caught:
            await client.change_collection(made.id, CollectionPatch(name="notes"))
        assert caught.value.kind == "collection_exists"
        with pytest.raises(ClientError) as caught:
            await client.change_collection(made.id, CollectionPatch(embedder="package:nobody"))
        assert caught.value.kind == "embedder_missing"
        assert (await client.collection(made.id)).embedder == made.embedder
        await client.remove_collection(made.id)
        assert (await client.chat(chat.id)).collections == []

    service.use(run)


@pytest.mark.parametrize("path", ["/", "/proc", "/sys/kernel", "/no/such/folder", "relative", "/dev/null"])
def test_what_cannot_be_a_root_is_refused(service: RunningService, path: str) -> None:
    async def run(client: Client) -> None:
        target, body = "/jackdaw/v1/files/roots", {"collection": "bad", "paths": [path]}
        with pytest.raises(ClientError) as caught:
            await client._json("POST", target, body)
        assert caught.value.kind in ("bad_collection", "root_not_found", "bad_path")
        assert "bad" not in [one.name for one in await client.collections()]

    service.use(run)


def test_our_own_data_folder_is_no_root(service: RunningService) -> None:
    async def run(client: Client) -> None:
        with pytest.raises(ClientError, match="own"):
            await client.add_roots(AddRoots(collection="bad", paths=[str(service.paths.logs)]))

    service.use(run)


def test_without_a_model_the_best_passages_are_the_answer(service: RunningService) -> None:
    async def run(client: Client) -> None:
        request = AskFiles(collection="notes", question="Who kept the lighthouse of Vardo?", model="none")
        answer = await client.ask_files(request)
        assert answer.found
        assert answer.passages_only
        assert "Amalie Brekke" in answer.answer
        assert answer.sources[0].path == "sea/lighthouses.md"
        assert answer.sources[0].cited
        events = [event async for event in client.follow_files(request)]
        assert isinstance(events[0], AskSources)
        end = events[-1]
        assert isinstance(end, FilesEnd)
        assert "".join(event.content for event in events if isinstance(event, AskDelta)) == end.answer.answer
        assert (await client.why(end.answer.why_id)).question == request.question

    service.use(run)


def test_what_is_in_no_file_is_said_to_be_in_none(service: RunningService) -> None:
    async def run(client: Client) -> None:
        request = AskFiles(collection="notes", question="zyxgorf quantum blockchain tariffs of Bolivia?", model="none")
        answer = await client.ask_files(request)
        assert answer.answer == NOT_IN_FILES
        assert not answer.found
        assert answer.sources == []

    service.use(run)


def test_the_index_tells_of_itself_and_its_embedders(service: RunningService) -> None:
    async def run(client: Client) -> None:
        status = await client.files_status()
        assert status.files >= 3
        assert status.vectors >= status.chunks > 0 or status.vectors > 0
        assert status.database_bytes > 0
        (usual,) = [one for one in await client.embedders() if one.is_default]
        assert usual.kind == "package"
        with pytest.raises(ClientError) as caught:
            await client.remove_embedder(usual.id)
        assert caught.value.kind == "embedder_in_use"
        assert isinstance(await client.rerankers(), list)

    service.use(run)


def test_no_heavy_library_is_in_the_service(service: RunningService) -> None:
    """Parsing, embedding and Chroma live in children: their libraries must not be mapped here."""
    maps = Path(f"/proc/{service.process.pid}/maps").read_text()
    for name in ("libtorch", "openvino", "chromadb_rust", "pypdfium2_raw", "tree_sitter_language_pack"):
        assert name not in maps, name
    assert os.getpid() != service.process.pid


def test_a_deleted_chat_forgets_its_collections_name(service: RunningService) -> None:
    async def run(client: Client) -> None:
        chat = await client.new_chat(NewChat(collections=["notes"]))
        changed = await client.patch_chat(chat.id, ChatPatch(collections=[]))
        assert changed.collections == []

    service.use(run)
