"""Conditions on the cells of a row, which select rows of a table: ``where`` in benchmark.toml.

    where = { contest_date = [">=2024-08-01", "<2025-02-01"], platform = ["leetcode", "atcoder"] }

A text with an operator (``>=``, ``<=``, ``>``, ``<``, ``!=``) compares numbers, or dates in ISO 8601; all of
them must hold. Of the values without an operator, one must be equal to the cell.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pytest_llmeval.config.kinds import Kind
from pytest_llmeval.core.errors import one_line

_CONDITION = re.compile(r"\s*(>=|<=|!=|>|<|==?)?\s*(.*?)\s*", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What one column must satisfy: every one of ``bounds``, pairs of an operator and a value, and one of
    ``values`` if there are any.
    """

    column: str
    bounds: tuple[tuple[str, str], ...]
    values: tuple[str, ...]

    def holds(self, cell: str) -> bool:
        """Whether a cell satisfies it. Raises ``ValueError`` if the cell cannot be compared."""
        cell = cell.strip()
        if self.values and not any(_equal(cell, value) for value in self.values):
            return False
        return all(
            not _equal(cell, value)
            if sign == "!="
            else _OPERATORS[sign](*_comparable(cell, value, self.column))
            for sign, value in self.bounds
        )


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions that all must hold."""

    conditions: tuple[Condition, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that they need."""
        return tuple(condition.column for condition in self.conditions)

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Whether a row satisfies them. Raises ``ValueError`` if a cell cannot be compared."""
        return all(condition.holds(fields.get(condition.column, "")) for condition in self.conditions)

    def __str__(self) -> str:
        parts = [
            f"{condition.column} {text}"
            for condition in self.conditions
            for text in (
                *(sign + value for sign, value in condition.bounds),
                *(["= " + " or ".join(condition.values)] if condition.values else []),
            )
        ]
        return ", ".join(parts)


def _where(value: object) -> Where:
    if not isinstance(value, dict) or not value:
        raise ValueError('a table of columns and conditions such as {date = ">=2024-08-01"}')
    return Where(tuple(_condition(column, part) for column, part in value.items()))


def _condition(column: str, value: object) -> Condition:
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, (str, int, float)) for part in parts):
        raise ValueError(f"conditions: {one_line(column, 40)} needs a text, a number, or a list of these")
    bounds, values = [], []
    for part in parts:
        text = str(part).lower() if isinstance(part, bool) else str(part)
        match = _CONDITION.fullmatch(text)
        sign, content = (match[1], match[2]) if match else (None, text)
        if sign in (None, "=", "=="):
            values.append(content)
            continue
        if sign != "!=" and not _DATE.fullmatch(content) and _number(content) is None:
            raise ValueError(
                f"conditions: {one_line(text, 40)} compares neither a number nor a date (ISO 8601)"
            )
        if sign != "!=" and _DATE.fullmatch(content):
            _date(content, column)
        bounds.append((sign, content))
    return Condition(column, tuple(bounds), tuple(values))


WHERE: Kind[Where] = Kind(
    _where,
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": ["string", "number", "boolean", "array"],
            "items": {"type": ["string", "number", "boolean"]},
            "minItems": 1,
        },
    },
)


def _equal(cell: str, value: str) -> bool:
    if cell == value:
        return True
    number = _number(cell)
    return number is not None and number == _number(value)


def _comparable(cell: str, value: str, column: str) -> tuple[Any, Any]:
    if _DATE.fullmatch(value):
        return _date(cell, column), _date(value, column)
    number = _number(cell)
    if number is None:
        raise ValueError(f"{column}: {one_line(repr(cell), 40)} is not a number")
    return number, _number(value)


def _date(text: str, column: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise ValueError(f"{column}: {one_line(repr(text), 40)} is not a date (ISO 8601)") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
