"""Calibration: whether a model that gives its answer 80% is right in 80% of such cases.

The expected calibration error is that of Naeini et al. (AAAI 2015) as in Guo et al. (arXiv:1706.04599), with
ten bins of equal width. The Brier score is the original one (Brier 1950), the squared error summed over all
choices: 0 is perfect, 2 the worst; equal probabilities for four choices have 0.75.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BINS = 10


@dataclass(frozen=True, slots=True)
class Forecast:
    """The probabilities of a question's choices: that of the ``answer``, and whether it was ``correct``.

    ``brier`` is the question's Brier score, from 0 to 2.
    """

    confidence: float
    correct: bool
    brier: float


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers with a confidence in (``low``, ``high``]: their mean confidence and their accuracy."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration over ``count`` answers.

    ``ece`` is the expected calibration error and ``confidence`` the mean probability of the answers, both
    from 0 to 1; ``brier`` is the mean Brier score, from 0 to 2. ``bins`` has only those with answers.
    """

    count: int
    ece: float
    brier: float
    confidence: float
    bins: tuple[Bin, ...]


def forecast(scores: Mapping[str, float], answer: str | None, target: str | None) -> Forecast | None:
    """The forecast in the log-probabilities of choices (label -> natural logarithm).

    They need not sum to 1. None with fewer than two choices, without finite scores, or if ``answer`` or
    ``target`` is no label.
    """
    if len(scores) < 2 or answer is None or answer not in scores or target not in scores:
        return None
    largest = max(scores.values())
    if not math.isfinite(largest) or any(math.isnan(score) for score in scores.values()):
        return None
    weights = {label: math.exp(score - largest) for label, score in scores.items()}
    total = math.fsum(weights.values())
    shares = {label: weight / total for label, weight in weights.items()}
    brier = math.fsum((share - (label == target)) ** 2 for label, share in shares.items())
    return Forecast(shares[answer], answer == target, brier)


def calibration(forecasts: Iterable[Forecast], bins: int = BINS) -> Calibration | None:
    """Summarise forecasts in ``bins`` of equal width; None if there are no forecasts."""
    members: list[list[Forecast]] = [[] for _ in range(bins)]
    for one in forecasts:
        members[min(bins - 1, max(0, math.ceil(one.confidence * bins) - 1))].append(one)
    everything = [one for group in members for one in group]
    if not everything:
        return None
    shown = tuple(
        Bin(
            at / bins,
            (at + 1) / bins,
            len(group),
            math.fsum(one.confidence for one in group) / len(group),
            sum(one.correct for one in group) / len(group),
        )
        for at, group in enumerate(members)
        if group
    )
    count = len(everything)
    return Calibration(
        count,
        math.fsum(one.count * abs(one.confidence - one.accuracy) for one in shown) / count,
        math.fsum(one.brier for one in everything) / count,
        math.fsum(one.confidence for one in everything) / count,
        shown,
    )
