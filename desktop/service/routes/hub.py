"""The Hub: search, one repository, its card, one file judged by its header, and the token."""

from __future__ import annotations

import logging
from typing import cast, get_args

from desktop import wire_models as wire
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import BadRequest
from desktop.service.hub_rows import repo_row, search_page
from desktop.service.option_rows import options_of_query
from models.errors import ModelsError
from models.hub.types import MAX_LIMIT, Format, HubQuery, Sort
from models.hub.variants import recommend

log = logging.getLogger(__name__)

HUB = "/jackdaw/v1/hub"
SEARCHED_BY = ("q", "author", "task", "licence", "architecture", "sort", "limit", "next", "format")
WISHES = ("context", "slots", "cache_type_k", "cache_type_v", "gpu_layers", "cpu_expert_layers")


async def search(core: Core, call: Call) -> wire.HubSearch:
    query = call.query
    sort, limit = query.get("sort", "downloads"), query.get("limit", "20")
    form = query.get("format", "gguf")
    if form not in get_args(Format):
        raise BadRequest("bad_request", f"format must be one of {', '.join(get_args(Format))}.")
    if sort not in get_args(Sort):
        raise BadRequest("bad_request", f"sort must be one of {', '.join(get_args(Sort))}.")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MAX_LIMIT):
        raise BadRequest("bad_request", f"limit must be from 1 to {MAX_LIMIT}.")
    page = await core.tools.hub.search(
        HubQuery(
            words=query.get("q", ""),
            author=query.get("author", ""),
            task=query.get("task", ""),
            licence=query.get("licence", ""),
            architecture=query.get("architecture", ""),
            sort=cast("Sort", sort),
            limit=int(limit),
            next=query.get("next", ""),
            format=cast("Format", form),
        )
    )
    return search_page(page, await core.tools.here())


async def repo(core: Core, call: Call) -> wire.HubRepo:
    info = await core.tools.hub.repo(_named(call, "repo"), call.query.get("revision") or "main")
    sizes = await core.fitting.sizes()
    variants = recommend(info.variants, params=info.params, memory_bytes=sizes.free_bytes)
    row = repo_row(info, variants, await core.tools.here(), sizes.verdict)
    if call.query.get("fit") and info.access in ("open", "granted"):
        await _judge_all(core, row)
    return row


async def _judge_all(core: Core, row: wire.HubRepo) -> None:
    """Verdict and speed of every variant from one header of the repository: that of the recommended one.

    Without it what their sizes say stays.
    """
    read = next((variant for variant in row.variants if variant.recommended), None)
    if read is None:
        return
    try:
        found = await core.tools.hub.remote_header(row.repo, row.commit, *(file.path for file in read.files))
    except ModelsError as error:
        log.info("The header of %s of %s was not read: %s", read.name, row.repo, error)
        return
    pairs = [(variant.quant, sum(file.bytes for file in variant.files)) for variant in row.variants]
    for variant, judged in zip(row.variants, await core.fitting.of_variants(found.header, pairs), strict=True):
        variant.verdict, variant.tokens_per_s = judged.verdict, judged.tokens_per_s


async def card(core: Core, call: Call) -> wire.HubCard:
    info = await core.tools.hub.repo(_named(call, "repo"))
    return wire.HubCard(repo=info.repo, commit=info.commit, markdown=await core.tools.hub.card(info.repo, info.commit))


async def fit(core: Core, call: Call) -> wire.HubFit:
    """Of a split model any part may be named: all its parts are read, as all of them would be loaded."""
    name, file = _named(call, "repo"), _named(call, "file")
    options = options_of_query({wish: call.query[wish] for wish in WISHES if call.query.get(wish)})
    info = await core.tools.hub.repo(name, call.query.get("revision") or "main")
    variant = next((one for one in info.variants if any(part.path == file for part in one.files)), None)
    parts = [part.path for part in variant.files] if variant is not None else [file]
    read = await core.tools.hub.remote_header(info.repo, info.commit, *parts)
    header = read.header
    return wire.HubFit(
        repo=info.repo,
        file=file,
        arch=header.architecture,
        quant=header.quant,
        params=header.parameter_count,
        context_length=header.context_length,
        kind=header.kind,
        fit=await core.fitting.of_header(header, options),
        bytes_read=read.bytes_read,
    )


async def get_token(core: Core, call: Call) -> wire.HubToken:
    return await core.tools.token_keeper.row()


async def set_token(core: Core, call: Call) -> wire.HubToken:
    body = call.body(wire.HubTokenRequest)
    await core.tools.token_keeper.remember(body.token, session_only=body.session_only)
    return await core.tools.token_keeper.row()


async def forget_token(core: Core, call: Call) -> wire.HubToken:
    await core.tools.token_keeper.forget()
    return await core.tools.token_keeper.row()


def _named(call: Call, name: str) -> str:
    if not (value := call.query.get(name, "")):
        raise BadRequest("bad_request", f"The query must name the {name}.")
    return value


ROUTES = (
    ControlRoute("GET", HUB + "/search", "Search the Hub", search, answer=wire.HubSearch, query=SEARCHED_BY),
    ControlRoute(
        "GET",
        HUB + "/repo",
        "A repository and what of it suits",
        repo,
        answer=wire.HubRepo,
        query=("repo", "revision", "fit"),
    ),
    ControlRoute("GET", HUB + "/card", "A model card as Markdown", card, answer=wire.HubCard, query=("repo",)),
    ControlRoute(
        "GET",
        HUB + "/fit",
        "A file judged by its header, before it is fetched",
        fit,
        answer=wire.HubFit,
        query=("repo", "file", "revision", *WISHES),
    ),
    ControlRoute("GET", HUB + "/token", "Whether a token is known", get_token, answer=wire.HubToken),
    ControlRoute("POST", HUB + "/token", "Keep a token", set_token, wire.HubTokenRequest, wire.HubToken),
    ControlRoute("DELETE", HUB + "/token", "Forget the token", forget_token, answer=wire.HubToken),
)
