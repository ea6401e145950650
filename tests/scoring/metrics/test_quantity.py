"""Numbers with units and tolerances."""

from __future__ import annotations

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.mathematics.units import unit
from pytest_llmeval.scoring.metrics import METRICS


def score(answer: str, gold: str, **options: object) -> float:
    return METRICS["quantity"].make(options, "here")(answer, Question("b", "s", "0", {}, {}, gold))


@pytest.mark.parametrize(
    ("answer", "gold", "options", "expected"),
    [
        ("5 km", "5000 m", {}, 1),
        ("5 000 metres", "5 km", {}, 1),
        ("5", "5 km", {}, 1),
        ("5", "5 km", {"require_unit": True}, 0),
        ("5 kg", "5 km", {}, 0),
        ("5 kg", "5 km", {"units": "ignore"}, 1),
        ("5 km", "5000 m", {"units": "same"}, 0),
        ("36 km/h", "10 m/s", {}, 1),
        ("2 hours", "120 min", {}, 1),
        (r"18\text{ cm}^2", "0.0018 m^2", {}, 1),
        ("7 apples", "7 apple", {}, 1),
        ("7 pears", "7 apples", {}, 0),
        ("9.81", "9.8", {"relative_tolerance": 0.01}, 1),
        ("9.81", "9.8", {"relative_tolerance": 0.001}, 0),
        ("-9.81", "9.8", {"relative_tolerance": 0.01}, 0),
        ("0.01", "0", {"relative_tolerance": 0.5}, 0),
        ("0.01", "0", {"tolerance": 0.02}, 1),
        ("1010 m", "1 km", {"tolerance": 0.02}, 1),
        ("x = 3.5 m", "350 cm", {}, 1),
        (r"6.6 \times 10^{-34}\text{ J}", "6.63e-34 J", {"relative_tolerance": 0.01}, 1),
        ("between 3 and 4 m", "3 m", {}, 0),
        ("$12", "12 dollars", {}, 1),
    ],
)
def test_quantities(answer: str, gold: str, options: dict[str, object], expected: float) -> None:
    assert score(answer, gold, **options) == expected


def test_a_gold_that_is_no_quantity_names_the_metric_that_fits() -> None:
    problem = METRICS["quantity"].gold_problem(r"\sqrt{2}")
    assert problem is not None
    assert "the metric math" in problem
    assert METRICS["quantity"].gold_problem("5 km") is None


def test_wrong_options_are_errors() -> None:
    with pytest.raises(UserError, match="units: 'any' is none of convert, same, ignore"):
        METRICS["quantity"].make({"units": "any"}, "here")
    with pytest.raises(UserError, match="relative_tolerance"):
        METRICS["quantity"].make({"relative_tolerance": -0.1}, "here")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("km/h", "kilometers per hour"),
        ("cm^2", "square centimetres"),
        ("ms", "milliseconds"),
        ("L", "liters"),
    ],
)
def test_names_of_units(text: str, other: str) -> None:
    assert unit(text) == unit(other) is not None


@pytest.mark.parametrize("text", ["cats", "", "mm mm mm cats", "x/y"])
def test_other_words_are_no_units(text: str) -> None:
    assert unit(text) is None
