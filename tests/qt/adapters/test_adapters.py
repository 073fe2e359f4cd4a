"""Adapters beside a model: which can be attached, and what switching and moving tells."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.adapters.rows import AdapterList
from desktop.qt.adapters.uses import rows_of, with_use
from desktop.qt.theme import Theme
from desktop.wire import AdapterUse
from desktop.wire_models import Adapter
from tests.qt.accessible import too_small, unnamed


def adapter(name: str, *models: str) -> Adapter:
    return Adapter(
        id=name, name=name.title(), path=f"/a/{name}.gguf", arch="llama", bytes=9, rank=8, fits_models=[*models]
    )


ADAPTERS = [adapter("other", "big"), adapter("poet", "small"), adapter("coder", "small", "big")]
USES = [AdapterUse(id="poet", scale=0.5)]


def test_attached_ones_come_first_and_those_of_other_models_last_with_the_reason() -> None:
    rows = rows_of(ADAPTERS, USES, "small")

    assert [(row.id, row.attached, row.scale, bool(row.problem)) for row in rows] == [
        ("poet", True, 0.5, False),
        ("coder", False, 1.0, False),
        ("other", False, 1.0, True),
    ]


@pytest.mark.parametrize(
    ("adapter_id", "scale", "after"),
    [
        ("poet", 2.0, [("poet", 2.0)]),
        ("poet", None, []),
        ("coder", 1.0, [("poet", 0.5), ("coder", 1.0)]),
        ("coder", None, [("poet", 0.5)]),
    ],
)
def test_one_use_changes_and_the_others_stay(
    adapter_id: str, scale: float | None, after: list[tuple[str, float]]
) -> None:
    assert [(use.id, use.scale) for use in with_use(USES, adapter_id, scale)] == after


@pytest.fixture
def shown(qtbot: QtBot, theme: Theme, window: QWidget) -> AdapterList:
    adapters = AdapterList(theme, removable=True)
    adapters.setParent(window)
    adapters.show_adapters(ADAPTERS, USES, "small")
    adapters.setGeometry(20, 20, 320, 400)
    adapters.show()
    return adapters


def test_switching_one_on_tells_all_uses_and_shows_its_strength(qtbot: QtBot, shown: AdapterList) -> None:
    item = shown.items["coder"]
    assert not item.scale.isVisible()
    with qtbot.waitSignal(shown.changed) as changed:
        qtbot.keyClick(item.switch, Qt.Key.Key_Space)

    assert [(use.id, use.scale) for use in changed.args[0]] == [("poet", 0.5), ("coder", 1.0)]
    assert item.scale.isVisible()


def test_moving_the_strength_is_told_once_it_rests(qtbot: QtBot, shown: AdapterList) -> None:
    slider = shown.items["poet"].scale.slider
    with qtbot.waitSignal(shown.changed) as changed:
        for _ in range(5):
            qtbot.keyClick(slider, Qt.Key.Key_Right)

    assert [(use.id, use.scale) for use in changed.args[0]] == [("poet", 0.75)]


def test_an_adapter_of_another_model_cannot_be_attached(shown: AdapterList) -> None:
    assert not shown.items["other"].switch.isEnabled()


def test_a_strength_beyond_the_slider_is_kept(qtbot: QtBot, shown: AdapterList) -> None:
    shown.show_adapters(ADAPTERS, [AdapterUse(id="poet", scale=5.0)], "small")

    assert shown.items["poet"].scale.value == 5.0


def test_every_control_has_a_name_and_the_size_of_a_target(shown: AdapterList) -> None:
    assert not unnamed(shown) and not too_small(shown)
