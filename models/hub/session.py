"""huggingface_hub on our own network: it names routes and reads answers, our factory makes every request.

huggingface_hub takes its HTTP client from a factory that is one per process. Ours makes a client whose transport looks
up the call it works for; outside such a call it refuses, so that no library reaches the Hub behind our back. Limits,
redirects and tokens are decided in models/network.py. Failures the library would retry by itself, sleeping (up to six
requests for one 429), become errors of ours in the transport and pass through it at once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from models.errors import AirGapped, HubError, HubTrouble
from models.hub.answer import fetch
from models.hub.failures import failure

if TYPE_CHECKING:
    import httpx2

# Of the library's own request headers; the rest tells about this machine (it lists the versions of what is installed).
FORWARDED = ("accept", "authorization")
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_IMPORT_LOCK = threading.Lock()


@dataclass
class Call:
    """One call into huggingface_hub: with which client, for which repository, and what its transport saw."""

    client: httpx.Client
    endpoint: str
    repo: str = ""
    has_token: bool = False
    extra: dict[str, str] = field(default_factory=dict)  # query parameters its methods do not offer
    next_cursor: str = ""  # of the last page

    def failure(self, status: int, headers: Mapping[str, str]) -> HubError:
        """What an answer with `status` of 400 or above means here."""
        host = httpx.URL(self.endpoint).host
        found = failure(status, headers, endpoint=self.endpoint, host=host, repo=self.repo, has_token=self.has_token)
        return found or HubTrouble(f"{host} sent something that is not an answer.", status=status)


_CURRENT: ContextVar[Call | None] = ContextVar("hub_call", default=None)


@contextlib.contextmanager
def calling(call: Call) -> Iterator[Library]:
    """The library, with every request it makes in this thread going through `call`."""
    with _IMPORT_LOCK:
        library = _library()
    before = _CURRENT.set(call)
    try:
        yield library
    finally:
        _CURRENT.reset(before)


class Library(NamedTuple):
    """What is used of huggingface_hub."""

    HfApi: Any
    HfHubHTTPError: Any  # has the response
    HFValidationError: Any


@functools.cache
def _library() -> Library:
    """huggingface_hub, imported when it is first needed and with our factory in place."""
    with _without_wishes():
        from huggingface_hub import HfApi, set_client_factory
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    set_client_factory(_make_client)
    return Library(HfApi, HfHubHTTPError, HFValidationError)


@contextlib.contextmanager
def _without_wishes() -> Iterator[None]:
    """The environment without what the library reads at import: endpoints, tokens, offline, time limits."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("HF_", "HUGGING"))}
    taken.update({name: os.environ.pop(name) for name in ("TRANSFORMERS_OFFLINE",) if name in os.environ})
    ours = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
        os.environ.update(taken)


def _make_client() -> httpx2.Client:
    import httpx2

    class Bridge(httpx2.BaseTransport):
        """Hands the library's requests to the client of the current call."""

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            call = _CURRENT.get()
            if call is None:
                raise AirGapped(f"Nobody of us asked for {request.url.host}; the request was refused.")
            return _pass_on(call, request)

    return httpx2.Client(transport=Bridge(), trust_env=False, timeout=None, follow_redirects=False)


def _pass_on(call: Call, request: httpx2.Request) -> httpx2.Response:
    import httpx2

    url = httpx.URL(str(request.url))
    if call.extra:
        url = url.copy_merge_params(call.extra)
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    answer = fetch(call.client, request.method, str(url), headers=headers)
    if answer.status in RETRIED:
        refused = failure(
            answer.status,
            answer.headers,
            endpoint=call.endpoint,
            host=url.host,
            repo=call.repo,
            has_token=call.has_token,
        )
        assert refused is not None
        raise refused
    call.next_cursor = _cursor(answer.headers)
    kept = {
        name: value
        for name, value in answer.headers.items()
        if name not in ("content-encoding", "content-length", "transfer-encoding")
    }
    return httpx2.Response(answer.status, headers=kept, content=answer.body, request=request)


def _cursor(headers: httpx.Headers) -> str:
    """The `cursor` of the next page, from a Link header such as `<https://…?cursor=abc>; rel="next"`."""
    answer = httpx.Response(200, headers=headers)
    address = answer.links.get("next", {}).get("url", "")
    try:
        return str(httpx.URL(address).params.get("cursor", ""))
    except httpx.InvalidURL:
        return ""
