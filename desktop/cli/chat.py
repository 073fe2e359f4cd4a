"""chat: one answer for a prompt or a pipe, or a conversation at the terminal; kept as chats like the window's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from desktop import wire
from desktop.cli.console import plain
from desktop.cli.context import DONE, FAILED, WRONG_USAGE, Context
from desktop.cli.markdown import DIM, RESET, TerminalMarkdown
from desktop.client import AskDelta, AskEnd, AskEvent, AskState, Client

HELP = """Enter sends; a line that ends with \\ goes on in the next one. Ctrl+C stops an answer, Ctrl+D ends.
/new starts a new chat, /model ID changes the model, /again answers again, /help shows this, /exit ends."""
STATE_TEXTS = {"loading": "loading the model", "queued": "waiting for a free slot", "prompt": "reading the prompt"}
MAX_PIPE_BYTES = 8 * 1024 * 1024  # as much as the service takes in one message


async def run(context: Context) -> int:
    piped = await asyncio.to_thread(_piped_text)
    if len(piped.encode()) > MAX_PIPE_BYTES:
        context.console.error(f"The text from the pipe is larger than {MAX_PIPE_BYTES // 2**20} MiB.")
        return WRONG_USAGE
    prompt = "\n\n".join(part for part in (context.arguments.prompt or "", piped) if part.strip())
    async with context.client() as client:
        chat = await _open_chat(context, client)
        conversation = Conversation(context, client, chat)
        if prompt:
            return await conversation.answer(prompt)
        if not sys.stdin.isatty():
            context.console.error(
                "There is nothing to answer: the pipe was empty.", 'Try: jackdaw chat "your question"'
            )
            return WRONG_USAGE
        return await conversation.talk()


class Conversation:
    """One chat of the service, shown in a terminal."""

    def __init__(self, context: Context, client: Client, chat: wire.Chat) -> None:
        self._context = context
        self._console = context.console
        self._client = client
        self._chat = chat
        self._model: str = context.arguments.model or chat.model
        self._head = chat.head_id

    async def talk(self) -> int:
        """Read a line, answer it, until the input ends."""
        self._console.note(f"{self._model or 'The default model'} answers. {HELP.splitlines()[0]} /help shows more.")
        with _line_history(self._context.paths.data / "chat_history"):
            while (text := await asyncio.to_thread(_read_prompt)) is not None:
                if text.startswith("/"):
                    if not await self._command(text):
                        break
                elif text.strip():
                    await self.answer(text)
        return DONE

    async def answer(self, content: str | None) -> int:
        """Ask and show the answer; `content` None answers the last question again."""
        parent = self._head if content is not None else await self._last_question()
        if content is None and parent is None:
            self._console.error("There is no question to answer again.")
            return FAILED
        request = wire.AskRequest(parent_id=parent, content=content, model=self._model)
        async with _stop_on_interrupt(self._client, self._chat.id):
            message = await self._show(self._client.ask(self._chat.id, request))
        self._head = message.id
        if self._console.as_json:
            self._console.result(message.model_dump(), "")
        if message.state in {"failed", "interrupted"}:
            self._console.error(message.error or "The answer broke off.", message.hint)
            return FAILED
        return DONE

    async def _show(self, events: AsyncIterator[AskEvent]) -> wire.Message:
        paint = _Painter(self._context)
        async for event in events:
            if isinstance(event, AskState):
                self._console.progress(event.fraction, event.message or STATE_TEXTS.get(event.state, event.state))
            elif isinstance(event, AskDelta):
                self._console.clear_progress()
                paint.delta(event)
            elif isinstance(event, AskEnd):
                self._console.clear_progress()
                paint.end(event.message)
                return event.message
        raise AssertionError("Client.ask ends with an AskEnd or raises")

    async def _last_question(self) -> str | None:
        chat = await self._client.chat(self._chat.id)
        by_id = {message.id: message for message in chat.messages}
        head = by_id.get(self._head or "")
        return head.parent_id if head is not None and head.role == "assistant" else self._head

    async def _command(self, text: str) -> bool:
        """Carry out a slash command; False ends the conversation."""
        name, _, rest = text.strip().partition(" ")
        if name in ("/exit", "/quit", "/bye"):
            return False
        if name == "/new":
            self._chat = await self._client.new_chat(_new_chat(self._context, self._model))
            self._head = None
            self._console.note("A new chat.")
        elif name == "/model" and rest.strip():
            self._model = (await self._client.model(rest.strip())).id
            self._console.note(f"{self._model} answers from now on.")
        elif name == "/again":
            await self.answer(None)
        else:
            self._console.note(HELP)
        return True


class _Painter:
    """Writes deltas as they come: Markdown on a terminal, bare text into a pipe or with --raw, nothing with --json."""

    def __init__(self, context: Context) -> None:
        self._console = context.console
        self._quiet = context.console.as_json
        styled = context.console.styled and not context.arguments.raw
        self._markdown = TerminalMarkdown() if styled else None
        self._thinking = False

    def delta(self, delta: AskDelta) -> None:
        if self._quiet:
            return
        if delta.reasoning and self._markdown is not None:
            self._thinking = True
            self._console.write(DIM + plain(delta.reasoning) + RESET)
        if delta.content:
            if self._thinking:
                self._thinking = False
                self._console.write("\n\n")
            self._console.write(self._markdown.feed(delta.content) if self._markdown else plain(delta.content))

    def end(self, message: wire.Message) -> None:
        if self._quiet:
            return
        if self._markdown is not None:
            self._console.write(self._markdown.end())
        if message.content or message.reasoning:
            self._console.write("\n")
        usage = message.usage
        if self._markdown is not None and usage is not None and usage.tokens_per_s:
            first = f", first token {usage.first_token_ms / 1000:.2f} s" if usage.first_token_ms is not None else ""
            self._console.write(
                f"{DIM}{usage.tokens_per_s:.1f} tok/s, {usage.completion_tokens} tokens{first}{RESET}\n"
            )
        if message.state == "stopped":
            self._console.note("Stopped; what was written is kept.")


async def _open_chat(context: Context, client: Client) -> wire.Chat:
    """The latest chat with --continue, else a new one; an unknown model is an error before anything is made."""
    if context.arguments.model:
        await client.model(context.arguments.model)
    if context.arguments.resume:
        chats = await client.chats()
        if chats:
            return await client.chat(max(chats, key=lambda chat: chat.updated_at).id)
    return await client.new_chat(_new_chat(context, context.arguments.model))


def _new_chat(context: Context, model: str) -> wire.NewChat:
    parameters = wire.SamplingParameters(max_tokens=context.arguments.max_tokens)
    return wire.NewChat(model=model, system_prompt=context.arguments.system, parameters=parameters)


@asynccontextmanager
async def _stop_on_interrupt(client: Client, chat_id: str) -> AsyncIterator[None]:
    """Ctrl+C stops the answer instead of the program."""
    loop = asyncio.get_running_loop()
    stops: set[asyncio.Task[None]] = set()

    def stop() -> None:
        stops.add(loop.create_task(client.stop_answer(chat_id)))

    with suppress(NotImplementedError):  # Windows has no signal handlers on its loop: there Ctrl+C ends the program
        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
        await asyncio.gather(*stops, return_exceptions=True)
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)


@contextmanager
def _line_history(path: Path) -> Iterator[None]:
    """Arrow keys recall earlier lines; kept in the data folder, readable by its owner only."""
    try:
        import readline
    except ImportError:  # a Python without it (Windows): the conversation works, without history
        yield
        return
    readline.set_history_length(1000)
    with suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(path)
            path.chmod(0o600)


def _read_prompt() -> str | None:
    """One message, of several lines when they end with a backslash; None at the end of the input."""
    lines: list[str] = []
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            try:
                line = input("... " if lines else ">>> ")
            except EOFError:
                print(file=sys.stderr)
                return None
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])
    return ""


def _piped_text() -> str:
    """What came through a pipe or a redirected file; "" at a terminal, and when there is no standard input at all."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty() or _is_null_device():
        return ""
    return sys.stdin.buffer.read(MAX_PIPE_BYTES + 1).decode("utf-8", "replace")


def _is_null_device() -> bool:
    with suppress(OSError, ValueError):
        return os.path.sameopenfile(sys.stdin.fileno(), os.open(os.devnull, os.O_RDONLY))
    return False
