"""The client on its own: event streams in any pieces, errors mapped back, cheap to import."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop.client import (
    AskDelta,
    AskState,
    Client,
    ClientError,
    ServerSentEvent,
    ServiceUnreachable,
    ask_event,
    error_of,
    sse_events,
)
from desktop.launch import serve_command
from desktop.paths import find_paths

CHECKOUT = Path(__file__).resolve().parents[1]


def parse(chunks: Sequence[bytes]) -> list[ServerSentEvent]:
    async def feed() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def run() -> list[ServerSentEvent]:
        return [event async for event in sse_events(feed())]

    return asyncio.run(run())


def test_events_are_parsed_with_comments_skipped_and_an_unfinished_one_left_out() -> None:
    stream = b': hello\n\nid: 7\nevent: job\ndata: {"a": 1}\n\ndata:plain\n\nevent: cut\ndata: of'
    assert parse([stream]) == [ServerSentEvent("7", "job", '{"a": 1}'), ServerSentEvent("", "message", "plain")]


@given(texts=st.lists(st.text(max_size=40), max_size=5), size=st.integers(1, 9))
def test_any_text_in_any_pieces_arrives_whole(texts: list[str], size: int) -> None:
    stream = "".join(f"event: delta\ndata: {json.dumps({'content': text}, ensure_ascii=False)}\n\n" for text in texts)
    data = stream.encode("utf-8", "surrogatepass")
    if "\\ud" in stream or any("\ud800" <= letter <= "\udfff" for letter in stream):
        return  # our service writes such as escapes; raw they are no UTF-8
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert [json.loads(event.data)["content"] for event in parse(pieces)] == texts


def test_events_of_an_answer_are_typed() -> None:
    assert ask_event(ServerSentEvent("", "delta", '{"content": "x"}')) == AskDelta(content="x")
    assert ask_event(ServerSentEvent("", "delta", '{"reasoning": "y"}')) == AskDelta(reasoning="y")
    state = '{"state": "loading", "fraction": 0.5, "message": "Loading"}'
    assert ask_event(ServerSentEvent("", "state", state)) == AskState("loading", 0.5, "Loading")
    with pytest.raises(ClientError, match="surprise"):
        ask_event(ServerSentEvent("", "surprise", "{}"))


def test_errors_are_mapped_back_with_their_numbers() -> None:
    body = {"kind": "out_of_memory", "message": "Too large.", "hint": "Smaller.", "details": {"needed_bytes": 5}}
    error = error_of(507, json.dumps({"error": body}).encode())
    assert (error.kind, error.message, error.hint, error.details, error.status) == (
        "out_of_memory",
        "Too large.",
        "Smaller.",
        {"needed_bytes": 5},
        507,
    )


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"error": "text"}', b'{"error": {"kind": 5}}', b"\xff"])
def test_a_foreign_error_body_is_still_an_error(content: bytes) -> None:
    assert error_of(502, content).kind == "http_error"


def test_a_socket_that_is_no_service_is_unreachable(tmp_path: Path) -> None:
    async def run() -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        path = tmp_path / "s.sock"
        server = await asyncio.start_unix_server(hang_up, path)
        async with server, Client(path) as client:
            with pytest.raises(ServiceUnreachable, match="does not answer"):
                await client.health()

    asyncio.run(run())


def test_an_answer_of_another_version_is_told_as_such(tmp_path: Path) -> None:
    async def run() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            body = b'{"status": "splendid"}'
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            writer.close()

        path = tmp_path / "s.sock"
        server = await asyncio.start_unix_server(answer, path)
        async with server, Client(path) as client:
            with pytest.raises(ClientError, match="could not be understood") as error:
                await client.health()
            assert error.value.kind == "bad_answer"

    asyncio.run(run())


def test_the_service_is_started_for_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JACKDAW_HOME", raising=False)
    assert serve_command(find_paths())[-2:] == ["serve", "--background"]
    assert serve_command(find_paths(tmp_path))[-2:] == ["--home", str(tmp_path)]


def test_importing_the_client_loads_neither_a_server_nor_an_http_library() -> None:
    code = "import sys, desktop.client, desktop.launch; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"httpx", "starlette", "uvicorn", "PySide6", "numpy", "gguf", "psutil", "desktop.service"}
    assert heavy.isdisjoint(loaded)
