"""The chart, the rows to tick and the results by real events."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QColor
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from desktop.qt.quantize.chart import ParetoChart
from desktop.qt.quantize.plot import ChartPoint
from desktop.qt.quantize.results import Results
from desktop.qt.quantize.type_rows import TypeRows
from desktop.qt.theme import Theme
from desktop.wire_models import Measurement, MeasurementList, PromptAnswer, QuantPick, QuantType
from tests.qt.accessible import accessible, name_of, too_small, unnamed

LEFT = Qt.MouseButton.LeftButton
SIZES = {"Q8_0": (531, 0.0008), "Q5_K_M": (360, 0.006), "Q4_K_M": (310, 0.02), "Q2_K": (240, 0.4)}


def measured() -> MeasurementList:
    rows = [
        Measurement(
            model_id=name.lower(),
            source_id="f16",
            quant=name,
            bytes=size * 10**6,
            kl_divergence=loss,
            kl_divergence_error=loss / 20,
            tokens_per_s=31.25,
            peak_bytes=size * 13 * 10**5,
        )
        for name, (size, loss) in SIZES.items()
    ]
    source = Measurement(model_id="f16", source_id="f16", quant="F16", bytes=994 * 10**6, kl_divergence=0.0)
    return MeasurementList(
        source_id="f16",
        measurements=[source, *rows],
        frontier=["q8_0", "q5_k_m", "q4_k_m"],
        pick=QuantPick(model_id="q5_k_m", reason="A third of the loss for 50 MB more."),
        answers=[PromptAnswer(model_id="q4_k_m", prompt="Say hello", answer="Hello there", same_words=1)],
    )


def show(qtbot: QtBot, window: QWidget, widget: QWidget) -> None:
    widget.setParent(window)
    widget.setGeometry(20, 20, 600, 440)
    widget.show()
    qtbot.waitExposed(window)


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible() and label.text()]


class TestChart:
    def chart(self, qtbot: QtBot, theme: Theme, window: QWidget) -> ParetoChart:
        chart = ParetoChart(theme)
        points = [
            ChartPoint(name.lower(), name, size * 10**6, loss, on_frontier=name != "Q2_K", picked=name == "Q5_K_M")
            for name, (size, loss) in SIZES.items()
        ]
        chart.set_points(points)
        show(qtbot, window, chart)
        return chart

    def test_arrow_keys_walk_the_points_by_size_and_stop_at_the_ends(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        chart = self.chart(qtbot, theme, window)
        chart.setFocus()
        seen = [chart.current.label if chart.current else ""]
        for _ in range(3):
            qtbot.keyClick(chart, Qt.Key.Key_Right)
            assert chart.current is not None
            seen.append(chart.current.label)

        assert seen == ["Q5_K_M", "Q8_0", "Q8_0", "Q8_0"]
        qtbot.keyClick(chart, Qt.Key.Key_Left)
        assert chart.current is not None and chart.current.label == "Q5_K_M"

    def test_a_click_on_a_point_chooses_it_and_one_beside_chooses_nothing(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        chart = self.chart(qtbot, theme, window)
        with qtbot.waitSignal(chart.chosen) as chosen:
            qtbot.mouseClick(chart, LEFT, pos=chart.spot(0).toPoint())
        assert chosen.args == ["q2_k"]

        with qtbot.assertNotEmitted(chart.chosen):
            qtbot.mouseClick(chart, LEFT, pos=chart.rect().bottomRight())

    def test_a_screen_reader_hears_every_point_and_the_chosen_one(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        chart = self.chart(qtbot, theme, window)
        chart.choose("q4_k_m")

        assert name_of(chart) == "Size and loss: Q4_K_M: 310 MB, KL divergence 0.02."
        assert chart.accessibleDescription().count("KL divergence") == len(SIZES)
        assert "Q5_K_M, the pick" in chart.accessibleDescription()

    def test_points_on_the_frontier_have_the_accent_and_others_do_not(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        chart = self.chart(qtbot, theme, window)
        image = chart.grab().toImage()
        colors = [QColor(image.pixel(chart.spot(n).toPoint())).name() for n in range(len(SIZES))]

        accent, faint = theme.color("accent").name(), theme.color("text3").name()
        assert colors == [faint, accent, accent, accent]

    def test_what_is_looked_at_stays_so_when_more_is_measured(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        chart = self.chart(qtbot, theme, window)
        chart.choose("q8_0")
        chart.set_points([*chart.points, ChartPoint("q6_k", "Q6_K", 410 * 10**6, 0.002)])

        assert chart.current is not None and chart.current.label == "Q8_0"


class TestResults:
    def test_the_pick_is_looked_at_first_with_its_reason_and_figures(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        results = Results(theme)
        show(qtbot, window, results)
        results.set_measurements(measured())

        assert results.chart.current is not None and results.chart.current.picked
        assert "A third of the loss for 50 MB more." in texts(results)
        figures = {"360 MB", "0.006 ± 0.0003", "31.2 tok/s", "468 MB"}
        qtbot.waitUntil(lambda: figures <= set(texts(results)))

    def test_a_better_pick_is_looked_at_until_another_is_chosen(
        self, qtbot: QtBot, theme: Theme, window: QWidget
    ) -> None:
        results = Results(theme)
        show(qtbot, window, results)
        first, later = measured(), measured()
        later.pick = QuantPick(model_id="q4_k_m", reason="Smaller, and loses little.")
        looked_at = lambda: results.chart.current.model_id if results.chart.current else ""  # noqa: E731

        results.set_measurements(first)
        results.set_measurements(later)
        assert looked_at() == "q4_k_m"
        results.chart.choose("q8_0")
        results.set_measurements(first)
        assert looked_at() == "q8_0"

    def test_the_source_is_no_point_of_its_own_chart(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        results = Results(theme)
        show(qtbot, window, results)
        results.set_measurements(measured())

        assert [point.label for point in results.chart.points] == ["Q2_K", "Q4_K_M", "Q5_K_M", "Q8_0"]

    def test_choosing_another_shows_its_figures_and_answers(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        results = Results(theme)
        show(qtbot, window, results)
        results.set_measurements(measured())
        results.chart.choose("q4_k_m")

        qtbot.waitUntil(lambda: "310 MB" in texts(results))
        assert "Hello there\n(the first 1 word as the original)" in texts(results)
        with qtbot.waitSignal(results.use_asked) as asked:
            qtbot.mouseClick(results.use, LEFT)
        assert asked.args == ["q4_k_m"]

    def test_without_measurements_it_says_what_will_be_here(self, qtbot: QtBot, theme: Theme, window: QWidget) -> None:
        results = Results(theme)
        show(qtbot, window, results)
        results.set_measurements(None)

        assert any(text.startswith("Nothing is measured yet.") for text in texts(results))
        assert not results.use.isVisible()


class TestTypeRows:
    @pytest.fixture
    def rows(self, qtbot: QtBot, theme: Theme, window: QWidget) -> TypeRows:
        rows = TypeRows(theme)
        kinds = [
            QuantType(name=name, about="What it means.", bits_per_weight=4.0, estimated_bytes=size * 10**6)
            for name, (size, _) in SIZES.items()
        ]
        show(qtbot, window, rows)
        rows.show_types(
            [*kinds, QuantType(name="TQ1_0", about="Rare.", bits_per_weight=1.7)], ("Q8_0",), all_types=False
        )
        return rows

    @pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return])
    def test_keys_tick_a_row(self, qtbot: QtBot, rows: TypeRows, key: Qt.Key) -> None:
        row = rows.rows[1]
        row.setFocus()
        with qtbot.waitSignal(rows.changed):
            qtbot.keyClick(row, key)
        assert rows.chosen == ("Q5_K_M",)

    def test_what_is_made_already_cannot_be_ticked_again(self, rows: TypeRows) -> None:
        rows.choose(["Q8_0", "Q2_K"])

        assert rows.chosen == ("Q2_K",)
        assert not rows.rows[0].isEnabled()

    def test_rare_types_come_when_all_are_asked_for_and_ticks_stay(self, rows: TypeRows) -> None:
        rows.choose(["Q4_K_M"])
        kinds = [row.kind for row in rows.rows] + [QuantType(name="TQ1_0", about="Rare.", bits_per_weight=1.7)]
        rows.show_types(kinds, (), all_types=True)

        assert [row.kind.name for row in rows.rows][-1] == "TQ1_0"
        assert rows.chosen == ("Q4_K_M",)

    def test_the_focus_stays_when_a_type_is_made_meanwhile(self, rows: TypeRows, qtbot: QtBot) -> None:
        kinds = [row.kind for row in rows.rows]
        rows.rows[1].setFocus()

        rows.show_types(kinds, ("Q8_0", "Q2_K"), all_types=False)
        assert rows.rows[1].hasFocus()
        rows.show_types(kinds, ("Q8_0", "Q2_K", "Q5_K_M"), all_types=False)
        assert rows.rows[2].hasFocus() and rows.rows[2].kind.name == "Q4_K_M"

    def test_every_row_has_a_name_a_description_and_the_size_of_a_target(self, rows: TypeRows) -> None:
        assert not unnamed(rows) and not too_small(rows)
        assert "4.0 bits per weight" in accessible(rows.rows[1]).text(QAccessible.Text.Description)
