"""Calibration of choice scores."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.analysis.calibration import Forecast, calibration, forecast


def logs(**shares: float) -> dict[str, float]:
    return {label: math.log(share) if share else -math.inf for label, share in shares.items()}


def test_scores_become_probabilities() -> None:
    one = forecast(logs(A=0.06, B=0.03, C=0.01, D=0.0), "A", "B")
    assert one is not None
    assert one.confidence == pytest.approx(0.6)
    assert not one.correct
    assert one.brier == pytest.approx(0.6**2 + 0.7**2 + 0.1**2)


@pytest.mark.parametrize(
    ("scores", "answer", "target"),
    [
        ({}, "A", "A"),
        ({"A": -1.0}, "A", "A"),
        ({"A": -1.0, "B": -2.0}, None, "A"),
        ({"A": -1.0, "B": -2.0}, "A", "E"),
        ({"A": math.nan, "B": -2.0}, "A", "A"),
        ({"A": -math.inf, "B": -math.inf}, "A", "A"),
    ],
)
def test_without_scores_there_is_no_forecast(
    scores: dict[str, float], answer: str | None, target: str
) -> None:
    assert forecast(scores, answer, target) is None


def test_equal_probabilities() -> None:
    one = forecast(dict.fromkeys("ABCD", -3.0), "A", "A")
    assert one == Forecast(0.25, True, 0.75)


def test_error_of_a_model_that_is_too_sure() -> None:
    numbers = calibration([Forecast(0.95, True, 0.0), Forecast(0.95, False, 2.0), Forecast(0.55, True, 0.4)])
    assert numbers is not None
    assert numbers.count == 3
    assert numbers.ece == pytest.approx((2 * 0.45 + 0.45) / 3)
    assert numbers.brier == pytest.approx(0.8)
    assert [(one.low, one.count) for one in numbers.bins] == [(0.5, 1), (0.9, 2)]
    assert calibration([]) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_error_is_between_0_and_1_and_bounded_below_by_the_gap_of_means(
    answers: list[tuple[float, bool]],
) -> None:
    numbers = calibration(Forecast(share, correct, 0.0) for share, correct in answers)
    assert numbers is not None
    accuracy = sum(correct for _, correct in answers) / len(answers)
    assert abs(numbers.confidence - accuracy) - 1e-9 <= numbers.ece <= 1 + 1e-9
    assert sum(one.count for one in numbers.bins) == len(answers)
