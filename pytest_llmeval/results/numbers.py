"""The further numbers of metrics, averaged over answers, and the figures that are computed from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.record import Record

_SCORED = (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)


def mean_numbers(records: Iterable[Record], totals: Mapping[str, str]) -> dict[str, float | None]:
    """The mean of each number over all scored answers, then each of ``totals``, an expression over the means.

    An answer without a number counts as 0. Pairs are summed as numerators and denominators. A total without
    a value, as after a division by 0, is None.
    """
    answers = [
        attempt
        for record in records
        for attempt in record.attempts
        if attempt.outcome in _SCORED and attempt.gold
    ]
    sums: dict[str, list[float]] = {}
    weights: dict[str, list[float]] = {}
    for answer in answers:
        for name, number in answer.numbers.items():
            if isinstance(number, (list, tuple)):
                sums.setdefault(name, []).append(float(number[0]))
                weights.setdefault(name, []).append(float(number[1]))
            else:
                sums.setdefault(name, []).append(float(number))  # type: ignore[arg-type]
    means: dict[str, float] = {
        name: math.fsum(values) / (math.fsum(weights[name]) if name in weights else len(answers))
        for name, values in sums.items()
    }
    if not means or not totals:
        return dict(means)
    from pytest_llmeval.scoring.templates import evaluated

    return {**means, **{name: evaluated(expression, means) for name, expression in totals.items()}}
