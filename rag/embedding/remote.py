"""How an embedding server is reached: by the one network of ours, with that server in the place of the Hub.

So its key goes to its own address and nowhere else, plain http is for this machine alone, and redirects are not
followed. With the air gap on a server on this machine may still be asked; everything else is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from models.errors import ModelsError
from models.network import URL, InvalidURL, Network, NetworkRules, is_loopback
from rag.errors import EmbedderFailed, EmbedderMissing

# A large batch on a slow machine computes for long before the first byte.
STALL_S = 300.0


def network_for(url: str, rules: Callable[[], NetworkRules]) -> Network:
    """The network in which `url` is home. Raises EmbedderMissing when it is no address."""
    try:
        host = URL(url).host
    except InvalidURL as error:
        raise EmbedderMissing(f"{url} is no address.", hint="It looks like http://127.0.0.1:8080/v1.") from error
    here = is_loopback(host)

    def of_server() -> NetworkRules:
        general = rules()
        return replace(general, endpoint=url, air_gapped=general.air_gapped and not here)

    return Network(of_server)


def is_here(url: str) -> bool:
    """Whether a server is on this machine, so that texts do not leave it."""
    try:
        return is_loopback(URL(url).host)
    except InvalidURL:
        return False


def check_reachable(network: Network) -> None:
    """Raise EmbedderMissing, in the words of the rule, when the server may not be asked now."""
    try:
        network.check(network.endpoint)
    except ModelsError as error:
        raise EmbedderMissing(error.message, hint=error.hint) from error


def failed(name: str, error: Exception) -> EmbedderFailed:
    """What a server's failure means, said to people."""
    message = getattr(error, "message", "") or str(error) or type(error).__name__
    return EmbedderFailed(f"{name} gave no vectors: {message}", hint=getattr(error, "hint", "") or "Is it running?")
