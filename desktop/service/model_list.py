"""/v1/models: which models there are, with the context a client may count on; and which model a request means."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from desktop.service.api_errors import ApiError, api_error
from desktop.service.files.on_port import FilesOnPort, no_collection
from engine.errors import EngineError
from engine.scheduler import Scheduler
from engine.types import LoadedModel
from models.errors import ModelsError
from models.gguf import Kind
from models.library import Library, LibraryModel

PLAN_S = 20.0
KNOWN_S = 5.0
USED_FOR = {"chat": "chat", "embedding": "embeddings", "rerank": "reranking"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request names: a model, and the collection it is to answer from, "" for none."""

    model: LibraryModel
    collection: str = ""


class ModelList:
    """The library as the OpenAI dialect shows it, and each chat model with each collection of files."""

    def __init__(self, library: Library, scheduler: Scheduler, files: FilesOnPort | None = None) -> None:
        self._library = library
        self._scheduler = scheduler
        self._files = files
        self._known: dict[str, tuple[float, LibraryModel]] = {}
        self._plans: dict[str, tuple[float, int]] = {}

    async def all(self, request: Request) -> Response:
        """GET /v1/models."""
        try:
            models = await self._library.list()
            rows = await asyncio.gather(*(self._row(model) for model in models))
            rows += await self._with_files(rows, leaves_machine(request.scope))
        except Exception as error:  # the edge: every failure becomes an answer in this dialect
            return api_error(error).response()
        return JSONResponse({"object": "list", "data": rows})

    async def one(self, request: Request) -> Response:
        """GET /v1/models/ID."""
        try:
            wanted = await self.wanted(request.path_params["model_id"], None, leaves=leaves_machine(request.scope))
            row = await self._row(wanted.model)
            return JSONResponse(with_collection(row, wanted.collection) if wanted.collection else row)
        except Exception as error:  # the edge, as above
            return api_error(error).response()

    async def wanted(self, name: Any, kind: Kind | None, *, leaves: bool) -> Wanted:
        """The model, and after an @ the collection, that a body names; None takes any kind. Raises as `resolve`."""
        if isinstance(name, str) and "@" in name and kind in ("chat", None) and not await self._is_known(name):
            model_id, _, collection = name.rpartition("@")
            model = await self.resolve(model_id, "chat")
            if self._files is None or collection not in await self._files.collections(leaves=leaves):
                raise no_collection(collection)
            return Wanted(model, collection)
        return Wanted(await (self._library.get(str(name)) if kind is None else self.resolve(name, kind)))

    async def _is_known(self, model_id: str) -> bool:
        try:
            await self._get(model_id)
        except ModelsError:
            return False
        return True

    async def _with_files(self, rows: Sequence[dict[str, Any]], leaves: bool) -> list[dict[str, Any]]:
        names = await self._files.collections(leaves=leaves) if self._files is not None else []
        return [with_collection(row, name) for row in rows if row["type"] == "chat" for name in names]

    async def resolve(self, wanted: Any, kind: Kind) -> LibraryModel:
        """The model a body names by its exact id; without a name, the only one of its kind that is loaded.

        Raises ModelNotFound (which names near ids), or ApiError when it is missing or of the wrong kind.
        """
        if wanted is None or wanted == "":
            return await self._only_loaded(kind)
        if not isinstance(wanted, str) or len(wanted) > 512:
            raise ApiError(400, "'model' must be a model's id.", code="invalid_value", param="model")
        model = await self._get(wanted)
        if model.kind != kind:
            raise ApiError(
                400,
                f"{model.id!r} is a model for {USED_FOR[model.kind]}, not for {USED_FOR[kind]}.",
                code="wrong_kind_of_model",
                param="model",
            )
        return model

    async def _get(self, model_id: str) -> LibraryModel:
        """From the library, asked every KNOWN_S seconds at most: a look into the database costs time to first token."""
        known = self._known.get(model_id)
        if known is not None and time.monotonic() - known[0] < KNOWN_S:
            return known[1]
        self._known.pop(model_id, None)
        model = await self._library.get(model_id)
        self._known[model_id] = (time.monotonic(), model)
        return model

    async def _only_loaded(self, kind: Kind) -> LibraryModel:
        ready = [loaded.model_id for loaded in self._scheduler.snapshot(measured=False) if loaded.state == "ready"]
        models = [await self.resolve(model_id, kind) for model_id in ready if await self._is(model_id, kind)]
        if len(models) == 1:
            return models[0]
        raise ApiError(
            400, "'model' is required: name one that GET /v1/models lists.", code="model_required", param="model"
        )

    async def _is(self, model_id: str, kind: Kind) -> bool:
        return (await self._get(model_id)).kind == kind

    async def _row(self, model: LibraryModel) -> dict[str, Any]:
        loaded = self._scheduler.state(model.id)
        return {
            "id": model.id,
            "object": "model",
            "created": int(model.added_at),
            "owned_by": "jackdaw",
            "context_length": await self._context(model, loaded),
            "max_context_length": model.context_length or None,
            "loaded": loaded.state == "ready",
            "state": loaded.state,
            "type": model.kind,
            "capabilities": capabilities(model),
        }

    async def _context(self, model: LibraryModel, loaded: LoadedModel) -> int | None:
        """Allocated tokens per request: the child's own number, else what a load would allocate now."""
        if loaded.allocated_context is not None:
            return loaded.allocated_context
        known = self._plans.get(model.id)
        if known is not None and time.monotonic() - known[0] < PLAN_S:
            return known[1]
        try:
            plan, _ = await self._scheduler.plan(model.id)
        except (EngineError, ModelsError):
            return None  # it cannot be loaded as things are
        self._plans[model.id] = (time.monotonic(), plan.context)
        return plan.context


def with_collection(row: dict[str, Any], collection: str) -> dict[str, Any]:
    """The row of a model that answers from a collection."""
    return {**row, "id": f"{row['id']}@{collection}", "collection": collection}


def leaves_machine(scope: MutableMapping[str, Any]) -> bool:
    """Whether the answer to this request goes to another machine; the control socket's never do."""
    client = scope.get("client")
    if not client:
        return False
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False  # a Unix socket has no address
    return not (getattr(address, "ipv4_mapped", None) or address).is_loopback


def capabilities(model: LibraryModel) -> list[str]:
    """What a client may ask of the model, in the words clients look for."""
    if model.kind != "chat":
        return [model.kind]
    found = ["completion"]
    if model.has_chat_template:
        found += ["chat", "tools"]
    return [*found, "insert"] if model.supports_infill else found
