"""Formatting of numbers."""

from __future__ import annotations

import pytest

from pytest_llmeval.report import figures


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.00012, "0.1 ms"),
        (0.0123, "12 ms"),
        (0.99949, "999 ms"),
        (0.9996, "1.00 s"),
        (12.3456, "12.35 s"),
        (1234.5, "1,234 s"),
    ],
)
def test_seconds(number: float | None, shown: str) -> None:
    assert figures.seconds(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(1.0, "1.0 s"), (99.94, "99.9 s"), (100, "1 min 40 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_durations(number: float, shown: str) -> None:
    assert figures.duration(number) == shown


def test_missing_values_are_dashes() -> None:
    dashes = (figures.percent(None), figures.interval(None), figures.count(None), figures.rate(None))
    assert set(dashes) == {"–"}


def test_percentages_counts_and_rates() -> None:
    assert figures.percent(0.6249) == "62.5%"
    assert figures.percent(1.0, 0) == "100%"
    assert figures.interval((0.601, 0.646)) == "60.1–64.6"
    assert figures.count(1234567) == "1,234,567"
    assert figures.rate(18.34) == "18.3 questions/s"
    assert figures.rate(0.25) == "4.0 s per question"
    assert [figures.axis_seconds(n) for n in (0.2, 5)] == ["200 ms", "5 s"]
    assert [figures.axis_count(n) for n in (500, 2000)] == ["500", "2k"]
