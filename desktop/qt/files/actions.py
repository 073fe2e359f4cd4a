"""What is done with files on the user's word. What the service refuses is told where it was asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.files.known import KnownFiles

if TYPE_CHECKING:
    from desktop.client import Client
    from desktop.wire_files import AddedRoots, Collection, FilesDoctorReport, Receipt, SearchResult


class FileActions(QObject):
    """`refused(what, Failure)`, `added(Collection)`, `removed(Receipt)`."""

    refused = Signal(str, object)
    added = Signal(object)
    removed = Signal(object)
    doctor_came = Signal(object)

    def __init__(self, bridge: Bridge, known: KnownFiles) -> None:
        super().__init__()
        self._bridge = bridge
        self._known = known

    # collections

    def new_collection(
        self, name: str, paths: Sequence[Path], rules: dict[str, Any], embedder: str = "", local_only: bool = False
    ) -> None:
        """Make a collection of these folders and files, and begin to read them."""

        async def work(client: Client) -> Collection:
            from desktop import wire_files

            roots = [str(path) for path in paths]
            return await client.new_collection(
                wire_files.NewCollection(
                    name=name,
                    roots=roots,
                    rules=wire_files.CollectionRules.model_validate(rules),
                    embedder=embedder,
                    local_only=local_only,
                )
            )

        self._call(work, self._added, f"Adding {name}")

    def add_to(self, collection: Collection, paths: Sequence[Path], rules: dict[str, Any]) -> None:
        """Add folders and files to a collection; other rules than it had are its rules from then on."""
        other = rules != collection.rules.model_dump()

        async def work(client: Client) -> Collection:
            from desktop import wire_files

            if other:
                patch = wire_files.CollectionPatch(rules=wire_files.CollectionRules.model_validate(rules))
                await client.change_collection(collection.id, patch)
            request = wire_files.AddRoots(collection=collection.name, paths=[str(path) for path in paths])
            answer: AddedRoots = await client.add_roots(request)
            return answer.collection

        self._call(work, self._added, f"Adding to {collection.name}")

    def change(self, collection_id: int, changes: dict[str, Any], done: Callable[[], None] | None = None) -> None:
        """Change name, rules, embedder, reranker, flags or pause."""

        async def work(client: Client) -> Collection:
            from desktop.wire_files import CollectionPatch

            return await client.change_collection(collection_id, CollectionPatch.model_validate(changes))

        def changed(collection: Collection) -> None:
            self._known.take(collection)
            if done is not None:
                done()

        self._call(work, changed, "Changing the collection")

    def reindex(self, collection_id: int) -> None:
        self._call(lambda client: client.reindex(collection_id), lambda _job: self._known.ask(), "Re-indexing")

    def remove_collection(self, collection: Collection) -> None:
        """Take a whole collection out of the index; the receipt tells what was removed."""
        self._call(lambda client: client.remove_collection(collection.id), self._removed, f"Removing {collection.name}")

    def remove_paths(self, collection: str, paths: Sequence[str]) -> None:
        """Take files or folders out of the index; the receipt tells what was removed."""

        async def work(client: Client) -> Receipt:
            from desktop.wire_files import RemoveRequest

            return await client.remove_files(RemoveRequest(collection=collection, paths=list(paths)))

        self._call(work, self._removed, "Removing from the index")

    # files

    def open_result(self, found: SearchResult) -> None:
        """Open a passage in the user's editor, at its line or page."""
        self.open_file(found.file, found.start_line, found.page)

    def open_file(self, file: str, line: int = 1, page: int | None = None) -> None:
        async def work(client: Client) -> object:
            from desktop.wire_files import OpenRequest

            return await client.open_file(OpenRequest(file=file, line=max(1, line), page=page))

        self._call(work, lambda _opened: None, f"Opening {Path(file).name}")

    # doctor

    def look(self, *, repair: bool = False, deep: bool = False, collection: str = "") -> None:
        """Let the doctor count, and with `repair` mend what does not agree; `doctor_came` follows."""

        async def work(client: Client) -> FilesDoctorReport:
            from desktop.wire_files import FilesDoctorRequest

            return await client.files_doctor(FilesDoctorRequest(collection=collection, repair=repair, deep=deep))

        self._call(work, self.doctor_came.emit, "Repairing the index" if repair else "Checking the index")

    def _added(self, collection: Collection) -> None:
        self._known.take(collection)
        self._known.ask()
        self.added.emit(collection)

    def _removed(self, receipt: Receipt) -> None:
        self._known.ask()
        self.removed.emit(receipt)

    def _call(self, work: Callable[[Client], Coroutine[Any, Any, Any]], done: Callable[[Any], None], what: str) -> None:
        def failed(failure: Failure) -> None:
            self.refused.emit(what, failure)

        self._bridge.call(work, done, failed, owner=self)
