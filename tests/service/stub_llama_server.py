"""A llama-server that misbehaves on request: what the real one never does, over the same Unix socket.

The text of the first message (or the prompt) says what to do. Standard library only: it runs with the environment of a
child. GET /closed tells how many requests are open and how many clients closed theirs before they were answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

CONTEXT = 4096
MEBIBYTE = 1024 * 1024


def event(text: str) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}}], "object": "chat.completion.chunk"}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


async def good(_body: Any) -> AsyncIterator[bytes]:
    for number in range(5):
        yield event(f"{number} ")
    yield b"data: [DONE]\n\n"


async def gigabyte_line(_body: Any) -> AsyncIterator[bytes]:
    yield event("first ")
    await asyncio.sleep(0.05)  # or both would come in one read, of which nothing is passed on
    yield b'data: {"x": "'
    for _ in range(1024):
        yield b"a" * MEBIBYTE


async def bad_utf8(_body: Any) -> AsyncIterator[bytes]:
    yield event("first ")
    await asyncio.sleep(0.05)  # or both would come in one read, of which nothing is passed on
    yield b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n'
    yield b"data: [DONE]\n\n"


async def unknown_events(_body: Any) -> AsyncIterator[bytes]:
    yield event("first ")
    await asyncio.sleep(0.05)  # or both would come in one read, of which nothing is passed on
    yield b"event: execute\ndata: {}\n\n"
    yield b"data: [DONE]\n\n"


async def early_end(_body: Any) -> AsyncIterator[bytes]:
    yield event("first ")


async def own_error(_body: Any) -> AsyncIterator[bytes]:
    yield event("first ")
    yield b'data: {"error": {"code": 500, "message": "Compute error.", "type": "server_error"}}\n\n'


async def killed(_body: Any) -> AsyncIterator[bytes]:
    for number in range(5):
        yield event(f"{number} ")
        await asyncio.sleep(0.01)
    yield b'data: {"choices": [{"half'
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


async def endless(_body: Any) -> AsyncIterator[bytes]:
    while True:
        yield event("x" * 1000)
        await asyncio.sleep(0)


async def slow(_body: Any) -> AsyncIterator[bytes]:
    while True:
        yield event("tick ")
        await asyncio.sleep(0.02)


STREAMS: dict[str, Callable[[Any], AsyncIterator[bytes]]] = {
    stream.__name__: stream
    for stream in (
        good,
        gigabyte_line,
        bad_utf8,
        unknown_events,
        early_end,
        own_error,
        killed,
        endless,
        slow,
    )
}


class Stub:
    def __init__(self) -> None:
        self.open = 0
        self.left = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-l")), 0
            )
            body = json.loads(await reader.readexactly(length)) if length else None
            self.open += 1
            work = asyncio.ensure_future(self.answer(head.split()[1], body, writer))
            gone = asyncio.ensure_future(reader.read(1))
            await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
            self.open -= 1
            if not work.done() or work.exception() is not None:  # a write may notice it before the read does
                self.left += 1
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, target: str, body: Any, writer: asyncio.StreamWriter) -> None:
        if target == "/health":
            await send_json(writer, {"status": "ok"})
        elif target == "/props":
            await send_json(writer, {"default_generation_settings": {"n_ctx": CONTEXT}, "total_slots": 4})
        elif target == "/closed":
            await send_json(writer, {"open": self.open - 1, "left": self.left})
        elif target == "/apply-template":
            await send_json(writer, {"prompt": "x" * 40})
        elif target.endswith("/input_tokens"):
            await send_json(writer, {"input_tokens": 40})
        elif target == "/tokenize":
            await send_json(writer, {"tokens": [1] * len(body["content"])})
        elif body is None:
            await send_json(writer, [])
        else:
            await self.generate(body, writer)

    async def generate(self, body: Any, writer: asyncio.StreamWriter) -> None:
        wish = body["messages"][0]["content"] if "messages" in body else body.get("prompt", "")
        if whole := WHOLE.get(wish):
            await whole(writer, body)
        elif body.get("stream") and wish in STREAMS:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            async for data in STREAMS[wish](body):
                writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            await send_json(writer, {"object": "echo", "received": body})


async def send_json(writer: asyncio.StreamWriter, value: Any, status: str = "200 OK") -> None:
    data = json.dumps(value).encode()
    writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(data), data))
    await writer.drain()


async def never(_writer: asyncio.StreamWriter, _body: Any) -> None:
    await asyncio.Event().wait()


async def die(_writer: asyncio.StreamWriter, _body: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def no_http(writer: asyncio.StreamWriter, _body: Any) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    await writer.drain()


async def endless_headers(writer: asyncio.StreamWriter, _body: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(256):
        writer.write(b"a" * MEBIBYTE)
        await writer.drain()


async def endless_whole(writer: asyncio.StreamWriter, _body: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"%x\r\n%b\r\n" % (MEBIBYTE, b" " * MEBIBYTE))
        await writer.drain()


async def no_json(writer: asyncio.StreamWriter, _body: Any) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\xff\xfe{]x")
    await writer.drain()


async def unexplained(writer: asyncio.StreamWriter, _body: Any) -> None:
    writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")
    await writer.drain()


WHOLE: dict[str, Callable[[asyncio.StreamWriter, Any], Awaitable[None]]] = {
    reply.__name__: reply for reply in (never, die, no_http, endless_headers, endless_whole, no_json, unexplained)
}


async def main(socket_path: str) -> None:
    server = await asyncio.start_unix_server(Stub().serve, socket_path, limit=64 * MEBIBYTE)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[sys.argv.index("--host") + 1]))
