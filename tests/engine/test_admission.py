"""Who may come in, and who has to go for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.admission import Admit, Evict, Refuse, Resident, decide, usable_bytes
from engine.fit import MIB, Shape, Wishes, comfortable_context, plan_for

GIB = 1024 * MIB
MODEL = Shape("chat", "llama", 4 * GIB, 32_768, 4096, 14_336, 128_256, (8,) * 32, 128, 128)
WISHES = Wishes()


def resident(name: str, gib: float, *, idle: bool = True, last_used: float = 0.0, held: float = 1.0) -> Resident:
    needed = int(gib * GIB)
    return Resident(name, needed, int(needed * held), idle, last_used)


residents_lists = st.lists(
    st.builds(
        Resident,
        model_id=st.uuids().map(str),
        needed_bytes=st.integers(0, 20 * GIB),
        held_bytes=st.integers(0, 20 * GIB),
        idle=st.booleans(),
        last_used=st.floats(0, 1e6),
    ),
    max_size=6,
)


@given(st.integers(0, 64 * GIB), st.integers(0, GIB), residents_lists)
def test_a_verdict_is_sound(free: int, reserve: int, residents: list[Resident]) -> None:
    usable = usable_bytes(free, reserve, residents)
    verdict = decide(MODEL, WISHES, free, reserve, residents)
    by_id = {item.model_id: item for item in residents}
    all_free = usable + sum(item.freed_bytes for item in residents if item.idle)

    if isinstance(verdict, Admit):
        assert verdict.plan.needed_bytes <= usable
    elif isinstance(verdict, Evict):
        victims = [by_id[model_id] for model_id in verdict.model_ids]
        gained = usable + sum(victim.freed_bytes for victim in victims)
        assert victims
        assert all(victim.idle for victim in victims)
        assert [victim.last_used for victim in victims] == sorted(victim.last_used for victim in victims)
        assert plan_for(MODEL, WISHES, gained).needed_bytes <= gained
        for victim in victims:  # none goes in vain
            less = plan_for(MODEL, WISHES, gained - victim.freed_bytes)
            comfortable = less.context >= comfortable_context(MODEL, WISHES)
            assert not (comfortable and less.needed_bytes <= gained - victim.freed_bytes)
    else:
        assert verdict.needed_bytes > all_free
        assert verdict.free_bytes == max(0, all_free)
        assert set(verdict.holders) == {item.model_id for item in residents if not item.idle}


@given(st.integers(0, 64 * GIB), residents_lists)
def test_evicting_as_told_ends_in_a_verdict(free: int, residents: list[Resident]) -> None:
    rest = list(residents)
    for _round in range(len(residents) + 1):
        verdict = decide(MODEL, WISHES, free, 0, rest)
        if not isinstance(verdict, Evict):
            break
        for victim in [item for item in rest if item.model_id in verdict.model_ids]:
            free += victim.held_bytes
            rest.remove(victim)
    assert isinstance(verdict, Admit | Refuse)
    if rest != residents:
        assert isinstance(verdict, Admit)


def test_the_least_recently_used_goes_first() -> None:
    others = [resident("old", 6, last_used=1), resident("older", 6, last_used=0), resident("new", 6, last_used=2)]
    assert decide(MODEL, WISHES, 2 * GIB, 0, others) == Evict(("older",))


def test_a_small_model_is_spared_when_the_next_one_makes_the_room() -> None:
    others = [resident("small", 0.1, last_used=0), resident("large", 8, last_used=1)]
    assert decide(MODEL, WISHES, GIB, 0, others) == Evict(("large",))


def test_a_short_context_is_better_than_throwing_out_somebody_busy() -> None:
    verdict = decide(MODEL, WISHES, int(4.7 * GIB), 0, [resident("busy", 8, idle=False)])
    assert isinstance(verdict, Admit)
    assert 2048 <= verdict.plan.context < 8192


def test_an_idle_model_goes_for_a_comfortable_context() -> None:
    assert decide(MODEL, WISHES, int(4.7 * GIB), 0, [resident("idle", 8)]) == Evict(("idle",))


def test_what_others_have_yet_to_take_is_not_free() -> None:
    loading = [resident("loading", 6, idle=False, held=0.0)]
    verdict = decide(MODEL, WISHES, 8 * GIB, 0, loading)
    assert isinstance(verdict, Refuse)
    assert verdict.holders == ("loading",)
    assert verdict.free_bytes == 2 * GIB
    assert isinstance(decide(MODEL, WISHES, 8 * GIB, 0, [resident("loaded", 6, idle=False)]), Admit)
