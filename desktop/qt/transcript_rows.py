"""Messages of a conversation as the transcript wants them, and the answer being written passed on to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from desktop.qt.branches import Shown
from desktop.qt.conversation import Conversation
from desktop.qt.files.place_words import decisive, name_of, short_place
from desktop.qt.transcript.view import Source, TranscriptMessage, TranscriptView

if TYPE_CHECKING:
    from desktop.wire import Message
    from desktop.wire_files import Source as FileSource

ABOUT = 320  # characters of a passage in a tooltip


class TranscriptRows:
    """Keeps one transcript in step with the conversation in view."""

    def __init__(self, view: TranscriptView, title: Callable[[str], str]) -> None:
        """`title(model_id)` is the model's name as people know it."""
        self._view = view
        self._title = title
        self._titles: dict[str, str] = {}
        self._longest: int | None = None
        self._ids: list[str] = []

    def titles_changed(self) -> bool:
        """Whether a model in view is called otherwise than when it was shown."""
        return any(self._title(model_id) != shown for model_id, shown in self._titles.items())

    def show_conversation(self, conversation: Conversation) -> None:
        """Show the branch in view; an answer that is being written appears with what is there so far."""
        self._longest = conversation.parameters.get("max_tokens")
        branch = conversation.branch()
        self._titles.clear()
        rows = [self._row(shown) for shown in branch]
        answer = conversation.answer
        live = answer is not None and bool(rows) and rows[-1].id == answer.id
        if live:
            text, thought = "".join(conversation.answer_text), "".join(conversation.answer_reasoning)
            begun = replace(rows.pop(), content="", reasoning="", state="streaming")
            self._view.set_messages(rows)
            self._view.begin_answer(begun)
            self.feed(begun.id, text, thought)
        else:
            self._view.set_messages(rows)
        self._ids = [shown.message.id for shown in branch]

    def begin(self, conversation: Conversation, user: Message | None, answer: Message) -> None:
        """The answer begins: append what is new, or show the whole branch when it turned off elsewhere."""
        branch = conversation.branch()
        new = ([user.id] if user is not None else []) + [answer.id]
        ids = [shown.message.id for shown in branch]
        if ids != self._ids + new:
            self.show_conversation(conversation)
            return
        if user is not None:
            self._view.append_message(self._row(branch[-2]))
        self._view.begin_answer(self._row(branch[-1]))
        self._ids = ids

    def give_sources(self, answer: Message) -> None:
        """What the answer that begins is given to read."""
        self._view.set_sources(answer.id, sources_of(answer))

    def feed(self, answer_id: str, content: str, reasoning: str) -> None:
        if reasoning:
            self._view.feed_reasoning(answer_id, reasoning)
        if content:
            self._view.feed(answer_id, content)

    def finish(self, conversation: Conversation, answer: Message) -> None:
        """The answer as it is stored takes the place of what was fed."""
        shown = next((s for s in conversation.branch() if s.message.id == answer.id), None)
        self._longest = conversation.parameters.get("max_tokens")
        if shown is not None:
            self._view.finish(self._row(shown))

    def _row(self, shown: Shown) -> TranscriptMessage:
        model_id = shown.message.model
        if model_id:
            self._titles[model_id] = self._title(model_id)
        row = as_row(shown, self._titles.get(model_id, ""))
        return replace(row, note=note_of(shown.message, self._longest))


def note_of(message: Message, longest: int | None) -> str:
    """What a reader has to be told of a complete answer: nothing is cut silently. `longest`: the chat's max_tokens."""
    if message.role != "assistant" or message.state != "complete":
        return ""
    if message.files_note and not message.sources:
        return message.files_note  # nothing was found, or could be read: an answer without files has to say so
    usage = message.usage
    if usage is not None and usage.finish_reason == "length":
        if longest is not None and usage.completion_tokens >= longest:
            return f"The answer ends here because this chat allows {longest:,} tokens (Parameters, Longest answer)."
        return "The answer ends here because the context is full."
    if message.content.strip():
        return ""
    return "The model thought, and gave no answer." if message.reasoning else "The model gave an empty answer."


def as_row(shown: Shown, model: str) -> TranscriptMessage:
    """A message of the wire as a row of the transcript, with its model's name."""
    message, usage = shown.message, shown.message.usage
    return TranscriptMessage(
        id=message.id,
        role=message.role,
        content=message.content,
        reasoning=message.reasoning,
        state=message.state,
        model=model,
        created_at=message.created_at,
        tokens_per_s=usage.tokens_per_s if usage else None,
        completion_tokens=usage.completion_tokens if usage else 0,
        first_token_ms=usage.first_token_ms if usage else None,
        error=message.error,
        hint=message.hint,
        branch_index=shown.index,
        branch_count=shown.count,
        sources=sources_of(message),
        unsupported=unsupported_in(message),
    )


def sources_of(message: Message) -> tuple[Source, ...]:
    """What the message was given to read, as its citation marks and chips show it."""
    return tuple(
        Source(source.number, name_of(source.path), short_place(source), about_of(source), source.cited)
        for source in message.sources
    )


def about_of(source: FileSource) -> str:
    """The path and the decisive sentence of a source, or how it begins."""
    start, end = decisive(source.text, source.highlights)
    words = " ".join((source.text[start:end] if end else source.text[:ABOUT]).split())
    return f"{source.path}\n{words[:ABOUT]}"


def unsupported_in(message: Message) -> tuple[str, ...]:
    """The sentences of an answer that none of its sources carries."""
    return tuple(message.content[one.start : one.end] for one in message.support if not one.supported)
