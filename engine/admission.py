"""May this model be loaded now, and which idle ones have to go for it? Pure decisions of the scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.fit import Shape, Wishes, comfortable_context, plan_for
from engine.types import LoadPlan


@dataclass(frozen=True, slots=True)
class Resident:
    """A model that is loaded or being loaded. `held_bytes` is what it has taken of the free memory already.

    `needed_bytes` is its estimate: the difference is still to be taken, as its caches fill. `idle`: nobody holds it.
    """

    model_id: str
    needed_bytes: int
    held_bytes: int
    idle: bool
    last_used: float

    @property
    def outstanding_bytes(self) -> int:
        return max(0, self.needed_bytes - self.held_bytes)

    @property
    def freed_bytes(self) -> int:
        """What stopping it gives back, counting what it has not taken yet."""
        return max(self.needed_bytes, self.held_bytes)


@dataclass(frozen=True, slots=True)
class Admit:
    plan: LoadPlan


@dataclass(frozen=True, slots=True)
class Evict:
    """Stop these, least recently used first, and decide again."""

    model_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """It does not fit even without the idle ones. `free_bytes` is what could be used; `holders` hold the rest."""

    needed_bytes: int
    free_bytes: int
    holders: tuple[str, ...]


def usable_bytes(free_bytes: int, reserve_bytes: int, residents: Sequence[Resident]) -> int:
    """What a new model may take: free now, less what the others have yet to take, less the reserve; may be negative."""
    return free_bytes - reserve_bytes - sum(resident.outstanding_bytes for resident in residents)


def decide(
    shape: Shape, wishes: Wishes, free_bytes: int, reserve_bytes: int, residents: Sequence[Resident]
) -> Admit | Evict | Refuse:
    """Decide on loading one model beside `residents`.

    It comes in without evicting when it gets a comfortable context. Otherwise idle models go, least recently used
    first and no more than needed, for a comfortable context if that helps, else for any context that fits at all.
    """
    usable = usable_bytes(free_bytes, reserve_bytes, residents)
    idle = sorted((resident for resident in residents if resident.idle), key=lambda resident: resident.last_used)
    for least_context in (comfortable_context(shape, wishes), 0):
        victims = _victims(shape, wishes, usable, idle, least_context)
        if victims:
            return Evict(tuple(victim.model_id for victim in victims))
        if victims is not None:
            return Admit(plan_for(shape, wishes, usable))
    all_free = usable + sum(resident.freed_bytes for resident in idle)
    busy = tuple(resident.model_id for resident in residents if not resident.idle)
    return Refuse(plan_for(shape, wishes, all_free).needed_bytes, max(0, all_free), busy)


def _victims(
    shape: Shape, wishes: Wishes, usable: int, idle: Sequence[Resident], least_context: int
) -> list[Resident] | None:
    """The idle models to stop so that a plan of at least `least_context` fits: [] for none, None when nothing helps."""
    chosen: list[Resident] = []
    rest = list(idle)
    while not _fits(shape, wishes, usable + sum(item.freed_bytes for item in chosen), least_context):
        if not rest:
            return None
        chosen.append(rest.pop(0))
    # A small model that was older than the one that made the room need not go as well; the newest is spared first.
    for item in reversed(chosen[:-1]):
        others = [other for other in chosen if other is not item]
        if _fits(shape, wishes, usable + sum(other.freed_bytes for other in others), least_context):
            chosen = others
    return chosen


def _fits(shape: Shape, wishes: Wishes, usable: int, least_context: int) -> bool:
    plan = plan_for(shape, wishes, usable)
    return plan.needed_bytes <= usable and plan.context >= least_context
