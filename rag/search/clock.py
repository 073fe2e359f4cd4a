"""How long the stages of a search take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rag.search.types import Stage


@dataclass(slots=True)
class Clock:
    """Times stages one after the other; those that run at the same time bring their own time."""

    began: float = field(default_factory=time.perf_counter)
    stages: list[Stage] = field(default_factory=list)
    _last: float = field(default_factory=time.perf_counter)

    def stage(self, name: str, candidates: int, note: str = "", *, took_ms: float | None = None) -> None:
        """Note a stage that ends now, with what is left of the candidates."""
        now = time.perf_counter()
        self.stages.append(Stage(name, (now - self._last) * 1e3 if took_ms is None else took_ms, candidates, note))
        self._last = now

    def total_ms(self) -> float:
        return (time.perf_counter() - self.began) * 1e3
