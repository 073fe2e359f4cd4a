"""A load generator in a process of its own: reads one JSON order a line, streams chats, answers one JSON line.

It reads sockets by hand, so that its own cost per event is small and the same for every server it is pointed at.
Order: {"host", "port", "key", "model", "clients", "requests", "tokens", "prompt", "ban": [token ids]}; `requests`
counts per client, `tokens` is the length of each answer.
Answer: {"events", "seconds", "first_ms": [per request], "bad": [what went wrong], "cpu_s"}.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any

READ_SIZE = 256 * 1024


@dataclass
class Tally:
    events: int = 0
    first_ms: list[float] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def request_bytes(order: dict[str, Any]) -> bytes:
    """The whole HTTP request, the same for every stream of an order."""
    body = json.dumps(
        {
            "model": order["model"],
            "messages": [{"role": "user", "content": order["prompt"]}],
            "max_tokens": order["tokens"],
            "temperature": 0,
            "stream": True,
            "logit_bias": {str(token): -100 for token in order.get("ban", [])},
        }
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {order['host']}:{order['port']}\r\n"
        f"Authorization: Bearer {order['key']}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def one_stream(order: dict[str, Any], request: bytes, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection(order["host"], order["port"], limit=READ_SIZE)
    start = time.perf_counter()
    writer.write(request)
    carry = b""
    events = 0
    done = False
    while data := await reader.read(READ_SIZE):
        text = carry + data
        found = text.count(b"data: ")
        if found and not events:
            tally.first_ms.append((time.perf_counter() - start) * 1000)
        events += found
        done = done or b"data: [DONE]" in text
        carry = text[-5:]  # one byte less than the mark: a mark cut in two is found, none is counted twice
        if done:
            break
    writer.close()
    tally.events += max(0, events - 1)
    if not done:
        tally.bad.append(f"ended after {events} events: {text[-300:]!r}" if events else f"no event: {text[:300]!r}")


async def one_client(order: dict[str, Any], request: bytes, tally: Tally) -> None:
    for _ in range(order["requests"]):
        await one_stream(order, request, tally)


async def run(order: dict[str, Any]) -> dict[str, Any]:
    tally = Tally()
    request = request_bytes(order)
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    await asyncio.gather(*(one_client(order, request, tally) for _ in range(order["clients"])))
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {"events": tally.events, "seconds": seconds, "first_ms": tally.first_ms, "bad": tally.bad, "cpu_s": used}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(asyncio.run(run(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
