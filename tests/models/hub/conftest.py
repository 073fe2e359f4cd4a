"""A fake Hub, and our client on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from models.hub.client import Hub
from models.network import Network, NetworkRules
from tests.fake_hub import FakeHub

T = TypeVar("T")


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as fake:
        fake.tokens["hf_good"] = "somebody"
        yield fake


@dataclass
class Side:
    """Our side: `ask` awaits one call of the client; rules and token may be changed in between."""

    rules: NetworkRules
    token: str | None = None
    network: Network = field(init=False)
    hub: Hub = field(init=False)

    def __post_init__(self) -> None:
        self.network = Network(lambda: self.rules)
        self.hub = Hub(self.network, lambda: self.token)

    def ask(self, call: Callable[[Hub], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run(call(self.hub))

    def change(self, **rules: Any) -> None:
        self.rules = replace(self.rules, **rules)


@pytest.fixture
def side(fake: FakeHub) -> Iterator[Side]:
    side = Side(NetworkRules(fake.endpoint))
    yield side
    side.hub.close()
