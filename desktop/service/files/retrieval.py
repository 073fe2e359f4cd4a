"""From a question to what a model is given to read: rewritten, searched, attachments beside it, budgeted, numbered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desktop import wire_files as wire
from desktop.service.files.evidence import Evidence, new_why_id
from desktop.service.files.rows import source_row, support_rows, why_row
from desktop.service.files.search import Asked
from desktop.service.files.text import documents_of, joined
from engine.context import count_chat_tokens, count_tokens
from engine.llama_server import LlamaServer
from rag.answer.citations import CitationFilter
from rag.answer.prompt import NOT_IN_FILES, assemble
from rag.answer.rewrite import Rewritten, rewrite_query
from rag.answer.support import check_answer
from rag.answer.types import Assembled, NumberedSource, Turn, WholeFile
from rag.files import Files
from rag.search.types import Found, SearchWish
from rag.store.rows import CollectionRow, FileRecord

PASSAGES = 8  # asked of the search; more of them confuse small models before they help large ones
MOST_WHOLE_FILES = 8
MOST_WHOLE_CHARACTERS = 400_000  # no context takes more of one file
COUNT_AT_ONCE = 4
# Numbers and blanks between passages, and what a template may add around them.
SLACK_TOKENS = 64
USUAL_REPLY_TOKENS = 1024
REPLY_SHARE = 0.25  # of the context, where that is less

Messages = list[dict[str, Any]]
MessagesWith = Callable[[Sequence[NumberedSource]], Messages]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What was found for a question. `whole` are attached files that may be given whole; notes are sentences."""

    question: str
    rewritten: Rewritten
    asked: Asked
    found: Found
    is_follow_up: bool
    whole: tuple[WholeFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether nothing in the files is about the question, so that no model need be asked."""
        return not self.whole and not self.is_follow_up and not (self.found.hits and self.found.relevant)


class Retrieval:
    """Finds and budgets what a model is given; keeps the evidence of it."""

    def __init__(self, index: Files, evidence: Evidence) -> None:
        self._index = index
        self._evidence = evidence

    async def retrieve(
        self, question: str, history: Sequence[Turn], asked: Asked, *, k: int | None = None
    ) -> Retrieved:
        """Search for `question` as it is meant after `history`. Raises BadQuery."""
        rewritten = rewrite_query(history, question)
        found = await self._index.searcher.search(SearchWish(asked.ids, rewritten.query, k=k or PASSAGES))
        whole: list[WholeFile] = []
        notes: list[str] = [found.note] if found.note else []
        for row in asked.rows:
            if row.chat_id:
                taken, said = await self._attached(row)
                whole += taken
                notes += said
        if not found.complete:
            notes.append("Not all files are indexed yet.")
        follows = rewritten.changed and any(turn.role == "assistant" for turn in history)
        return Retrieved(question, rewritten, asked, found, follows, tuple(whole), tuple(notes))

    async def assemble(
        self, retrieved: Retrieved, server: LlamaServer, payload: Mapping[str, Any], messages_with: MessagesWith
    ) -> Given:
        """Number what fits the context that `server` has, beside the messages and the reply. Raises EngineError.

        Nothing of it is kept before `Given.keep`.
        `payload` is the request without its messages; `messages_with` makes these around the passages.
        """
        began = time.perf_counter()
        allocated = server.allocated_context
        bare = await count_chat_tokens(server, {**payload, "messages": messages_with(())})
        budget = max(0, allocated - bare - reply_tokens(payload, allocated) - SLACK_TOKENS)
        found = retrieved.found
        hits = found.hits if found.relevant or retrieved.is_follow_up else ()
        assembled = await assemble(
            retrieved.question,
            hits,
            budget_tokens=budget,
            count=lambda texts: _count_all(server, texts),
            whole_files=retrieved.whole,
        )
        took_ms = (time.perf_counter() - began) * 1000
        messages = messages_with(assembled.sources)
        why = _why(retrieved, assembled, messages, took_ms).model_copy(
            update={"budget_tokens": budget, "allocated_context": allocated, "model": server.model_id}
        )
        return Given(self._evidence, why, assembled.sources, messages, _note(retrieved, assembled))

    async def nothing(self, retrieved: Retrieved) -> Given:
        """What is said, and kept, when nothing is relevant: no model is asked."""
        assembled = Assembled((), ())
        why = _why(retrieved, assembled, [], 0.0)
        given = Given(self._evidence, why, (), [], _note(retrieved, assembled) or NOT_IN_FILES)
        await given.keep()
        return given

    async def _attached(self, row: CollectionRow) -> tuple[list[WholeFile], list[str]]:
        """The files of a chat that may be given whole, and what is to be said of the others."""
        page = await self._index.store.file_page(row.id, limit=MOST_WHOLE_FILES + 1)
        notes = [f"{_name(file)} is not read: {file.detail or file.reason}" for file in page.files if _is_left(file)]
        if page.total > MOST_WHOLE_FILES:
            return [], notes
        files = [await self._whole(row, file) for file in page.files if not _is_left(file)]
        return [file for file in files if file is not None], notes

    async def _whole(self, row: CollectionRow, file: FileRecord) -> WholeFile | None:
        store = self._index.store
        document_id = await store.document_of_file(file.root.path, file.path)
        if document_id is None:
            return None
        (chunks,) = documents_of(await store.document_chunks(document_id, collection_id=row.id)).values() or ([],)
        text = joined(chunks)
        if not text or len(text) > MOST_WHOLE_CHARACTERS:
            return None
        absolute = f"{file.root.path}/{file.path}" if file.path else file.root.path
        return WholeFile(path=_name(file), file=absolute, text=text, collection=row.name, pages=file.pages)


class Given:
    """What one answer was given of the files, and afterwards what it made of it."""

    def __init__(
        self, evidence: Evidence, why: wire.Why, sources: Sequence[NumberedSource], messages: Messages, note: str
    ) -> None:
        self.sources = tuple(sources)
        self.messages = messages
        self.note = note
        self._evidence = evidence
        self.why = why

    @property
    def why_id(self) -> str:
        return self.why.id

    def filter(self) -> CitationFilter:
        """For the stream of the answer."""
        return CitationFilter([source.number for source in self.sources])

    async def keep(self) -> None:
        """Have the evidence on the disk as it is now."""
        await self._evidence.keep(self.why)

    async def finish(self, text: str, removed: Sequence[int] = (), prompt_tokens: int | None = None) -> bool:
        """Judge an answer whose citations were filtered already; `removed` are the numbers that named no passage.

        Returns whether it says something that stands in the files.
        """
        checked = await asyncio.to_thread(check_answer, text, self.sources)
        update = {
            "answer": checked.text,
            "removed_citations": sorted({*removed, *checked.removed}),
            "support": support_rows(checked.support),
            "sources": [
                source.model_copy(update={"cited": source.number in checked.cited}) for source in self.why.sources
            ],
            "prompt_tokens": prompt_tokens,
        }
        self.why = self.why.model_copy(update=update)
        await self.keep()
        return bool(self.sources) and checked.found


def reply_tokens(payload: Mapping[str, Any], allocated: int) -> int:
    """What is kept for the reply: what it was promised, else a usual length."""
    wanted = payload.get("max_tokens")
    usual = min(USUAL_REPLY_TOKENS, int(allocated * REPLY_SHARE))
    return wanted if isinstance(wanted, int) and wanted > 0 else usual


async def _count_all(server: LlamaServer, texts: Sequence[str]) -> list[int]:
    gate = asyncio.Semaphore(COUNT_AT_ONCE)

    async def count(text: str) -> int:
        async with gate:
            return await count_tokens(server, text, plain=True) + 2  # blank lines before the next

    return list(await asyncio.gather(*(count(text) for text in texts)))


def _why(retrieved: Retrieved, assembled: Assembled, messages: Messages, took_ms: float) -> wire.Why:
    why = why_row(
        retrieved.question,
        retrieved.found.trace,
        retrieved.asked.names,
        id=new_why_id(),
        query=retrieved.rewritten.query,
        rewritten=retrieved.rewritten.changed,
        sources=[source_row(source, local_only=retrieved.asked.local_only) for source in assembled.sources],
        prompt=[{"role": str(one["role"]), "content": _plain(one["content"])} for one in messages],
        attachments=[*assembled.notes],
        created_at=time.time(),
    )
    dropped = {chunk_id: one.why for one in assembled.dropped for chunk_id in one.hit.chunk_ids}
    numbers = {chunk_id: one.number for one in assembled.sources for chunk_id in one.hit.chunk_ids}
    candidates = [ended(one, numbers, dropped) for one in why.candidates]
    note = f"{assembled.tokens} tokens of passages" if assembled.sources else "Nothing was given."
    stage = wire.StageRow(name="assemble", took_ms=took_ms, candidates=len(assembled.sources), note=note)
    return why.model_copy(update={"candidates": candidates, "stages": [*why.stages, stage]})


def ended(one: wire.CandidateRow, numbers: Mapping[int, int], dropped: Mapping[int, str]) -> wire.CandidateRow:
    """What became of a candidate in the prompt: its passage has another number there when a better one had no room."""
    if one.chunk_id in dropped:
        return one.model_copy(update={"dropped": "budget", "why": dropped[one.chunk_id], "final_rank": None})
    if one.chunk_id in numbers:
        return one.model_copy(update={"final_rank": numbers[one.chunk_id]})
    return one


def _note(retrieved: Retrieved, assembled: Assembled) -> str:
    sentences = [*assembled.notes, *retrieved.notes]
    if assembled.dropped:
        count = len(assembled.dropped)
        sentences.append(f"{count} more passage{'s' if count > 1 else ''} did not fit the context.")
    if not assembled.sources:
        sentences.insert(0, NOT_IN_FILES)
    return " ".join(sentences)


def _plain(content: Any) -> str:
    """A message's text; its other parts are named."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", f"[{part.get('type')}]")) for part in parts if isinstance(part, dict))


def _name(file: FileRecord) -> str:
    return file.path or file.root.path.rpartition("/")[2]


def _is_left(file: FileRecord) -> bool:
    return file.state in ("skipped", "failed")
