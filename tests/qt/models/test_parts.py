"""Inspector, reader, dialogs: given what the service would send."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from desktop.qt.models.cost_bar import CostBar, parts_of
from desktop.qt.models.facts import Fact, Facts, LinkButton
from desktop.qt.models.fit_controls import FitControls
from desktop.qt.models.merge_dialog import MergeDialog
from desktop.qt.models.variant_list import VariantList
from desktop.qt.models.welcome import Welcome
from desktop.qt.theme import Theme
from desktop.wire_models import DeviceNeed, Duplicate, ModelOptions
from tests.qt.accessible import name_of, too_small, unnamed
from tests.qt.models.samples import GB, a_fit, a_model, a_variant


def test_variants_begin_at_the_recommended_one_and_move_by_keys(theme: Theme, window: object, qtbot: QtBot) -> None:
    variants = VariantList(theme, window)  # type: ignore[arg-type]
    variants.resize(300, 300)
    variants.show()
    chosen: list[str] = []
    taken: list[str] = []
    variants.chosen.connect(chosen.append)
    variants.taken.connect(taken.append)

    variants.show_variants(
        [a_variant("Q8_0", 15 * GB), a_variant("Q4_K_M", 9 * GB, recommended=True), a_variant("Q2_K", 5 * GB)], 16 * GB
    )
    qtbot.keyClick(variants, Qt.Key.Key_Down)
    qtbot.keyClick(variants, Qt.Key.Key_Return)

    assert chosen == ["Q4_K_M", "Q2_K"] and taken == ["Q2_K"]
    spoken = variants.variants.index(1).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "Q4_K_M, recommended, 9.00 GB, tight, What Q4_K_M means."
    variants.variants.take_fit("Q4_K_M", a_fit("fits", speed=9.0))
    assert "fits, 9 tok/s" in variants.variants.index(1).data(Qt.ItemDataRole.AccessibleTextRole)


def test_a_bar_of_costs_names_each_part(theme: Theme, qtbot: QtBot) -> None:
    need = DeviceNeed(
        device="memory", weights_bytes=5 * GB, kv_bytes=GB, total_bytes=6 * GB, free_bytes=4 * GB, size_bytes=16 * GB
    )
    bar = CostBar(theme)
    qtbot.addWidget(bar)

    bar.show_need(need)

    assert [part.words for part in parts_of(need)] == ["Weights", "Cache"]
    assert name_of(bar) == "Main memory: 6 of 16 GB"
    assert bar.accessibleDescription() == "Weights 5.00 GB, Cache 1.00 GB. 4.00 GB free."
    assert bar.grab().size() != QSize()


def test_the_slider_tells_contexts_and_automatic_is_said(theme: Theme, qtbot: QtBot) -> None:
    controls = FitControls(theme)
    qtbot.addWidget(controls)
    told: list[dict[str, object]] = []
    controls.changed.connect(told.append)
    draft = a_model("draft", params=500_000_000)
    model = a_model("large", has_projector=True)

    controls.show_model(model, [model, draft])
    controls.show_options(ModelOptions())
    controls.show_fit(a_fit("fits"))
    assert controls.context.text() == "8k tokens, automatic" and told == []
    controls.show()
    assert controls.draft.isVisible() and controls.projector.isVisible()
    assert not controls.experts.isVisible() and not controls.gpu.isVisible()

    controls.slider.setValue(controls.steps.index(16384))
    controls.draft.choose(2)
    controls.cache.choose(2)
    controls.projector.click()
    controls.slots.setValue(3)

    assert told == [
        {"context": 16384},
        {"draft_model": "draft"},
        {"cache_type_k": "q8_0", "cache_type_v": "q8_0"},
        {"projector": False},
        {"slots": 3},
    ]
    controls.set_expert_layers(48)
    assert controls.experts.isVisible()
    assert unnamed(controls) == [] and too_small(controls) == []


def test_consent_to_merge_stands_on_the_safe_side(theme: Theme, window: object, qtbot: QtBot) -> None:
    paths = [f"/store/{number}/a.gguf" for number in range(3)]
    duplicate = Duplicate(sha256="aa", bytes=GB, paths=paths, stores=["folder"], wasted_bytes=2 * GB, method="reflink")

    dialog = MergeDialog(theme, duplicate, window)  # type: ignore[arg-type]
    with qtbot.waitSignal(dialog.rejected):
        dialog.open()
        words = [name_of(label) for label in dialog.findChildren(QLabel)]
        assert all(any(path in text for text in words) for path in paths)
        qtbot.waitUntil(lambda: dialog.focusWidget() is not None)
        qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Return)


def test_facts_keep_their_rows_and_links_ask_first(theme: Theme, qtbot: QtBot) -> None:
    facts = Facts(theme)
    qtbot.addWidget(facts)
    asked: list[str] = []
    facts.link_asked.connect(asked.append)

    facts.show_facts(
        [Fact("Licence", "MIT"), Fact("Empty", ""), Fact("Source", "hub.example", link="https://hub.example/a")]
    )
    (link,) = facts.findChildren(LinkButton)
    link.click()

    assert [fact.name for fact in facts.shown] == ["Licence", "Source"]
    assert asked == ["https://hub.example/a"]


@pytest.mark.parametrize(
    ("count", "stores", "words"),
    [
        (0, [], "Models of Ollama"),
        (1, ["ollama"], "Ollama has a model"),
        (3, ["lm-studio", "ollama"], "LM Studio and Ollama have 3 models"),
    ],
)
def test_the_first_run_offers_what_is_there(
    theme: Theme, qtbot: QtBot, count: int, stores: list[str], words: str
) -> None:
    welcome = Welcome(theme)
    qtbot.addWidget(welcome)
    asked: list[str] = []
    welcome.download_asked.connect(asked.append)
    welcome.show()

    welcome.show_found(count, stores)
    welcome.show_suggestion("org/small", "Small", "fits: 3 of 16 GB")
    welcome.download.click()

    assert welcome.found.text().startswith(words)
    assert asked == ["org/small"] and not welcome.findChildren(QLineEdit)
    welcome.show_suggestion("", "", "")
    assert not welcome.download.isVisible()
    assert unnamed(welcome) == []
