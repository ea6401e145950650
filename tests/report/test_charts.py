"""Charts draw their values, and describe them in words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.report import charts
from pytest_llmeval.report.charts import ForestRow, Mark
from pytest_llmeval.report.figures import axis_seconds

SHARES = st.floats(0, 1)


def tags(drawn: str, name: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(drawn)
    return [one for one in root.iter() if one.tag.rpartition("}")[2] == name]


def words(drawn: str) -> list[str]:
    return [one.text or "" for one in tags(drawn, "text")]


@given(st.lists(st.tuples(SHARES, SHARES, SHARES).map(sorted), min_size=1, max_size=6))
def test_intervals_are_drawn_to_scale(shares: list[list[float]]) -> None:
    marks = [Mark(value, low, high, at) for at, (low, value, high) in enumerate(shares)]
    drawn = charts.interval_track(marks, 220)
    spans = [one for one in tags(drawn, "line") if one.attrib["class"].startswith("m")]
    assert len(spans) == len(marks)
    for span, mark in zip(spans, marks, strict=True):
        ends = [float(span.attrib[key]) for key in ("x1", "x2")]
        assert ends == pytest.approx([5 + 210 * mark.low, 5 + 210 * mark.high], abs=0.06)
        assert 0 <= float(span.attrib["y1"]) <= float(ElementTree.fromstring(drawn).attrib["height"])


def test_the_mark_is_at_the_accuracy() -> None:
    (disc,) = tags(charts.interval_track([Mark(0.5, 0.4, 0.6)], 220), "circle")
    assert float(disc.attrib["cx"]) == 110
    assert Mark.of(None, None) is None
    assert "no scored questions" in charts.interval_track([])


def test_models_differ_in_shape_too() -> None:
    shapes = [[re.sub(r"fill=\S+|class=\S+", "", part) for part in charts._point(5, 5, n)] for n in range(4)]
    assert len({str(shape) for shape in shapes}) == 4


def test_a_forest_plot_has_a_line_for_each_row() -> None:
    rows = [ForestRow("stem", (Mark(0.5, 0.3, 0.7),), 1200, True), ForestRow("law", (), 3)]
    texts = words(charts.forest_plot("ceval", rows, ["m"], note="5 shots"))
    assert {"ceval", "5 shots", "stem", "50.0% n 1,200", "law", "n 3"} <= {
        " ".join(one.split()) for one in texts
    }
    assert "m" not in texts
    both = words(charts.forest_plot("ceval", rows, ["m", "other"]))
    assert {"m", "other"} <= set(both)


def test_a_long_name_does_not_run_into_the_chart() -> None:
    rows = [ForestRow("very long " * 30, (), 1)]
    assert any(
        one.startswith("very long") and one.endswith("…")
        for one in words(charts.forest_plot("t", rows, ["m"]))
    )


@given(st.builds(Counts, *[st.integers(0, 10**6)] * 5))
def test_an_outcome_bar_shows_every_outcome(counts: Counts) -> None:
    boxes = tags(charts.outcome_bar(counts, 320), "rect")
    assert len(boxes) == sum(number > 0 for number in list(counts.as_dict().values())[1:])
    widths = [float(box.attrib["width"]) for box in boxes]
    assert all(width >= 3 for width in widths)
    if boxes:
        assert sum(widths) == pytest.approx(320, abs=0.5)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_a_histogram_accepts_any_values(values: Sequence[float]) -> None:
    drawn = charts.histogram({"m": values}, {"m": 0}, axis_seconds, "latency")
    usable = [value for value in values if math.isfinite(value) and value >= 0]
    boxes = tags(drawn, "rect")
    assert bool(boxes) == bool(usable)
    for box in boxes:
        assert 0 <= float(box.attrib["x"]) <= 520
        assert float(box.attrib["y"]) >= 0
    assert "nan" not in drawn and "inf" not in drawn.replace("info", "")


def test_the_tallest_box_has_the_most_values() -> None:
    boxes = tags(charts.histogram({"m": [0.1] * 9 + [10.0]}, {"m": 0}, axis_seconds, "latency"), "rect")
    first, last = (float(box.attrib["height"]) for box in (boxes[0], boxes[-1]))
    assert first == pytest.approx(9 * last, abs=0.5)
    assert "median 100 ms" in words(charts.histogram({"m": [0.1]}, {"m": 0}, axis_seconds, "latency"))


def test_answers_next_to_gold_answers() -> None:
    drawn = charts.answer_bars({"A": 1500, "B": 2}, {"A": 700, "B": 800, "C": 1})
    assert words(drawn) == ["A", "1,500", "700", "B", "2", "800", "C", "0", "1"]
    widths = [float(box.attrib["width"]) for box in tags(drawn, "rect")]
    assert widths[0] == max(widths)
