"""The metric ``quantity``: a number with its unit, within a relative or an absolute tolerance.

``5 km`` equals ``5000 m`` and ``5 000 metres``. Sources of the units: the SI brochure (BIPM, 9th edition) and
NIST SP 811. A difference is relative to the gold number.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.mathematics import exact
from pytest_llmeval.scoring.mathematics.formulas import Formula, readings, with_plain_unit, words_of
from pytest_llmeval.scoring.mathematics.units import unit
from pytest_llmeval.scoring.metrics.base import Reasoned, Score, checked, references

_UNITS = ("convert", "same", "ignore")


class Quantity(NamedTuple):
    """A number and its unit, empty if it has none."""

    number: Fraction
    unit: str


def make_quantity(options: Mapping[str, object], where: str) -> Score:
    """1 if the quantity equals the gold one.

    It may differ by ``relative_tolerance``, a share of the gold number, or by ``tolerance``, in the gold
    unit. ``units``: ``convert`` compares 5 km with 5000 m, ``same`` demands the gold unit, ``ignore``
    compares numbers alone. An answer without a unit has the gold one, unless ``require_unit = true``. Raises
    ``UserError``.
    """
    settings = checked(
        options,
        {"relative_tolerance": 0.0, "tolerance": 0.0, "units": "convert", "require_unit": False},
        where,
    )
    for key in ("relative_tolerance", "tolerance"):
        if not 0 <= settings[key] < float("inf"):
            raise UserError(f"{where}: {key}: {settings[key]} is negative or not a number")
    if settings["units"] not in _UNITS:
        raise UserError(f"{where}: units: {settings['units']!r} is none of {', '.join(_UNITS)}")
    relative, absolute = (Fraction(repr(float(settings[key]))) for key in ("relative_tolerance", "tolerance"))

    def score(answer: str, question: Question) -> float:
        given = quantity(answer)
        if given is None:
            return Reasoned(0.0, "no single number")
        reason = ""
        for text in references(question):
            gold = quantity(text)
            if gold is None:
                continue
            number, reason = _in_unit(given, gold, settings["units"], settings["require_unit"])
            if number is not None and abs(number - gold.number) <= max(absolute, relative * abs(gold.number)):
                return 1.0
        return Reasoned(0.0, reason)

    return score


def quantity(text: str) -> Quantity | None:
    """The quantity that a text is, such as ``3.6 km/h`` or ``$x = \\frac{1}{2}$ m``; None if it is none."""
    for formula in readings(text):
        side = formula.parts[-1] if formula.kind == "relation" and formula.sign.endswith("=") else formula
        for one in (side, with_plain_unit(side)) if side.kind == "expression" else ():
            number = exact.value(one.tokens)
            if number is not None:
                return Quantity(number, _unit_of(one))
    return None


def _unit_of(formula: Formula) -> str:
    return formula.unit or ("%" if "%" in formula.tokens else "")


def _in_unit(given: Quantity, gold: Quantity, units: str, required: bool) -> tuple[Fraction | None, str]:
    """The answer's number in the gold unit, or why it has none."""
    if units == "ignore" or given.unit == gold.unit:
        return given.number, ""
    if not given.unit:
        return (None, "no unit") if required else (given.number, "")
    if not gold.unit:
        return given.number, ""
    one, other = unit(given.unit), unit(gold.unit)
    if one is None or other is None:
        same = words_of(given.unit).removesuffix("s") == words_of(gold.unit).removesuffix("s")
        return (given.number, "") if same else (None, f"unit {one_line(given.unit, 40)}")
    if one.dimension != other.dimension or (units == "same" and one != other):
        return None, f"unit {one_line(given.unit, 40)}"
    return given.number * one.size / other.size, ""


def quantity_problem(gold: str) -> str | None:
    """The problem of a gold answer that is not a number with or without a unit, or None."""
    texts = references(Question("", "", "", {}, {}, gold))
    if all(quantity(text) is not None for text in texts):
        return None
    return f"answer {one_line(repr(gold), 40)} is not a number with a unit; the metric math compares formulas"
