"""The Hub as the rest of Jackdaw sees it: search, a repository, its card, a file's header, whose token it is.

huggingface_hub knows the routes and reads the answers; requests are made by models/network.py. Every method works in a
thread and raises ModelsError only: AirGapped, Offline, TooLarge, RedirectRefused, UnsafeName, or a HubError.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from models.errors import HubError, HubTrouble, LicenceNeeded, LoginNeeded, UnsafeName
from models.hub.answer import MAX_CARD_BYTES, fetch
from models.hub.card import readable_card
from models.hub.failures import failure
from models.hub.names import check_commit, check_file_name, check_repo_id, check_revision
from models.hub.remote_header import RemoteHeader, RemoteSource, file_url, read_remote_header
from models.hub.rows import repo_row, search_row
from models.hub.session import Call, calling
from models.hub.types import MAX_LIMIT, Access, HubModel, HubPage, HubQuery, HubUser, RepoInfo
from models.network import Network

T = TypeVar("T")

# Our tasks as filters of the Hub; what it does not know by a task of its own is narrowed by a tag.
TASK_FILTERS = {
    "chat": ("text-generation",),
    "code": ("text-generation", "code"),
    "autocomplete": ("text-generation", "code"),
    "embedding": ("feature-extraction",),
    "rerank": ("text-ranking",),
    "vision": ("image-text-to-text",),
}
SORTS = {"downloads": "downloads", "likes": "likes", "updated": "last_modified", "trending": "trending_score"}
# What a row of a search is made of; asking for it by name keeps a page at 60 KB instead of 1 MB.
EXPAND = (
    "author", "cardData", "config", "downloads", "gated", "gguf", "lastModified", "library_name", "likes",
    "pipeline_tag", "safetensors", "tags",
)  # fmt: skip
# The Hub cannot filter by architecture: so many pages are looked through for one page of results.
MAX_PAGES = 5
MAX_HEADERS = 64


class Hub:
    """One endpoint. `token` is asked at every request; close() ends its connections."""

    def __init__(self, network: Network, token: Callable[[], str | None]) -> None:
        self._network = network
        self._token = token
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()
        self._headers: OrderedDict[tuple[str, str, str], RemoteHeader] = OrderedDict()

    async def search(self, query: HubQuery) -> HubPage:
        """Repositories that match, at most MAX_LIMIT; rows with names that are unsafe here are left out."""
        return await asyncio.to_thread(self._search, query)

    async def repo(self, repo_id: str, revision: str = "main") -> RepoInfo:
        """A repository at the newest commit of `revision`, with its files grouped to variants."""
        check_repo_id(repo_id)
        check_revision(revision)
        return await asyncio.to_thread(self._repo, repo_id, revision)

    async def card(self, repo_id: str, commit: str = "") -> str:
        """README.md as Markdown that stands by itself, "" when there is none; `commit` defaults to the newest."""
        check_repo_id(repo_id)
        at = check_commit(commit) if commit else (await self.repo(repo_id)).commit
        return await asyncio.to_thread(self._card, repo_id, at)

    async def remote_header(self, repo_id: str, commit: str, file: str, *parts: str) -> RemoteHeader:
        """The header of a GGUF file, read by range requests; `parts` are the further files of a split model.

        Of a split model it is the first part's, with all tensors and the size of all files. Raises BadGguf when a
        file would be refused here, too.
        """
        read = [await self._one_header(repo_id, commit, name) for name in (file, *parts)]
        header = dataclasses.replace(
            read[0].header,
            tensors=tuple(tensor for one in read for tensor in one.header.tensors),
            file_bytes=sum(one.header.file_bytes for one in read),
        )
        return RemoteHeader(header, sum(one.bytes_read for one in read))

    async def _one_header(self, repo_id: str, commit: str, file: str) -> RemoteHeader:
        # Remembered, because a commit does not change: a slider asks for the same header again and again.
        key = check_repo_id(repo_id), check_commit(commit), check_file_name(file)
        if (known := self._headers.get(key)) is not None:
            self._headers.move_to_end(key)
            return known
        found = await asyncio.to_thread(self._remote_header, *key)
        self._headers[key] = found
        while len(self._headers) > MAX_HEADERS:
            self._headers.popitem(last=False)
        return found

    async def whoami(self) -> HubUser:
        """Whose token it is. Raises LoginNeeded without one, or when the Hub does not accept it."""
        return await asyncio.to_thread(self._whoami)

    def close(self) -> None:
        """End the connections; a later call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _http(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = self._network.client()
            return self._client

    @contextlib.contextmanager
    def _api(self, repo: str = "", **extra: str) -> Iterator[tuple[Any, Call]]:
        """huggingface_hub's HfApi for one call, with its failures turned into ours."""
        endpoint, token = self._network.endpoint, self._token()
        self._network.check(endpoint)  # before the library is imported: refused within a moment, too
        call = Call(self._http(), endpoint, repo, bool(token), {name: value for name, value in extra.items() if value})
        with calling(call) as hub:
            try:
                yield hub.HfApi(endpoint=endpoint, token=token or False), call
            except hub.HfHubHTTPError as error:
                raise call.failure(error.response.status_code, error.response.headers) from error
            except hub.HFValidationError as error:
                raise UnsafeName(f"The Hub's library refuses the name: {error}.") from error
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                # Its readers believe the answer; whatever they stumble over, it was no answer of a Hub.
                raise HubTrouble(f"{self._network.host} sent something that is not an answer.", status=200) from error

    def _search(self, query: HubQuery) -> HubPage:
        found: list[HubModel] = []
        cursor, wanted = query.next, min(max(query.limit, 1), MAX_LIMIT)
        for _ in range(MAX_PAGES if query.architecture else 1):
            page, cursor = self._page(query, cursor, MAX_LIMIT if query.architecture else wanted)
            found += [model for model in page if _has_architecture(model, query.architecture)]
            if not cursor or len(found) >= wanted:
                break
        return HubPage(tuple(found), cursor)

    def _page(self, query: HubQuery, cursor: str, limit: int) -> tuple[list[HubModel], str]:
        filters = [*TASK_FILTERS.get(query.task, (query.task,) if query.task else ())]
        filters += [query.format] if query.format != "any" else []
        filters += [f"license:{query.licence.lower()}"] if query.licence else []
        with self._api(cursor=cursor) as (api, call):
            listed = api.list_models(
                search=query.words or None,
                author=query.author or None,
                filter=filters or None,
                sort=SORTS[query.sort],
                limit=limit,
                expand=list(EXPAND),
            )
            rows = []
            for info in listed:
                with contextlib.suppress(UnsafeName):
                    rows.append(search_row(info))
            return rows, call.next_cursor

    def _repo(self, repo_id: str, revision: str) -> RepoInfo:
        with self._api(repo_id) as (api, call):
            info = api.model_info(repo_id, revision=revision, files_metadata=True)
            gated = bool(info.gated)
            return repo_row(info, endpoint=call.endpoint, access=self._access(api, call) if gated else "open")

    def _access(self, api: Any, call: Call) -> Access:
        """Whether this token may fetch from a gated repository: its facts are public, its files are not."""
        try:
            api.auth_check(call.repo)
        except Exception as error:
            response = getattr(error, "response", None)
            if response is None:
                raise
            refused = call.failure(response.status_code, response.headers)
            if isinstance(refused, LicenceNeeded):
                return "accept_licence"
            if isinstance(refused, LoginNeeded):
                return "log_in"
            raise
        return "granted"

    def _card(self, repo_id: str, commit: str) -> str:
        endpoint = self._network.endpoint
        url = file_url(endpoint, repo_id, commit, "README.md")
        answer = fetch(self._http(), "GET", url, headers=self._authorization(), max_bytes=MAX_CARD_BYTES)
        if answer.status == 404 and answer.headers.get("x-error-code") == "EntryNotFound":
            return ""
        if answer.status >= 400:
            raise self._failure(repo_id, answer.status, answer.headers)
        text = answer.body.decode("utf-8", errors="replace")
        return readable_card(text, endpoint=endpoint, repo=repo_id, commit=commit)

    def _remote_header(self, repo_id: str, commit: str, file: str) -> RemoteHeader:
        return read_remote_header(
            RemoteSource(
                client=self._http(),
                url=file_url(self._network.endpoint, repo_id, commit, file),
                name=file,
                headers=self._authorization(),
                failure=lambda status, headers: self._failure(repo_id, status, headers),
            )
        )

    def _whoami(self) -> HubUser:
        if not self._token():
            raise LoginNeeded("There is no token for the Hub.", hint="Log in with `jackdaw hub login`.")
        with self._api() as (api, _):
            said = api.whoami()
            return HubUser(str(said["name"])[:200], str(said.get("fullname") or "")[:200])

    def _authorization(self) -> dict[str, str]:
        token = self._token()
        return {"authorization": f"Bearer {token}"} if token else {}

    def _failure(self, repo: str, status: int, headers: httpx.Headers) -> HubError:
        network = self._network
        found = failure(
            status, headers, endpoint=network.endpoint, host=network.host, repo=repo, has_token=bool(self._token())
        )
        return found or HubTrouble(f"{network.host} sent something that is not an answer.", status=status)


def _has_architecture(model: HubModel, architecture: str) -> bool:
    wanted = architecture.lower()
    return not wanted or model.architecture.lower() == wanted or wanted in (tag.lower() for tag in model.tags)
