"""Groups of chats, figures, matches and the saved state of the window."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desktop.qt.chat_groups import group_of, grouped, when
from desktop.qt.figures import in_bytes, in_parameters, in_seconds, in_tokens, of_bytes, per_second
from desktop.qt.matching import best_matches, match_score
from desktop.qt.window_lock import WindowLock
from desktop.qt.window_state import WindowState, load_window_state, save_window_state
from desktop.wire import ChatSummary

NOW = datetime(2026, 3, 12, 14, 32, tzinfo=UTC)


def ago(**amount: float) -> float:
    return (NOW - timedelta(**amount)).timestamp()


@pytest.mark.parametrize(
    ("updated_at", "group"),
    [
        (ago(minutes=1), "Today"),
        (ago(hours=-5), "Today"),  # a clock that was set back
        (ago(hours=14), "Today"),
        (ago(hours=15), "Yesterday"),
        (ago(days=2), "Previous 7 days"),
        (ago(days=7), "Previous 7 days"),
        (ago(days=8), "Older"),
    ],
)
def test_a_chat_stands_under_the_day_it_was_last_used(updated_at: float, group: str) -> None:
    assert group_of(False, updated_at, NOW) == group
    assert group_of(True, updated_at, NOW) == "Pinned"


def test_groups_keep_their_order_and_leave_out_what_is_empty() -> None:
    def chat(name: str, pinned: bool, at: float) -> ChatSummary:
        return ChatSummary(id=name, title=name, pinned=pinned, model="", created_at=0, updated_at=at)

    rows = grouped(
        [
            chat("old", False, ago(days=30)),
            chat("b", False, ago(hours=2)),
            chat("a", False, ago(hours=1)),
            chat("p", True, 0),
        ],
        NOW,
    )

    assert [(name, [c.id for c in chats]) for name, chats in rows] == [
        ("Pinned", ["p"]),
        ("Today", ["a", "b"]),
        ("Older", ["old"]),
    ]


@pytest.mark.parametrize(
    ("updated_at", "text"),
    [
        (ago(minutes=1), "14:31"),
        (ago(days=1), "14:32"),
        (ago(days=3), "Mon"),
        (ago(days=30), "10 Feb"),
        (ago(days=400), "5 Feb 2025"),
    ],
)
def test_the_time_of_a_row_is_as_short_as_it_can_be(updated_at: float, text: str) -> None:
    assert when(updated_at, NOW) == text


def test_figures() -> None:
    assert [in_bytes(n) for n in (0, 912_000, 4_410_000_000, 16_000_000_000, 146_000_000)] == [
        "0 B",
        "912 kB",
        "4.41 GB",
        "16.0 GB",
        "146 MB",
    ]
    assert of_bytes(5_400_000_000, 16_000_000_000) == "5.4 of 16 GB"
    assert [in_tokens(n) for n in (0, 812, 3_410, 8_192, 32_768, 131_072, 1_000)] == [
        "0",
        "812",
        "3.4k",
        "8k",
        "32k",
        "128k",
        "1k",
    ]
    assert [in_parameters(n) for n in (7_600_000_000, 137_000_000, 260_000)] == ["7.6 B", "137 M", "260 k"]
    assert (per_second(41.84), per_second(None), per_second(0)) == ("41.8 tok/s", "", "")
    assert (in_seconds(310), in_seconds(None)) == ("0.31 s", "")


def test_matches_at_the_start_come_first_and_every_word_must_fit() -> None:
    rows = ["Open settings", "Settings of the chat", "Load a model", "New chat"]

    assert best_matches("set", rows, str, 9) == ["Settings of the chat", "Open settings"]
    assert best_matches("chat new", rows, str, 9) == ["New chat"]
    assert best_matches("", rows, str, 2) == rows[:2]
    assert match_score("zebra", "Load a model") is None


def test_the_state_of_the_window_comes_back_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    state = WindowState(x=10, y=20, width=1200, height=800, list_open=False, chat_id="abc")

    save_window_state(path, state)

    assert load_window_state(path) == state
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["window.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"width": "wide", "x": true, "height": 1e9, "new": 1}', "\x00\xff"])
def test_a_damaged_state_gives_the_defaults(tmp_path: Path, text: str) -> None:
    path = tmp_path / "window.json"
    path.write_bytes(text.encode("latin-1"))

    assert load_window_state(path) == WindowState()


def test_what_is_valid_in_a_damaged_state_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    path.write_text(json.dumps({"width": 1000, "chat_id": 7}))

    assert load_window_state(path) == WindowState(width=1000)


def test_a_state_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    save_window_state(tmp_path / "missing" / "window.json", WindowState())

    assert list(tmp_path.iterdir()) == []


def test_only_one_window_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run" / "window.lock"
    first, second = WindowLock(path), WindowLock(path)

    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()
