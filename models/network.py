"""The one place that reaches out of this machine: every HTTP client for the outside is made here.

What is refused is refused below the clients, at each single request and redirect, so that no caller can forget it:
everything while the air gap is on (also when it is switched on in the middle of an answer), plain http except to this
machine, and a redirect from a public host to this machine or its network. A token travels to the configured endpoint
and nowhere else. Neither proxies nor certificates nor tokens come from the environment.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import httpx

from models.errors import AirGapped, NetworkError, Offline, RedirectRefused

DEFAULT_ENDPOINT = "https://huggingface.co"
USER_AGENT = "jackdaw"
CONNECT_TIMEOUT_S = 10.0
STALL_TIMEOUT_S = 30.0
MAX_REDIRECTS = 5
MAX_REDIRECT_BYTES = 64 << 10
_OF_A_BODY = frozenset({"content-length", "content-encoding", "transfer-encoding"})
MAX_CONNECTIONS = 32
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")

# For callers that handle a transfer's failures: they need the names of these, and no client of their own.
Request = httpx.Request
Response = httpx.Response
AsyncClient = httpx.AsyncClient
Client = httpx.Client
TransportError = httpx.TransportError
URL = httpx.URL
InvalidURL = httpx.InvalidURL
TooManyRedirects = httpx.TooManyRedirects


@dataclass(frozen=True)
class NetworkRules:
    """What the settings say. `proxy` is "" for none, else an http URL: https goes through it by CONNECT, unopened."""

    endpoint: str = DEFAULT_ENDPOINT
    proxy: str = ""
    air_gapped: bool = False


class Network:
    """Makes the HTTP clients. `rules` is asked at every request: a change of the settings counts at once."""

    def __init__(self, rules: Callable[[], NetworkRules]) -> None:
        self._rules = rules
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = threading.Lock()

    @property
    def rules(self) -> NetworkRules:
        return self._rules()

    @property
    def endpoint(self) -> str:
        """The Hub's address, without a slash at the end."""
        return self.rules.endpoint.rstrip("/") or DEFAULT_ENDPOINT

    @property
    def host(self) -> str:
        """The Hub's host, for messages."""
        return httpx.URL(self.endpoint).host

    def check(self, url: str | httpx.URL) -> None:
        """Raise AirGapped or RedirectRefused when a request to `url` would be refused now."""
        refuse(httpx.URL(url), self.rules)

    def is_endpoint(self, url: str | httpx.URL) -> bool:
        """Whether `url` has exactly the scheme, host and port of the endpoint: only then may a token go there."""
        return origin(httpx.URL(url)) == origin(httpx.URL(self.endpoint))

    def client(self, *, connect_s: float = CONNECT_TIMEOUT_S, stall_s: float = STALL_TIMEOUT_S) -> httpx.Client:
        """A client for threads; close it. `stall_s` is the longest silence in an answer, not its whole time."""
        return httpx.Client(
            transport=_Guard(self),
            timeout=_timeout(connect_s, stall_s),
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            trust_env=False,
            headers={"user-agent": USER_AGENT},
        )

    def async_client(
        self, *, connect_s: float = CONNECT_TIMEOUT_S, stall_s: float = STALL_TIMEOUT_S
    ) -> httpx.AsyncClient:
        """The same for an event loop; close it with aclose."""
        return httpx.AsyncClient(
            transport=_AsyncGuard(self),
            timeout=_timeout(connect_s, stall_s),
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            trust_env=False,
            headers={"user-agent": USER_AGENT},
        )

    def async_transport(self) -> httpx.AsyncBaseTransport:
        """What carries the requests of `async_client`, for a library that makes its own client around one.

        That client must be given `trust_env=False`, and the time limits of `timeout`.
        """
        return _AsyncGuard(self)

    @staticmethod
    def timeout(stall_s: float = STALL_TIMEOUT_S) -> httpx.Timeout:
        """The time limits of the clients made here."""
        return _timeout(CONNECT_TIMEOUT_S, stall_s)

    def tls(self) -> ssl.SSLContext:
        """Verifies certificates and host names; made once, because reading the authorities takes 20 ms."""
        with self._tls_lock:
            if self._tls is None:
                self._tls = httpx.create_ssl_context(trust_env=False)
            return self._tls

    def admit(self, request: httpx.Request) -> str:
        """Check one request and take the token off it where it does not belong; returns the proxy to use, or ""."""
        rules = self.rules
        refuse(request.url, rules)
        if "authorization" in request.headers and origin(request.url) != origin(httpx.URL(rules.endpoint)):
            del request.headers["authorization"]
        return "" if is_loopback(request.url.host) else _usable(rules.proxy)


def refuse(url: httpx.URL, rules: NetworkRules) -> None:
    """Raise when `url` may not be asked under `rules`. Pure.

    Raises AirGapped; RedirectRefused for anything but https (and http to this machine), for names and passwords in
    the address, and for an address of this machine or a private network when the endpoint is a public one.
    """
    _keep_gap(url, rules)
    if not _has_name(url) or url.scheme not in ("http", "https"):
        raise RedirectRefused(f"{url} is no address on the web.", hint="Check the setting hub_endpoint.")
    if url.userinfo:
        raise RedirectRefused(f"An address on {url.host} holds a name or a password; such addresses are not asked.")
    if url.scheme == "http" and not is_loopback(url.host):
        raise RedirectRefused(
            f"{url.host} was to be asked without encryption; that is refused.", hint="Use an https address."
        )
    home = httpx.URL(rules.endpoint)
    if url.host != home.host and _is_private(url.host) and not _is_private(home.host):
        raise RedirectRefused(f"{home.host} pointed to {url.host} in your own network; that is refused.")


def _keep_gap(url: httpx.URL, rules: NetworkRules) -> None:
    if rules.air_gapped:
        raise AirGapped(
            f"Jackdaw is air-gapped: nothing is sent to {url.host if _has_name(url) else 'the network'}.",
            hint="The setting air_gapped does that: `jackdaw config air_gapped=false`.",
        )


def _has_name(url: httpx.URL) -> bool:
    """Whether there is a host that can be looked up: Python's resolver raises no OSError for other names."""
    try:
        return bool(url.host.encode("idna"))
    except UnicodeError:
        return False


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port, the default port filled in."""
    return url.scheme, url.host.lower(), url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its text alone: 127.0.0.0/8, ::1 or localhost."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _is_private(host: str) -> bool:
    address = _address(host)
    return is_loopback(host) if address is None else not address.is_global


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def no_answer(error: httpx.HTTPError, url: str | httpx.URL) -> NetworkError:
    """What a failed request means, said to people. A TransportError becomes Offline with its host."""
    host = httpx.URL(url).host
    if isinstance(error, httpx.TooManyRedirects):
        return RedirectRefused(f"{host} pointed from one address to the next more than {MAX_REDIRECTS} times.")
    if (doubt := _certificate_problem(error)) is not None:
        return _not_trusted(host, doubt)
    if isinstance(error, httpx.ConnectTimeout):
        reason = f"did not answer within {CONNECT_TIMEOUT_S:.0f} s"
    elif isinstance(error, httpx.TimeoutException):
        reason = f"fell silent for {STALL_TIMEOUT_S:.0f} s"
    elif isinstance(error, httpx.ConnectError):
        reason = "cannot be reached"
    elif isinstance(error, httpx.ProxyError):
        reason = "cannot be reached through the proxy"
    else:
        reason = "broke the connection off"
    detail = _ERRNO.sub("", str(error)).strip(" .")
    return Offline(
        f"{host} {reason}{f': {detail}' if detail and len(detail) < 120 else ''}.",
        host=host,
        hint="Check the network, and the settings hub_endpoint and proxy.",
    )


def _certificate_problem(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _not_trusted(host: str, doubt: ssl.SSLCertVerificationError) -> NetworkError:
    # Not Offline: it does not pass by itself, and asking again would only ask whoever is in between.
    return NetworkError(
        f"{host} showed a certificate that is not trusted ({doubt.verify_message.strip(' .')}); nothing was sent.",
        hint="Somebody may stand between you and the Hub. Check the settings hub_endpoint and proxy, and the clock.",
    )


def _of_proxy(error: httpx.TransportError, proxy: str) -> httpx.TransportError | None:
    """The failure of the proxy, if it is one: what cannot be reached is the proxy, unless a certificate is wrong."""
    dialled = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    if not proxy or not dialled or _certificate_problem(error) is not None:
        return None
    reason = "no answer" if isinstance(error, httpx.ConnectTimeout) else str(error).strip(" .")
    return proxy_failed(proxy, reason)


def proxy_failed(proxy: str | httpx.URL, reason: str) -> httpx.ProxyError:
    """The failure of a proxy, which names it and not what was asked for through it."""
    return httpx.ProxyError(f"{httpx.URL(proxy).host}: {reason}" if reason else httpx.URL(proxy).host)


def _timeout(connect_s: float, stall_s: float) -> httpx.Timeout:
    return httpx.Timeout(stall_s, connect=connect_s)


def _limits() -> httpx.Limits:
    return httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=8, keepalive_expiry=30.0)


def _usable(proxy: str) -> str:
    """`proxy` itself. Raises NetworkError unless questions and files can both go through it: http alone, or none."""
    try:
        url = httpx.URL(proxy)
        if not proxy or (url.scheme == "http" and url.host):
            return proxy
    except (httpx.InvalidURL, UnicodeError):
        pass
    raise NetworkError("The proxy of the settings cannot be used.", hint="It looks like http://proxy.example:3128.")


class _Guard(httpx.BaseTransport):
    """One transport per proxy, each made at the first request that needs it, behind the network's check."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inner: dict[str, httpx.HTTPTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._network.admit(request)
        try:
            response = self._transport(proxy).handle_request(request)
        except httpx.TransportError as error:
            if (of_proxy := _of_proxy(error, proxy)) is not None:
                raise of_proxy from error
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _WatchedStream(response.stream, self._network, request.url)
        return _without_body(response) if response.has_redirect_location else response

    def _transport(self, proxy: str) -> httpx.HTTPTransport:
        with self._lock:
            if proxy not in self._inner:
                self._inner[proxy] = self._make(proxy)
            return self._inner[proxy]

    def _make(self, proxy: str) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(verify=self._network.tls(), trust_env=False, limits=_limits(), proxy=proxy or None)

    def close(self) -> None:
        for transport in self._inner.values():
            transport.close()


class _AsyncGuard(httpx.AsyncBaseTransport):
    """The same for an event loop."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inner: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._network.admit(request)
        try:
            response = await self._transport(proxy).handle_async_request(request)
        except httpx.TransportError as error:
            if (of_proxy := _of_proxy(error, proxy)) is not None:
                raise of_proxy from error
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _WatchedAsyncStream(response.stream, self._network, request.url)
        return await _without_body_async(response) if response.has_redirect_location else response

    def _transport(self, proxy: str) -> httpx.AsyncHTTPTransport:
        if proxy not in self._inner:
            self._inner[proxy] = httpx.AsyncHTTPTransport(
                verify=self._network.tls(), trust_env=False, limits=_limits(), proxy=proxy or None
            )
        return self._inner[proxy]

    async def aclose(self) -> None:
        for transport in self._inner.values():
            await transport.aclose()


def _without_body(response: httpx.Response) -> httpx.Response:
    """A redirect whose body was read up to a limit: httpx reads it whole, and unpacks it, before it goes on."""
    with contextlib.closing(response):
        _drain(response.iter_raw())
    return _bare(response)


def _drain(chunks: Iterator[bytes]) -> None:
    left = MAX_REDIRECT_BYTES
    for chunk in chunks:  # to the end when it is short: then the connection can be used again
        left -= len(chunk)
        if left < 0:
            return


async def _without_body_async(response: httpx.Response) -> httpx.Response:
    left = MAX_REDIRECT_BYTES
    async with contextlib.aclosing(response):
        async for chunk in response.aiter_raw():
            left -= len(chunk)
            if left < 0:
                break
    return _bare(response)


def _bare(response: httpx.Response) -> httpx.Response:
    kept = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_A_BODY]
    return httpx.Response(response.status_code, headers=kept, extensions=response.extensions)


class _WatchedStream(httpx.SyncByteStream):
    """An answer that ends with AirGapped when the air gap is switched on while it comes."""

    def __init__(self, stream: httpx.SyncByteStream, network: Network, url: httpx.URL) -> None:
        self._stream = stream
        self._network = network
        self._url = url

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            _keep_gap(self._url, self._network.rules)
            yield chunk

    def close(self) -> None:
        self._stream.close()


class _WatchedAsyncStream(httpx.AsyncByteStream):
    """The same for an event loop."""

    def __init__(self, stream: httpx.AsyncByteStream, network: Network, url: httpx.URL) -> None:
        self._stream = stream
        self._network = network
        self._url = url

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            _keep_gap(self._url, self._network.rules)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
