"""Which branch of a chat's tree is shown."""

from __future__ import annotations

from desktop.qt.branches import newest_leaf, shown_branch, sibling_head
from desktop.wire import Message


def message(name: str, parent: str | None, role: str, at: float) -> Message:
    return Message(id=name, chat_id="c", parent_id=parent, role=role, content=name, state="complete", created_at=at)


# q1 → a1 → q2 → a2, beside a2 the second answer b2, beside q2 the edited question e2 → f2
TREE = [
    message("q1", None, "user", 1),
    message("a1", "q1", "assistant", 2),
    message("q2", "a1", "user", 3),
    message("a2", "q2", "assistant", 4),
    message("b2", "q2", "assistant", 5),
    message("e2", "a1", "user", 6),
    message("f2", "e2", "assistant", 7),
]


def ids(head: str | None) -> list[str]:
    return [shown.message.id for shown in shown_branch(TREE, head)]


def test_the_branch_leads_from_the_first_message_to_the_head() -> None:
    assert ids("b2") == ["q1", "a1", "q2", "b2"]
    assert ids("f2") == ["q1", "a1", "e2", "f2"]


def test_without_a_known_head_the_newest_message_leads() -> None:
    assert ids(None) == ids("f2")
    assert ids("gone") == ids("f2")
    assert shown_branch([], None) == []


def test_siblings_are_counted_beside_each_message() -> None:
    counts = {s.message.id: (s.index, s.count) for s in shown_branch(TREE, "b2")}

    assert counts == {"q1": (0, 1), "a1": (0, 1), "q2": (0, 2), "b2": (1, 2)}


def test_choosing_a_sibling_shows_what_was_seen_last_below_it() -> None:
    assert sibling_head(TREE, "q2", 1) == "f2"
    assert sibling_head(TREE, "e2", -1) == "b2"
    assert sibling_head(TREE, "b2", -1) == "a2"
    assert newest_leaf(TREE, "q1") == "f2"


def test_there_is_nothing_beyond_the_ends() -> None:
    assert sibling_head(TREE, "q2", -1) is None
    assert sibling_head(TREE, "e2", 1) is None
    assert sibling_head(TREE, "gone", 1) is None


def test_a_loop_in_the_parents_does_not_hang() -> None:
    loop = [message("x", "y", "user", 1), message("y", "x", "assistant", 2)]

    assert {s.message.id for s in shown_branch(loop, "x")} == {"x", "y"}
    assert newest_leaf(loop, "x") in {"x", "y"}
