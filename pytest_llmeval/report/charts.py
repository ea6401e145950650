"""The charts of the page and of ``--llm-plot``, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from pytest_llmeval.analysis.stats import Counts, median
from pytest_llmeval.report import svg
from pytest_llmeval.report.figures import percent

_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LANE = 9
_MUTED = {"fill": svg.MUTED, "class_": "muted"}
_BINS = 32
#: a histogram clamps values to this range, which contains every latency and count
_MIN_VALUE, _MAX_VALUE = 1e-12, 1e12


@dataclass(frozen=True, slots=True)
class Mark:
    """An accuracy and its interval; ``series`` is the number of the model."""

    value: float
    low: float
    high: float
    series: int = 0

    @classmethod
    def of(cls, accuracy: float | None, ends: tuple[float, float] | None, series: int = 0) -> Mark | None:
        """None without an accuracy."""
        return None if accuracy is None or ends is None else cls(accuracy, *ends, series)


@dataclass(frozen=True, slots=True)
class ForestRow:
    """A row of ``forest_plot``: a label, the marks of models with a value, and the number of questions."""

    label: str
    marks: tuple[Mark, ...]
    number: int
    heading: bool = False


def interval_track(marks: Sequence[Mark], width: float = 220, whole: float | None = None) -> Markup:
    """Accuracies with their intervals on a scale from 0 to 100%, for a table row.

    ``whole`` is the accuracy over all questions, drawn as a dashed line.
    """
    height = max(16, _LANE * len(marks) + 4)

    def at(share: float) -> float:
        return 5 + share * (width - 10)

    parts = [svg.line(at(0), height / 2, at(1), height / 2)]
    parts += [svg.line(at(tick), 2, at(tick), height - 2) for tick in _TICKS]
    if whole is not None:
        parts.append(
            svg.line(
                at(whole), 0, at(whole), height, stroke=svg.MUTED, class_="whole", stroke_dasharray="2 2"
            )
        )
    parts += _marks(marks, at, height / 2)
    label = "; ".join(f"{percent(m.value)} ({percent(m.low)} to {percent(m.high)})" for m in marks)
    return svg.drawing(width, height, label or "no scored questions", *parts, class_="track")


def forest_plot(
    title: str, rows: Sequence[ForestRow], models: Sequence[str], width: float = 760, note: str = ""
) -> Markup:
    """A standalone chart: a row for each subject, a mark for each model, with scale, numbers and legend."""
    several = len(models) > 1
    label_width = min(width * 0.45, max([80, *(svg.text_width(row.label) + 24 for row in rows)]))
    number_width = 52 if several else 100
    left, right = label_width + 10, width - number_width
    top = 46 + (18 * len(models) if several else 0) + 26
    row_height = max(19, _LANE * len(models) + 8)
    height = top + row_height * len(rows) + 34

    def at(share: float) -> float:
        return left + share * (right - left)

    parts = [svg.rect(0, 0, width, height, fill=svg.PAPER, class_="paper")]
    parts.append(svg.text(12, 24, title, font_size=15, font_weight=600))
    if note:
        parts.append(svg.text(12, 41, note, fill=svg.MUTED, class_="muted", font_size=11))
    if several:
        for series, model in enumerate(models):
            middle = 60 + 18 * series
            parts += [*_point(20, middle, series), svg.text(32, middle + 4, model)]
    bottom = top + row_height * len(rows)
    for tick in _TICKS:
        parts.append(svg.line(at(tick), top - 4, at(tick), bottom + 4))
        for label_y in (top - 9, bottom + 18):
            words = percent(tick, 0)
            parts.append(svg.text(at(tick), label_y, words, anchor="middle", font_size=10, **_MUTED))
    for number, row in enumerate(rows):
        y = top + row_height * (number + 0.5)
        weight = 600 if row.heading else None
        indent = 12 if row.heading else 24
        parts.append(svg.text(indent, y + 4, _shorten(row.label, label_width - indent), font_weight=weight))
        parts += _marks(row.marks, at, y)
        words = f"n {row.number:,}"
        if not several and row.marks:
            words = f"{percent(row.marks[0].value)}  {words}"
        parts.append(
            svg.text(width - 12, y + 4, words, anchor="end", fill=svg.MUTED, class_="muted", font_size=11)
        )
    return svg.drawing(width, height, title, *parts)


def _marks(marks: Sequence[Mark], at: Callable[[float], float], middle: float) -> list[Markup]:
    parts = []
    for lane, mark in enumerate(marks):
        y = middle + (lane - (len(marks) - 1) / 2) * _LANE
        colour = _colour(mark.series)
        parts.append(
            svg.line(
                at(mark.low), y, at(mark.high), y, stroke=colour, class_=_class(mark.series), stroke_width=2
            )
        )
        parts += _point(at(mark.value), y, mark.series)
    return parts


def _colour(series: int) -> str:
    return svg.SERIES[series % len(svg.SERIES)]


def _class(series: int) -> str:
    return f"m{series % len(svg.SERIES)}"


def _point(x: float, y: float, series: int) -> list[Markup]:
    """A disc, square, diamond or triangle, so that models differ without colour too."""
    look = {"fill": _colour(series), "class_": _class(series)}
    shape = series % 4
    if shape == 0:
        return [svg.element("circle", cx=x, cy=y, r=4, **look)]
    if shape == 1:
        return [svg.rect(x - 3.5, y - 3.5, 7, 7, **look)]
    corners = ((0, -5), (5, 0), (0, 5), (-5, 0)) if shape == 2 else ((0, -4.5), (4.5, 3.5), (-4.5, 3.5))
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return [svg.element("polygon", points=points, **look)]


def _shorten(words: str, width: float) -> str:
    """``words``, cut to ``width``."""
    if svg.text_width(words) <= width:
        return words
    while words and svg.text_width(words + "…") > width:
        words = words[:-1]
    return words.rstrip() + "…"


def legend_mark(series: int) -> Markup:
    """The mark of a model next to its name."""
    return svg.drawing(12, 12, "", *_point(6, 6, series), class_="key", aria_hidden="true")


def outcome_bar(counts: Counts, width: float = 320, height: float = 10) -> Markup:
    """All requested questions as one bar with a piece for each outcome, wide enough to be seen."""
    numbers = {name: number for name, number in counts.as_dict().items() if name != "requested"}
    shown = {name: number for name, number in numbers.items() if number}
    min_width = 3.0
    free = width - min_width * len(shown)
    total = max(1, counts.requested)
    x, parts = 0.0, []
    for name, number in shown.items():
        size = min_width + free * number / total
        parts.append(svg.rect(x, 0, size, height, fill=svg.OUTCOMES[name], class_=f"o-{name}"))
        x += size
    label = ", ".join(f"{number:,} {name}" for name, number in shown.items())
    return svg.drawing(width, height, label, *parts, class_="stack", preserveAspectRatio="none")


def histogram(
    values: Mapping[str, Sequence[float]],
    series: Mapping[str, int],
    axis: Callable[[float], str],
    label: str,
    width: float = 520,
    *,
    with_title: bool = False,
) -> Markup:
    """The distribution of values from 0 on: a strip with the median for each model, logarithmic scale."""
    values_by_model = {
        name: [_clamp(value) for value in model_values if math.isfinite(value) and value >= 0]
        for name, model_values in values.items()
    }
    values_by_model = {name: model_values for name, model_values in values_by_model.items() if model_values}
    edges = _bin_edges([value for model_values in values_by_model.values() for value in model_values])
    strip, top = 66, 34 if with_title else 4
    several = len(values) > 1
    height = top + len(values_by_model) * (strip + (16 if several else 0)) + 24
    left, right = 20.0, width - 20.0

    def at(value: float) -> float:
        low, high = math.log(edges[0]), math.log(edges[-1])
        share = (math.log(max(value, edges[0])) - low) / (high - low)
        return left + min(1.0, max(0.0, share)) * (right - left)

    parts: list[Markup] = []
    if with_title:
        parts += [
            svg.rect(0, 0, width, height, fill=svg.PAPER, class_="paper"),
            svg.text(left, 22, label, font_size=15, font_weight=600),
        ]
    medians = []
    y = float(top)
    for name, model_values in values_by_model.items():
        if several:
            parts += [
                *_point(left + 5, y + 8, series[name]),
                svg.text(left + 16, y + 12, name, font_size=11),
            ]
            y += 16
        parts += _strip(model_values, edges, at, y, strip, series[name])
        middle = median(model_values) or 0.0
        words = f"median {axis(float(f'{middle:.3g}'))}"
        on_the_left = at(middle) < (left + right) / 2
        x = at(middle) + (5 if on_the_left else -5)
        parts.append(
            svg.line(at(middle), y, at(middle), y + strip, stroke=svg.INK, class_="median", stroke_width=1)
        )
        parts.append(svg.text(x, y + 11, words, anchor="start" if on_the_left else "end", font_size=11))
        medians.append(f"{name}: {words}")
        y += strip
    for tick in _log_ticks(edges[0], edges[-1]):
        parts += [
            svg.line(at(tick), y, at(tick), y + 4, stroke=svg.MUTED, class_="axis"),
            svg.text(
                at(tick), y + 17, axis(tick), anchor="middle", font_size=10, fill=svg.MUTED, class_="muted"
            ),
        ]
    return svg.drawing(width, height, f"{label}: {'; '.join(medians)}", *parts, class_="histogram")


def _clamp(value: float) -> float:
    return min(max(value, _MIN_VALUE), _MAX_VALUE) if value else value


def _bin_edges(values: Sequence[float]) -> list[float]:
    """The edges of bins of equal width on a logarithmic scale; zeros go into the first bin."""
    positive = [value for value in values if value > 0]
    low, high = (min(positive), max(positive)) if positive else (1.0, 1.0)
    if high < 2 * low:  # one value, or nearly
        low, high = low / 2, high * 2
    start, end = math.log(low), math.log(high)
    return [math.exp(start + (end - start) * i / _BINS) for i in range(_BINS + 1)]


def _strip(
    values: Sequence[float],
    edges: Sequence[float],
    at: Callable[[float], float],
    y: float,
    height: float,
    series: int,
) -> list[Markup]:
    numbers = [0] * (len(edges) - 1)
    start = math.log(edges[0])
    scale = (len(edges) - 1) / (math.log(edges[-1]) - start)
    for value in values:
        place = int((math.log(value) - start) * scale) if value > edges[0] else 0
        numbers[min(place, len(numbers) - 1)] += 1
    most = max(numbers)
    parts = []
    for number, (low, high) in zip(numbers, pairwise(edges), strict=True):
        if number:
            tall = max(1.5, number / most * (height - 16))
            box = svg.rect(
                at(low), y + height - tall, at(high) - at(low) - 1, tall,
                fill=_colour(series), class_=_class(series),
            )  # fmt: skip
            parts.append(box)
    parts.append(
        svg.line(at(edges[0]), y + height, at(edges[-1]), y + height, stroke=svg.MUTED, class_="axis")
    )
    return parts


def _log_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Ticks at 1, 2, 5, 10, ..., or only at powers of ten if there are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [
            tick for power in powers for step in steps if low <= (tick := float(f"{step}e{power}")) <= high
        ]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def answer_bars(
    extracted: Mapping[str, int], gold: Mapping[str, int], series: int = 0, width: float = 320
) -> Markup:
    """How often each answer was extracted and how often it is correct, which shows preferences."""
    labels = sorted({*extracted, *gold})
    most = max([1, *extracted.values(), *gold.values()])
    left, right = 14 + max(svg.text_width(label) for label in labels), width - 46
    parts, descriptions = [], []
    for place, label in enumerate(labels):
        y = 4 + place * 30
        parts.append(svg.text(left - 8, y + 15, label, anchor="end"))
        for offset, number, look in (
            (0, extracted.get(label, 0), {"fill": _colour(series), "class_": _class(series)}),
            (11, gold.get(label, 0), {"fill": "none", "stroke": svg.MUTED, "class_": "gold"}),
        ):
            size = (right - left) * number / most
            parts.append(svg.rect(left, y + offset, size, 9, **look))
            parts.append(
                svg.text(
                    left + size + 5, y + offset + 8.5, f"{number:,}",
                    font_size=10, fill=svg.MUTED, class_="muted",
                )
            )  # fmt: skip
        descriptions.append(f"{label}: extracted {extracted.get(label, 0):,}, correct {gold.get(label, 0):,}")
    return svg.drawing(width, 4 + 30 * len(labels), "; ".join(descriptions), *parts, class_="letters")


def present(marks: Iterable[Mark | None]) -> tuple[Mark, ...]:
    """The marks that are not None."""
    return tuple(mark for mark in marks if mark is not None)
