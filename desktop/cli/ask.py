"""ask: a question to the user's files; the answer streams, its sources are listed below it."""

from __future__ import annotations

from desktop import wire_files as files
from desktop.cli.chat import STATE_TEXTS
from desktop.cli.console import one_line, plain
from desktop.cli.context import DONE, FAILED, Context
from desktop.cli.files import remember
from desktop.cli.files_text import place
from desktop.cli.markdown import DIM, RESET, TerminalMarkdown
from desktop.client import AskDelta, AskState, Client, FilesEnd

TEXTS = {**STATE_TEXTS, "searching": "searching"}


async def run(context: Context) -> int:
    """Without a model, and with -m none, the best passages are the answer. 1 when nothing is in the files."""
    wanted = context.arguments
    request = files.AskFiles(
        question=" ".join(wanted.question), collection=wanted.collection, model=wanted.model, k=wanted.k
    )
    async with context.client() as client:
        context.console.progress(None, "searching")
        answer = await _follow(context, client, request)
    remember(context, answer.sources)
    if context.console.as_json:
        context.console.result(answer.model_dump(), "")
    else:
        _show_sources(context, answer)
    return DONE if answer.found else FAILED


async def _follow(context: Context, client: Client, request: files.AskFiles) -> files.FilesAnswer:
    console = context.console
    styled = console.styled and not context.arguments.raw
    markdown = TerminalMarkdown() if styled else None
    async for event in client.follow_files(request):
        if isinstance(event, AskState):
            console.progress(event.fraction, event.message or TEXTS.get(event.state, event.state))
        elif isinstance(event, AskDelta) and not console.as_json and event.content:
            console.clear_progress()
            console.write(markdown.feed(event.content) if markdown else plain(event.content))
        elif isinstance(event, FilesEnd):
            console.clear_progress()
            if not console.as_json:
                console.write((markdown.end() if markdown else "") + "\n")
            return event.answer
    raise AssertionError("Client.follow_files ends with a FilesEnd or raises")


def _show_sources(context: Context, answer: files.FilesAnswer) -> None:
    """Passages the answer names; all that were given when it names none. A sentence without support is told of."""
    if answer.passages_only or not answer.sources:
        return
    dim, off = (DIM, RESET) if context.console.styled else ("", "")
    shown = [source for source in answer.sources if source.cited] or answer.sources
    lines = [f"[{source.number}] {one_line(source.path) if source.whole else place(source)}" for source in shown]
    context.console.write("\n" + "\n".join(f"{dim}{plain(line)}{off}" for line in lines) + "\n")
    weak = sum(not one.supported for one in answer.support)
    if weak:
        doubt = f"{weak} of {len(answer.support)} sentences are not carried by these passages"
        context.console.note(f"{doubt}: jackdaw files why {answer.why_id}")
