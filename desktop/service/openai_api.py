"""The OpenAI dialect: model lists, chat and text completions, filling in, embeddings, reranking.

Bodies are checked and rebuilt from known fields, the prompt is held against the allocated context, and what
llama-server answers goes to the client as it is: streams as bytes, whole answers unchanged.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from starlette.routing import Route

from desktop.service.api_errors import ApiError, api_error, bad_field
from desktop.service.fields import chat_payload, completion_payload, embedding_payload, rerank_payload
from desktop.service.files.citations import CitedAnswer, CitedFramer, not_found_completion, not_found_events
from desktop.service.files.on_port import FilesOnPort
from desktop.service.files.retrieval import Retrieved
from desktop.service.guard import MAX_BODY_BYTES, Receive, Send, too_large
from desktop.service.infill import InfillAnswer, InfillFramer, infill_payload
from desktop.service.messages import has_images
from desktop.service.model_list import ModelList, Wanted, leaves_machine
from desktop.service.relay import HEADERS as STREAM_HEADERS
from desktop.service.relay import Pacer, Scope, read_whole, relay_stream
from desktop.service.requests import ClientGone, read_object, while_connected
from desktop.service.speed import Speed
from engine.context import RequestKind, check_fit, in_terms_of
from engine.errors import EngineError, EngineStopped
from engine.llama_server import LlamaServer
from engine.scheduler import Scheduler
from engine.sse import EventFramer
from engine.upstream import UpstreamResponse, refusal
from models.gguf import Kind
from models.library import Library, LibraryModel
from rag.answer.prompt import NOT_IN_FILES

MAX_REFUSAL_BYTES = 1024 * 1024
WITH_ADAPTERS = ("chat", "completion", "infill")


class InferenceCore(Protocol):
    """What this dialect needs of the service."""

    library: Library
    scheduler: Scheduler
    speed: Speed

    @property
    def files_on_port(self) -> FilesOnPort | None:
        """The user's files, None where there is no index."""


@dataclass(frozen=True, slots=True)
class Job:
    """One checked request: what goes to llama-server, and how its answer comes back."""

    kind: RequestKind
    target: str
    payload: Mapping[str, Any]
    infill: InfillAnswer | None = None
    documents: tuple[str, ...] = ()  # to be put into a rerank's answer
    collection: str = ""  # of files, to answer from
    leaves: bool = False  # the answer goes to another machine
    name: str = ""  # of the model, as it was asked for

    @property
    def stream(self) -> bool:
        return bool(self.payload.get("stream"))


def openai_routes(core: InferenceCore) -> list[Route]:
    """All routes of the dialect, as ASGI endpoints that answer their own errors."""
    pacer, models = Pacer(), ModelList(core.library, core.scheduler, core.files_on_port)
    post: tuple[tuple[str, Kind, Any], ...] = (
        ("/v1/chat/completions", "chat", chat_job),
        ("/v1/completions", "chat", completion_job),
        ("/v1/embeddings", "embedding", embedding_job),
        ("/v1/rerank", "rerank", rerank_job),
    )
    return [
        Route("/v1/models", models.all, methods=["GET"]),
        Route("/v1/models/{model_id}", models.one, methods=["GET"]),
        Route("/v1/files/search", FilesEndpoint(core), methods=["POST"]),
        *(Route(path, Endpoint(core, models, pacer, kind, make), methods=["POST"]) for path, kind, make in post),
    ]


def chat_job(body: Mapping[str, Any], size: int, _model: LibraryModel) -> Job:
    """A chat completion. `size` is the body's, in bytes: only images may make it large.

    A model without a chat template gets ChatML from llama-server, on the port as in the window.
    """
    payload = chat_payload(body)
    if size > MAX_BODY_BYTES and not has_images(payload["messages"]):
        raise too_large(MAX_BODY_BYTES)
    return Job("chat", "/v1/chat/completions", payload)


def completion_job(body: Mapping[str, Any], _size: int, model: LibraryModel) -> Job:
    """A text completion, or filling in when there is a suffix."""
    payload = completion_payload(body)
    if "suffix" not in payload:
        return Job("completion", "/v1/completions", payload)
    if not model.supports_infill:
        raise bad_field("suffix", f"is not possible with {model.id!r}: it was not trained to fill in.")
    options = payload.get("stream_options", {})
    answer = InfillAnswer(model.id, usage=bool(options.get("include_usage")))
    return Job("infill", "/infill", infill_payload(payload), infill=answer)


def embedding_job(body: Mapping[str, Any], _size: int, _model: LibraryModel) -> Job:
    return Job("embedding", "/v1/embeddings", embedding_payload(body))


def rerank_job(body: Mapping[str, Any], _size: int, _model: LibraryModel) -> Job:
    payload = rerank_payload(body)
    documents = tuple(payload["documents"]) if payload.pop("return_documents", False) else ()
    return Job("rerank", "/v1/rerank", payload, documents=documents)


class Endpoint:
    """One POST route: reads, checks, holds the model, asks it, carries the answer; frees everything when the client
    goes away, whether the request is loading, queued, in its prompt or streaming."""

    def __init__(self, core: InferenceCore, models: ModelList, pacer: Pacer, kind: Kind, make: Any) -> None:
        self._core = core
        self._models = models
        self._pacer = pacer
        self._kind = kind
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noting(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            body, size = await read_object(receive, scope["path"])
            leaves = leaves_machine(scope)
            wanted = await self._models.wanted(body.get("model"), self._kind, leaves=leaves)
            model = wanted.model
            job: Job = self._make(body, size, model)
            if wanted.collection:
                job = with_files(job, wanted, leaves=leaves)
            if job.stream and scope["http_version"] == "1.0":
                raise bad_field("stream", "needs HTTP/1.1: before that, an answer that broke off looks complete.")
            await while_connected(receive, self._answer(job, model, scope, send_noting))
        except ClientGone:
            return
        except Exception as error:  # the edge: every failure becomes an answer in this dialect
            if started:
                raise
            response = api_error(error).response()
            if isinstance(error, ApiError) and error.status == 413:
                response.headers["connection"] = "close"
            await response(scope, receive, send)

    async def _answer(self, job: Job, model: LibraryModel, scope: Scope, send: Send) -> None:
        retrieved = await self._retrieve(job)
        if retrieved is not None and retrieved.is_nothing:
            await _send_not_found(job, send)
            return
        async with self._core.scheduler.hold(model.id) as server:
            began = time.monotonic()
            try:
                job, cited = await self._with_passages(job, retrieved, server)
                await self._ask(job, server, scope, send, cited)
            except EngineStopped as error:
                raise await _why(server, error) from error
            except TimeoutError as error:  # the engine counts tokens in no time, unless it hangs
                raise await server.silent(time.monotonic() - began) from error

    async def _retrieve(self, job: Job) -> Retrieved | None:
        """What the files have to say, for a request that asks them."""
        if not job.collection or self._core.files_on_port is None:
            return None
        return await self._core.files_on_port.retrieve(job.collection, job.payload["messages"], leaves=job.leaves)

    async def _with_passages(
        self, job: Job, retrieved: Retrieved | None, server: LlamaServer
    ) -> tuple[Job, CitedAnswer | None]:
        """The request with the passages that fit, and what checks its answer."""
        files = self._core.files_on_port
        if retrieved is None or files is None:
            return job, None
        given = await files.assemble(retrieved, server, job.payload, job.payload["messages"])
        payload = {**job.payload, "messages": given.messages}
        return replace(job, payload=payload), CitedAnswer(job.name, given.why.sources)

    async def _ask(
        self, job: Job, server: LlamaServer, scope: Scope, send: Send, cited: CitedAnswer | None = None
    ) -> None:
        payload = server.with_adapters(job.payload) if job.kind in WITH_ADAPTERS else job.payload
        await check_fit(server, job.kind, payload)
        await _check_dimensions(server, payload)
        response = await server.upstream.request("POST", job.target, _encode(payload))
        if response.status != 200:
            async with response:
                raise in_terms_of(job.kind, refusal(response.status, await response.read(MAX_REFUSAL_BYTES)))
        if job.stream:
            explain = partial(_terminal_event, server)
            framer = self._framer(job, cited)
            await relay_stream(scope, send, response, framer=framer, pacer=self._pacer, explain=explain)
        else:
            await self._send_whole(job, response, send, cited)

    def _framer(self, job: Job, cited: CitedAnswer | None) -> EventFramer:
        count = self._core.speed.add
        if cited is not None:
            return CitedFramer(cited, count)
        return EventFramer(count) if job.infill is None else InfillFramer(job.infill, count)

    async def _send_whole(
        self, job: Job, response: UpstreamResponse, send: Send, cited: CitedAnswer | None = None
    ) -> None:
        body, value = await read_whole(response)
        if cited is not None:
            value = cited.whole(value)
            body = _encode(value)
        if job.infill is not None:
            value = job.infill.whole(value)
            body = _encode(value)
        elif job.documents:
            body = _encode(_with_documents(value, job.documents))
        usage = value.get("usage")
        if job.kind in ("chat", "completion", "infill") and isinstance(usage, dict):
            self._core.speed.add(int(usage.get("completion_tokens") or 0))
        await _send_json(body, send)


class FilesEndpoint:
    """`POST /v1/files/search`: the same body and answer as on the control socket."""

    def __init__(self, core: InferenceCore) -> None:
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body, _ = await read_object(receive, scope["path"])
            if self._core.files_on_port is None:
                raise ApiError(503, "There is no index of files here.", code="not_available")
            answer = await self._core.files_on_port.search(body, leaves=leaves_machine(scope))
        except ClientGone:
            return
        except Exception as error:  # the edge: every failure becomes an answer in this dialect
            await api_error(error).response()(scope, receive, send)
            return
        await _send_json(answer.model_dump_json().encode(), send)


def with_files(job: Job, wanted: Wanted, *, leaves: bool) -> Job:
    """The request as one to a collection of files."""
    name = f"{wanted.model.id}@{wanted.collection}"
    return replace(job, collection=wanted.collection, leaves=leaves, name=name)


async def _send_not_found(job: Job, send: Send) -> None:
    """Nothing in the files is about the question, so that no model was asked."""
    if not job.stream:
        await _send_json(_encode(not_found_completion(job.name, NOT_IN_FILES)), send)
        return
    usage = bool(job.payload.get("stream_options", {}).get("include_usage"))
    await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
    events = not_found_events(job.name, NOT_IN_FILES, usage=usage)
    await send({"type": "http.response.body", "body": events, "more_body": False})


async def _send_json(body: bytes, send: Send) -> None:
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _why(server: LlamaServer, error: EngineStopped) -> EngineError:
    """A broken connection's real reason, once the child's ending is known."""
    return await server.why() if not error.log_tail else error


async def _terminal_event(server: LlamaServer, error: EngineError) -> bytes:
    if isinstance(error, EngineStopped) and not server.ended.done():
        await asyncio.wait([server.ended], timeout=1.0)
    told = server.explain() if isinstance(error, EngineStopped) and server.ended.done() else error
    return api_error(told).event()


async def _check_dimensions(server: LlamaServer, payload: Mapping[str, Any]) -> None:
    """llama-server ignores `dimensions`; anything but the model's own number is refused instead."""
    wanted = payload.get("dimensions")
    if wanted is None:
        return
    _, value = await server.upstream.json("GET", "/v1/models")
    try:
        own = int(value["data"][0]["meta"]["n_embd"])
    except (KeyError, IndexError, TypeError, ValueError):
        own = -1
    if wanted != own:
        raise bad_field("dimensions", f"cannot be {wanted}: this model's embeddings have {own}, and are not shortened.")


def _with_documents(value: dict[str, Any], documents: tuple[str, ...]) -> dict[str, Any]:
    for result in value.get("results", ()):
        if isinstance(result, dict) and isinstance(index := result.get("index"), int) and 0 <= index < len(documents):
            result["document"] = {"text": documents[index]}
    return value


def _encode(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass")
