"""Where points and ticks lie, and what the choice in the panel comes to."""

from __future__ import annotations

import pytest

from desktop.qt.quantize.choice import Choice, cost_of, ordered, problem_of, prompts_of
from desktop.qt.quantize.labels import Box, place_labels
from desktop.qt.quantize.plot import ChartPoint, loss_text, make_plot
from desktop.wire_models import QuantType


def point(name: str, size: int, loss: float, *, frontier: bool = True) -> ChartPoint:
    return ChartPoint(name, name, size, loss, on_frontier=frontier)


POINTS = (
    point("q8", 531_000_000, 0.0008),
    point("q4", 310_000_000, 0.02),
    point("q2", 240_000_000, 0.4),
    point("odd", 420_000_000, 0.3, frontier=False),
)
TYPES = [
    QuantType(name="IQ2_XXS", about="", bits_per_weight=2.1, estimated_bytes=100, needs_imatrix=True),
    QuantType(name="Q4_K_M", about="", bits_per_weight=4.8, estimated_bytes=300),
    QuantType(name="Q8_0", about="", bits_per_weight=8.5, estimated_bytes=500),
]


def test_smaller_lies_left_and_closer_to_the_original_lies_below() -> None:
    spots = make_plot(POINTS).spots

    assert spots[2][0] < spots[1][0] < spots[0][0]
    assert spots[0][1] < spots[1][1] < spots[2][1]
    assert all(0 < share < 1 for spot in spots for share in spot)


def test_the_frontier_runs_by_size_and_leaves_out_what_is_beaten() -> None:
    assert make_plot(POINTS).frontier == (2, 1, 0)


@pytest.mark.parametrize("points", [POINTS, POINTS[:1], (point("none", 5, 0.0),), (*POINTS, *POINTS)])
def test_every_tick_lies_inside_and_they_are_few(points: tuple[ChartPoint, ...]) -> None:
    plot = make_plot(points)

    for ticks in (plot.sizes, plot.losses):
        assert all(0 <= tick.place <= 1 for tick in ticks)
        assert len(ticks) <= 8
        assert len({tick.text for tick in ticks}) == len(ticks)


def test_losses_have_ticks_even_within_one_power_of_ten() -> None:
    near = (point("a", 300_000_000, 0.021), point("b", 310_000_000, 0.045))

    assert make_plot(near).losses


def test_nothing_is_an_empty_plot() -> None:
    assert make_plot(()).spots == ()


@pytest.mark.parametrize(("loss", "text"), [(0.0, "0"), (0.00001, "1e-05"), (0.00123, "0.0012"), (0.1, "0.1")])
def test_losses_are_written_with_what_means_something(loss: float, text: str) -> None:
    assert loss_text(loss) == text


def test_only_what_was_chosen_becomes_an_option() -> None:
    usual = Choice("m", ("Q4_K_M",), measure=False)
    all_of_it = Choice("m", ("Q4_K_M",), "", "Q8_0", "F16", measure=True, prompts=("Hello",))

    assert usual.quantize_options() == {"model": "m", "to": ["Q4_K_M"], "imatrix": "neutral"}
    assert all_of_it.quantize_options() == {
        "model": "m",
        "to": ["Q4_K_M"],
        "imatrix": "",
        "keep_output": "Q8_0",
        "keep_embeddings": "F16",
        "measure": True,
        "prompts": ["Hello"],
    }


@pytest.mark.parametrize(
    ("choice", "free", "problem"),
    [
        (Choice("m"), 10_000, "Choose at least one type."),
        (Choice("m", ("IQ2_XXS",), ""), 10_000, "IQ2_XXS cannot be made without an importance matrix."),
        (Choice("m", ("Q8_0", "Q4_K_M")), 700, "800 B are needed and 700 B are free on this disk."),
        (Choice("m", ("Q8_0", "Q4_K_M")), 800, ""),
        (Choice("m", ("IQ2_XXS",)), 10_000, ""),
    ],
)
def test_what_cannot_start_is_said_before(choice: Choice, free: int, problem: str) -> None:
    assert problem_of(choice, TYPES, free) == problem


def test_the_cost_names_files_bytes_and_room() -> None:
    assert cost_of(Choice("m", ("Q8_0", "Q4_K_M")), TYPES, 5_000) == "Writes 2 files, about 800 B; 5 kB free"


def test_the_usual_types_come_first_the_largest_on_top() -> None:
    assert [one.name for one in ordered(TYPES)] == ["Q8_0", "Q4_K_M", "IQ2_XXS"]


def test_prompts_stand_one_per_line() -> None:
    assert prompts_of(" one \n\n two words\n") == ("one", "two words")


AREA = Box(0, 0, 500, 300)
CLOSE = [(90.0, 60.0), (110.0, 90.0), (150.0, 88.0), (230.0, 130.0), (290.0, 160.0), (480.0, 250.0)]


@pytest.mark.parametrize("first", [(), (2,), (4, 1)])
@pytest.mark.parametrize("spots", [CLOSE, CLOSE[1:3], [(x / 3 + 100, y / 3 + 60) for x, y in CLOSE[::2]]])
def test_a_name_covers_no_point_and_no_other_name(spots: list[tuple[float, float]], first: tuple[int, ...]) -> None:
    sizes = [(50.0, 16.0)] * len(spots)

    boxes = place_labels(spots, sizes, AREA, spots, gap=10, first=[n for n in first if n < len(spots)])

    for number, box in enumerate(boxes):
        assert box.within(AREA)
        assert not any(box.meets(other) for other in boxes[:number])
        assert not any(box.meets(Box(x - 5, y - 5, 10, 10)) for x, y in spots)
        x, y = spots[number]
        assert abs(box.left + 25 - x) <= 40 and abs(box.top + 8 - y) <= 24  # and stands beside its own


def test_a_name_keeps_off_the_line_where_it_can() -> None:
    falling = [(100.0, 50.0), (200.0, 150.0), (300.0, 250.0)]

    boxes = place_labels(falling, [(50.0, 16.0)] * 3, AREA, falling, gap=10)

    for box, (x, y) in zip(boxes, falling, strict=True):
        assert box.left > x and box.bottom < y + (box.left - x)  # above to the right, where the line is not
