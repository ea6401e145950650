"""Compare the output of a program with the expected one, as LiveCodeBench does.

Source: LiveCodeBench/LiveCodeBench, ``lcb_runner/evaluation/testing_util.py``, commit 28fef95 (MIT).
"""

from __future__ import annotations

import json
from decimal import Decimal, DecimalException

_SHOWN = 60


def output_problem(output: str, expected: str) -> str | None:
    """What is wrong with the text that a program wrote, or None.

    Lines are compared one by one without blanks at their ends, and without empty lines at the beginning and
    the end. Lines that differ are equal if both consist of equal decimal numbers.

    >>> output_problem("1.50 2\\n", "1.5 2.0"), output_problem("7\\n", "8")
    (None, "line 1 is '7', not '8'")
    """
    lines, due = _lines(output), _lines(expected)
    if len(lines) != len(due):
        return f"{len(lines)} lines of output, not {len(due)}"
    for number, (line, wanted) in enumerate(zip(lines, due, strict=True), start=1):
        if line != wanted and not _equal_numbers(line, wanted):
            return f"line {number} is {_short(line)}, not {_short(wanted)}"
    return None


def result_problem(output: str, expected: object) -> str | None:
    """What is wrong with the result of a function, given as JSON, or None. ``expected`` is its value.

    >>> result_problem("[1, 2]", [1, 2]), result_problem("3", 4)
    (None, 'the result is 3, not 4')
    """
    if not output:
        return "it ended before it returned a result"
    try:
        result = json.loads(output)
        if result == expected:
            return None
    except (ValueError, RecursionError):  # such as a number of more digits than Python reads
        return "the result cannot be read"
    return f"the result is {_short(result)}, not {_short(expected)}"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _equal_numbers(line: str, wanted: str) -> bool:
    try:
        return [Decimal(part) for part in line.split()] == [Decimal(part) for part in wanted.split()]
    except (DecimalException, ValueError):
        return False


def _short(value: object) -> str:
    text = repr(value if not isinstance(value, str) else value[: 2 * _SHOWN])
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
