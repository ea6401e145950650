"""Statistics of one run: counts, rates and their intervals; and the drop that two separate runs can detect.

``paired.py`` compares two runs of the same questions. Both need the standard library only. An interval is a
pair (low, high) that covers the true value in 95% of all runs, unless another ``z`` (see ``z_of``) is given.
Rates and changes of rates are fractions of 1.

Numbers of questions need not be whole: questions that depend on each other (they share a passage, or are one
question asked repeatedly) carry as much information as some smaller number of independent ones. Intervals are
computed from that *effective* number, as E. L. Korn and B. I. Graubard do for surveys (Survey Methodology 24
(1998) 193-201); C. Franco, R. J. A. Little, T. A. Louis and E. V. Slud, J. Survey Statistics and Methodology
7 (2019) 334-364, find Wilson's interval on it among the best.

``docs/statistics.md`` explains what these methods are for and how well they keep their level.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from pytest_llmeval.core.types import Outcome

#: the 97.5% point of the standard normal distribution: a two-sided interval at 95%
Z95 = 1.959963984540054
#: the chance of seeing a change of the size that is called detectable
POWER = 0.8
NORMAL = NormalDist()
BISECTION_STEPS = 60  # more than a float has binary digits


def z_of(level: float) -> float:
    """The number of standard errors on each side of an interval of this level (such as 0.95).

    Raises ValueError unless 0 < level < 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    return NORMAL.inv_cdf((1 + level) / 2)


def wilson(successes: float, trials: float, z: float = Z95) -> tuple[float, float]:
    """The score interval (low, high) for a rate; (0, 1) for no trials.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22
    (1927) 209-212. It keeps its level for few trials and for rates near 0 or 1, where the usual
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
    # in theory both ends lie within the bounds; in floating point they may not
    low = 0.0 if successes == 0 else (centre - half) / (1 + spread)
    high = 1.0 if successes == trials else (centre + half) / (1 + spread)
    return max(0.0, min(low, rate)), min(1.0, max(high, rate))


def student(z: float, freedom: int) -> float:
    """The quantile of Student's t distribution at the same level as the normal quantile ``z`` > 0.

    Exact for 1 and 2 degrees of freedom; otherwise the expansion of E. A. Cornish and R. A. Fisher
    (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5), within 0.2% for z up to 2.
    Raises ValueError if ``freedom`` is below 1.
    """
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom")
    share = NORMAL.cdf(z)
    if freedom == 1:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        return (2 * share - 1) / math.sqrt(2 * share * (1 - share))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


def clustered_error(clusters: Iterable[tuple[float, float]]) -> float | None:
    """The standard error of a rate over clustered questions; None for fewer than two clusters.

    Each cluster is (successes, trials). This is the robust ("sandwich") estimate with the correction
    G / (G - 1) for G clusters: K.-Y. Liang and S. L. Zeger, Biometrika 73 (1986) 13-22; for
    benchmarks see E. Miller, Adding error bars to evals, arXiv:2411.00640 (2024).
    """
    known = [(successes, trials) for successes, trials in clusters if trials]
    if len(known) < 2:
        return None
    total = math.fsum(trials for _, trials in known)
    rate = math.fsum(successes for successes, _ in known) / total
    squares = math.fsum((successes - trials * rate) ** 2 for successes, trials in known)
    return math.sqrt(squares * len(known) / (len(known) - 1)) / total


def effective(clusters: Iterable[tuple[float, float]], z: float = Z95) -> tuple[float, float]:
    """(successes, trials) of independent questions that carry as much information as these clusters.

    Each cluster is (successes, trials). After Korn and Graubard: rate (1 - rate) / error^2, times
    (z / t)^2 to correct for a small number of clusters; at most the number of questions, and the
    number of clusters if they show no spread from which to estimate an error.
    """
    known = [(successes, trials) for successes, trials in clusters if trials]
    total = math.fsum(trials for _, trials in known)
    if not known or len(known) == total:  # each question is a cluster of its own
        return math.fsum(successes for successes, _ in known), total
    rate = math.fsum(successes for successes, _ in known) / total
    size = float(len(known))
    error = clustered_error(known)
    if error and 0 < rate < 1:
        size = rate * (1 - rate) / error**2 * (z / student(z, len(known) - 1)) ** 2
    size = min(size, total)
    return rate * size, size


def macro_interval(parts: Iterable[tuple[float, float]], z: float = Z95) -> tuple[float, float] | None:
    """The interval for the mean of the subjects' rates; None if no subject has trials.

    Each part is one subject's (successes, trials). All subjects have the same weight, whatever their
    number of trials, and they are the whole population, not a sample of subjects. The standard error
    is that of a stratified sample (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, chapter 5); it
    gives the effective number of questions, on which Wilson's interval is computed. The variance
    within each subject is estimated with one question added at the mean of all subjects, after
    A. Agresti and B. A. Coull, The American Statistician 52 (1998) 119-126, and scaled to be unbiased
    if all subjects have the same rate: without that it would be 0 for a subject with one question.
    """
    known = [(successes, trials) for successes, trials in parts if trials]
    return weighted_interval(known, [1.0] * len(known), z)


def weighted_interval(
    parts: Sequence[tuple[float, float]], weights: Sequence[float], z: float = Z95
) -> tuple[float, float] | None:
    """The interval for the mean of rates by weight, as ``macro_interval`` computes it for equal weights.

    Each part is one rate's (successes, trials). None without parts. Raises ValueError for a part without
    trials, a weight that is not above 0, or a different number of weights.
    """
    if any(trials <= 0 for _, trials in parts) or any(weight <= 0 for weight in weights):
        raise ValueError("each part needs trials, and a weight above 0")
    if not parts:
        return None
    if len(parts) == 1:
        return wilson(*parts[0], z)
    total = math.fsum(weights)
    shares = [weight / total for weight in weights]
    rate = math.fsum(share * part[0] / part[1] for share, part in zip(shares, parts, strict=True))
    variance = 0.0
    for share, (successes, trials) in zip(shares, parts, strict=True):
        shrunk = (successes + rate) / (trials + 1)
        variance += share**2 * shrunk * (1 - shrunk) / trials / shrinkage(trials, len(parts))
    one = rate * (1 - rate)
    # without variance, the size is that of independent questions of equal variance
    size = (
        one / variance
        if variance > 0 and one > 0
        else 1 / math.fsum(share**2 / part[1] for share, part in zip(shares, parts, strict=True))
    )
    return wilson(min(rate * size, size), size, z)


def shrinkage(trials: float, subjects: int) -> float:
    """The fraction of the variance that remains after shrinking one subject's rate towards the mean of
    ``subjects`` equal subjects, itself included.
    """
    own, others = trials + 1 / subjects, (subjects - 1) / subjects**2
    return 1 - (own**2 / trials + others / trials) / (trials + 1) ** 2


def effective_size(variance_of_one: float, variance: float, parts: Sequence[tuple[float, ...]]) -> float:
    """The effective number of questions of a mean over parts; the last number of each part is its size.

    ``variance_of_one`` is the variance of a single question, ``variance`` that of the mean.
    """
    if variance > 0 and variance_of_one > 0:
        return variance_of_one / variance
    return len(parts) ** 2 / math.fsum(1 / part[-1] for part in parts)


def detectable_difference(
    rate: float, trials: float, other_trials: float | None = None, *, power: float = POWER, z: float = Z95
) -> float | None:
    """The smallest drop from ``rate`` that two runs of different questions detect with this ``power``.

    The runs have ``trials`` and ``other_trials`` (by default as many) independent questions. None if not
    even a drop to 0 would be detected. J. L. Fleiss, B. Levin and M. C. Paik, Statistical Methods for Rates
    and Proportions, 3rd ed. 2003, section 4.2. Two runs of the same questions detect smaller ones:
    ``paired.detectable_change``. Raises ValueError unless 0 <= rate <= 1 and 0 < power < 1.
    """
    if not (0 <= rate <= 1 and 0 < power < 1):
        raise ValueError(f"rate {rate}, power {power}")
    z_power = NORMAL.inv_cdf(power)
    others = trials if other_trials is None else other_trials

    def detected(drop: float) -> bool:
        low = rate - drop
        pooled = (trials * rate + others * low) / (trials + others)
        spread = z * math.sqrt(pooled * (1 - pooled) * (1 / trials + 1 / others))
        variance = rate * (1 - rate) / trials + max(0.0, low * (1 - low)) / others
        return drop >= spread + z_power * math.sqrt(variance)

    return smallest_detected(rate, detected) if rate and trials and others else None


def smallest_detected(largest: float, detected: Callable[[float], bool]) -> float | None:
    """The smallest change up to ``largest`` for which ``detected``, found by bisection; None if none is."""
    if not detected(largest):
        return None
    low, high = 0.0, largest
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if detected(middle) else (middle, high)
    return high


def pass_at(k: int, correct: int, repeats: int) -> float:
    """The chance that one of ``k`` answers is correct, given ``correct`` of ``repeats``; unbiased.

    M. Chen et al., Evaluating large language models trained on code, arXiv:2107.03374 (2021),
    section 2.1. Raises ValueError unless 0 <= correct <= repeats and 1 <= k <= repeats.
    """
    if not (0 <= correct <= repeats and 1 <= k <= repeats):
        raise ValueError(f"pass@{k} of {correct} correct in {repeats}")
    return float(1 - Fraction(math.comb(repeats - correct, k), math.comb(repeats, k)))


def kappa(table: Sequence[Sequence[float]], z: float = Z95) -> tuple[float, tuple[float, float]] | None:
    """Cohen's kappa (1960) of two raters and its interval; None if chance alone always agrees.

    ``table[i][j]`` counts the items that one rater labelled i and the other j. The interval is Wilson's
    for the rate of agreement, rescaled by the agreement expected by chance, which is taken as known. For 30
    ratings it covers 94 to 97%; that of the asymptotic error (Fleiss, Cohen and Everitt 1969) covers 65 to
    93% and collapses to zero width if all ratings agree.
    """
    trials = math.fsum(map(math.fsum, table))
    if not trials:
        return None
    agreed = math.fsum(row[place] for place, row in enumerate(table))
    chance = math.fsum(
        math.fsum(row) * math.fsum(other[place] for other in table) for place, row in enumerate(table)
    ) / (trials * trials)
    if chance >= 1:
        return None

    def beyond(share: float) -> float:
        return (share - chance) / (1 - chance)

    low, high = wilson(agreed, trials, z)
    return beyond(agreed / trials), (max(beyond(low), -1.0), beyond(high))


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The value below which ``percent`` of all values lie, interpolated linearly; None for no values.

    Definition 7 of Hyndman and Fan, The American Statistician 50 (1996) 361-365, the default of numpy.
    Raises ValueError unless 0 <= percent <= 100.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"percentile {percent} is not between 0 and 100")
    ordered = sorted(values)
    if not ordered:
        return None
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    step = ordered[above] - ordered[below]
    return min(ordered[below] + step * (position - below), ordered[above])


def median(values: Iterable[float]) -> float | None:
    """The middle value, or the mean of the two middle ones; None for no values."""
    return percentile(values, 50)


def mean(values: Iterable[float]) -> float | None:
    """The arithmetic mean; None for no values."""
    known = tuple(values)
    return math.fsum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of questions by outcome; ``requested`` is their sum by construction.

    ``unscored`` is the number of unparsed questions without a gold answer, which cannot be correct.
    """

    correct: int = 0
    wrong: int = 0
    unparsed: int = 0
    answered: int = 0
    error: int = 0
    unscored: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[tuple[Outcome, bool]]) -> Counts:
        """Count questions, each given as its outcome and whether it has a gold answer."""
        return cls.summed(Counter(outcomes))

    @classmethod
    def summed(cls, numbers: Mapping[tuple[Outcome, bool], int]) -> Counts:
        """The counts from numbers of questions by outcome and whether they have a gold answer."""
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
        """The denominator of accuracy: all questions but errors and those without a gold answer."""
        return self.correct + self.wrong + self.unparsed - self.unscored

    @property
    def rate(self) -> Fraction | None:
        """The exact accuracy; None if nothing was scored."""
        return Fraction(self.correct, self.scored) if self.scored else None

    @property
    def accuracy(self) -> float | None:
        """correct / (correct + wrong + unparsed); None if no question has a gold answer."""
        return self.correct / self.scored if self.scored else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval of the accuracy; None if nothing was scored."""
        return wilson(self.correct, self.scored) if self.scored else None

    def as_dict(self) -> dict[str, int]:
        """The counts as in results.json."""
        return {
            "requested": self.requested,
            "correct": self.correct,
            "wrong": self.wrong,
            "unparsed": self.unparsed,
            "answered": self.answered,
            "error": self.error,
        }
