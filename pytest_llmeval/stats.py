"""Counts of outcomes, the rates made of them, and order statistics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from pytest_llmeval.types import Outcome

#: the 97.5% point of the standard normal distribution: a two-sided interval at 95%
Z95 = 1.959963984540054


def wilson(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """The score interval (low, high) for a rate; (0, 1) where nothing was tried.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22
    (1927) 209-212; it keeps its level at few trials and at rates near 0 or 1, where the usual
    normal interval does not (Brown, Cai and DasGupta, Statistical Science 16 (2001) 101-133).
    Raises ValueError unless 0 <= successes <= trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    spread = z * z / trials
    centre = rate + spread / 2
    half = math.sqrt(spread * (rate * (1 - rate) + spread / 4))
    # the two ends are exact in theory, but not in floating point
    low = 0.0 if successes == 0 else (centre - half) / (1 + spread)
    high = 1.0 if successes == trials else (centre + half) / (1 + spread)
    return max(0.0, min(low, rate)), min(1.0, max(high, rate))


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The value that ``percent`` of all lie below, interpolated linearly; None of no values.

    Definition 7 of Hyndman and Fan, The American Statistician 50 (1996) 361-365, numpy's default.
    Raises ValueError unless 0 <= percent <= 100.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"percentile {percent} is not within 0 and 100")
    ordered = sorted(values)
    if not ordered:
        return None
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    step = ordered[above] - ordered[below]
    return min(ordered[below] + step * (position - below), ordered[above])


def median(values: Iterable[float]) -> float | None:
    """The middle value, or the mean of the two middle ones; None of no values."""
    return percentile(values, 50)


def mean(values: Iterable[float]) -> float | None:
    """The arithmetic mean; None of no values."""
    known = tuple(values)
    return math.fsum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many questions became what; ``requested`` is their sum by construction.

    ``unscored`` is how many of the unparsed have no gold answer, so that no reading could have
    been correct.
    """

    correct: int = 0
    wrong: int = 0
    unparsed: int = 0
    answered: int = 0
    error: int = 0
    unscored: int = 0

    @classmethod
    def of(cls, found: Iterable[tuple[Outcome, bool]]) -> Counts:
        """Count questions, each given as its outcome and whether it has a gold answer."""
        return cls.summed(Counter(found))

    @classmethod
    def summed(cls, numbers: Mapping[tuple[Outcome, bool], int]) -> Counts:
        """The counts of questions that were counted by outcome and gold answer."""
        totals = {
            outcome.value: numbers.get((outcome, True), 0) + numbers.get((outcome, False), 0)
            for outcome in Outcome
        }
        return cls(**totals, unscored=numbers.get((Outcome.UNPARSED, False), 0))

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.correct + other.correct,
            self.wrong + other.wrong,
            self.unparsed + other.unparsed,
            self.answered + other.answered,
            self.error + other.error,
            self.unscored + other.unscored,
        )

    @property
    def requested(self) -> int:
        """All questions."""
        return self.correct + self.wrong + self.unparsed + self.answered + self.error

    @property
    def scored(self) -> int:
        """The questions that accuracy is a share of: neither errors nor without a gold answer."""
        return self.correct + self.wrong + self.unparsed - self.unscored

    @property
    def rate(self) -> Fraction | None:
        """The accuracy, exact; None where nothing was scored."""
        return Fraction(self.correct, self.scored) if self.scored else None

    @property
    def accuracy(self) -> float | None:
        """correct / (correct + wrong + unparsed); None where no question has a gold answer."""
        return self.correct / self.scored if self.scored else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval of the accuracy; None where nothing was scored."""
        return wilson(self.correct, self.scored) if self.scored else None

    def as_dict(self) -> dict[str, int]:
        """As in results.json."""
        return {
            "requested": self.requested,
            "correct": self.correct,
            "wrong": self.wrong,
            "unparsed": self.unparsed,
            "answered": self.answered,
            "error": self.error,
        }
