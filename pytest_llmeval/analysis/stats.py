"""The statistics: counts, rates, intervals, comparisons of two runs, and what they can tell.

Pure, of the standard library alone. An interval is a pair (low, high) and holds the true value in
95% of all runs, unless another ``z`` (of ``z_of``) is given. Rates, and changes of rates, are shares
of 1. ``fixed`` are questions that only the later of two runs answered right, ``broken`` those that
only the earlier did, ``pairs`` all that both were scored on; the change is (fixed - broken) / pairs.

Numbers of questions may be fractions: where questions depend on each other (they share a passage,
or are one question asked again), they tell as much as some smaller number of independent ones. That
*effective* number is what the intervals are then made of, as E. L. Korn and B. I. Graubard do for
surveys (Survey Methodology 24 (1998) 193-201); C. Franco, R. J. A. Little, T. A. Louis and E. V.
Slud, J. Survey Statistics and Methodology 7 (2019) 334-364, find Wilson's interval on it among the best.

``docs/statistics.md`` says what all this is for, and how well it holds.
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
#: how sure a change is to be seen that is called detectable
POWER = 0.8
_NORMAL = NormalDist()
_STEPS = 60  # of a bisection: more than a float has digits


def z_of(level: float) -> float:
    """How many standard errors an interval of this level (0.95, say) reaches to each side.

    Raises ValueError unless 0 < level < 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level of {level} is not between 0 and 1")
    return _NORMAL.inv_cdf((1 + level) / 2)


def wilson(successes: float, trials: float, z: float = Z95) -> tuple[float, float]:
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


def student(z: float, freedom: int) -> float:
    """The point of Student's t distribution that a standard normal's ``z`` > 0 corresponds to.

    Exact for 1 and 2 degrees of freedom, else the expansion of E. A. Cornish and R. A. Fisher
    (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5), within 0.2% for a z up to 2.
    Raises ValueError for ``freedom`` below 1.
    """
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom")
    share = _NORMAL.cdf(z)
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
    """The standard error of a rate whose questions come in clusters; None of fewer than two.

    Each cluster is (successes, trials). The robust ("sandwich") estimate with the correction
    G / (G - 1) for G clusters: K.-Y. Liang and S. L. Zeger, Biometrika 73 (1986) 13-22; for
    benchmarks E. Miller, Adding error bars to evals, arXiv:2411.00640 (2024).
    """
    known = [(successes, trials) for successes, trials in clusters if trials]
    if len(known) < 2:
        return None
    total = math.fsum(trials for _, trials in known)
    rate = math.fsum(successes for successes, _ in known) / total
    squares = math.fsum((successes - trials * rate) ** 2 for successes, trials in known)
    return math.sqrt(squares * len(known) / (len(known) - 1)) / total


def effective(clusters: Iterable[tuple[float, float]], z: float = Z95) -> tuple[float, float]:
    """(successes, trials) of independent questions that tell as much about a rate as these clusters.

    Each cluster is (successes, trials). As Korn and Graubard have it: rate (1 - rate) / error^2, times
    (z / t)^2 for the clusters being few; never more than all questions, and the number of
    clusters where they show no spread to judge by.
    """
    known = [(successes, trials) for successes, trials in clusters if trials]
    total = math.fsum(trials for _, trials in known)
    if not known or len(known) == total:  # a cluster for each question
        return math.fsum(successes for successes, _ in known), total
    rate = math.fsum(successes for successes, _ in known) / total
    size = float(len(known))
    error = clustered_error(known)
    if error and 0 < rate < 1:
        size = rate * (1 - rate) / error**2 * (z / student(z, len(known) - 1)) ** 2
    size = min(size, total)
    return rate * size, size


def macro_interval(parts: Iterable[tuple[float, float]], z: float = Z95) -> tuple[float, float] | None:
    """The interval for the mean over subjects of their rates; None where no subject was tried.

    Each part is one subject's (successes, trials); all count alike, however many their trials, and
    are meant themselves, not as a sample of subjects. The standard error is that of a stratified
    sample (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, chapter 5), from which comes the
    effective number of questions, and Wilson's interval of that. Each subject's own variance is
    taken with one question added at the mean of all, after A. Agresti and B. A. Coull, The American
    Statistician 52 (1998) 119-126, and scaled so that it is unbiased where subjects are alike: by
    itself it says 0 of a subject with one question.
    """
    known = [(successes, trials) for successes, trials in parts if trials]
    if not known:
        return None
    if len(known) == 1:
        return wilson(*known[0], z)
    number = len(known)
    rate = math.fsum(successes / trials for successes, trials in known) / number
    variance = 0.0
    for successes, trials in known:
        shrunk = (successes + rate) / (trials + 1)
        variance += shrunk * (1 - shrunk) / trials / _kept(trials, number)
    size = _size(rate * (1 - rate), variance / number**2, known)
    return wilson(min(rate * size, size), size, z)


def _kept(trials: float, subjects: int) -> float:
    """The share of the variance that is left when a subject's rate is drawn towards the mean of
    ``subjects`` alike, itself among them.
    """
    own, others = trials + 1 / subjects, (subjects - 1) / subjects**2
    return 1 - (own**2 / trials + others / trials) / (trials + 1) ** 2


def _size(of_one: float, variance: float, parts: Sequence[tuple[float, ...]]) -> float:
    """The effective number of questions of a mean over parts, whose last number is their size."""
    if variance > 0 and of_one > 0:
        return of_one / variance
    return len(parts) ** 2 / math.fsum(1 / part[-1] for part in parts)


def paired_score(fixed: float, broken: float, pairs: float, change: float) -> float:
    """How many standard errors the change that was seen lies above ``change`` (-1 to 1).

    The score test for paired rates: J. Nam, Biometrics 53 (1997) 1422-1430; T. Tango, Equivalence
    test and confidence interval for the difference in proportions for the paired-sample design,
    Statistics in Medicine 17 (1998) 891-908. The standard error is what it would be if ``change``
    were true, with the likeliest rate of broken ones.
    Raises ValueError unless fixed and broken are not negative and together at most ``pairs``.
    """
    _check_pairs(fixed, broken, pairs)
    seen = fixed - broken - pairs * change
    b = (2 * pairs - fixed + broken) * change - fixed - broken
    c = -broken * change * (1 - change)
    root = math.sqrt(max(0.0, b * b - 8 * pairs * c))
    # of the two ways to write the root, the one without a difference of near numbers
    likeliest = (root - b) / (4 * pairs) if b <= 0 else -2 * c / (root + b)
    likeliest = max(likeliest, -change, 0.0)
    variance = pairs * (2 * likeliest + change * (1 - change))
    if variance <= 0:
        return math.copysign(math.inf, seen) if seen else 0.0
    return seen / math.sqrt(variance)


def _check_pairs(fixed: float, broken: float, pairs: float) -> None:
    # effective numbers are products, which round
    if not (fixed >= 0 and broken >= 0 and pairs > 0 and fixed + broken <= pairs * (1 + 1e-9)):
        raise ValueError(f"{fixed} fixed and {broken} broken of {pairs} pairs")


def paired_interval(fixed: float, broken: float, pairs: float, z: float = Z95) -> tuple[float, float]:
    """The interval for a change between two runs of the same questions; (-1, 1) of no pairs.

    Tango's score interval (1998, see ``paired_score``): all changes that the score test does not
    refute. It keeps its level where few questions changed, is never of no width, and cannot
    contradict a gate's verdict, which is that very test (of R. G. Newcombe's hybrid interval,
    Statistics in Medicine 17 (1998) 2635-2650, that cannot be said).
    Raises ValueError unless fixed and broken are not negative and together at most ``pairs``.
    """
    if pairs == 0 == fixed == broken:
        return -1.0, 1.0
    _check_pairs(fixed, broken, pairs)
    seen = (fixed - broken) / pairs

    def reach(end: float, sign: float) -> float:
        """The change furthest from what was seen, towards ``end``, that is not refuted."""
        inside, outside = seen, end
        for _ in range(_STEPS):
            middle = (inside + outside) / 2
            if sign * paired_score(fixed, broken, pairs, middle) <= z:
                inside = middle
            else:
                outside = middle
        return inside

    return reach(-1.0, 1.0), reach(1.0, -1.0)


def effective_pairs(
    clusters: Iterable[tuple[float, float, float]], z: float = Z95
) -> tuple[float, float, float]:
    """(fixed, broken, pairs) of independent questions that tell as much of a change as these clusters.

    Each cluster is (fixed, broken, pairs); as ``effective``.
    """
    known = [cluster for cluster in clusters if cluster[2]]
    fixed, broken, pairs = (math.fsum(cluster[at] for cluster in known) for at in range(3))
    if not known:
        return fixed, broken, pairs
    change = (fixed - broken) / pairs
    of_one = (fixed + broken) / pairs - change**2
    size = float(len(known))
    error = clustered_error((one - other, number) for one, other, number in known)
    if all(number == 1 and one in (0, 1) and other in (0, 1) for one, other, number in known):
        size = pairs
    elif error and of_one > 0:
        size = of_one / error**2 * (z / student(z, len(known) - 1)) ** 2
    size = min(size, pairs)
    return fixed / pairs * size, broken / pairs * size, size


def macro_change_interval(
    parts: Iterable[tuple[float, float, float]], z: float = Z95
) -> tuple[float, float] | None:
    """The interval for the mean over subjects of their changes; None where no subject has pairs.

    Each part is one subject's (fixed, broken, pairs). As ``macro_interval``, with Tango's interval
    instead of Wilson's.
    """
    known = [part for part in parts if part[2]]
    if not known:
        return None
    if len(known) == 1:
        return paired_interval(*known[0], z)
    number = len(known)
    fixed, broken = (math.fsum(part[at] / part[2] for part in known) / number for at in range(2))
    variance = 0.0
    for own_fixed, own_broken, pairs in known:
        up, down = (own_fixed + fixed) / (pairs + 1), (own_broken + broken) / (pairs + 1)
        variance += (up + down - (up - down) ** 2) / pairs / _kept(pairs, number)
    size = _size(fixed + broken - (fixed - broken) ** 2, variance / number**2, known)
    return paired_interval(fixed * size, broken * size, size, z)


def mcnemar(fixed: int, broken: int) -> float:
    """The exact p-value (two-sided) of no change: of McNemar's test, without an approximation.

    Q. McNemar, Psychometrika 12 (1947) 153-157; exact as the sign test of the questions that changed.
    Raises ValueError for negative numbers.
    """
    if fixed < 0 or broken < 0:
        raise ValueError(f"{fixed} fixed and {broken} broken")
    changed = fixed + broken
    term = total = 1
    for number in range(min(fixed, broken)):
        term = term * (changed - number) // (number + 1)
        total += term
    # whole numbers, since 2^-n is 0 in floating point from n = 1075 on
    return float(min(Fraction(1), Fraction(2 * total, 1 << changed)))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values, adjusted for being several, in the order given.

    Below 5% are then, with a chance of 95%, only changes that there really are, however many
    subjects were looked at: S. Holm, A simple sequentially rejective multiple test procedure,
    Scandinavian J. Statistics 6 (1979) 65-70. Raises ValueError for what is no probability.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value of {p}")
    number = len(p_values)
    adjusted = [0.0] * number
    highest = 0.0
    for rank, at in enumerate(sorted(range(number), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (number - rank) * p_values[at]))
        adjusted[at] = highest
    return tuple(adjusted)


def detectable_change(pairs: float, changing: float, *, power: float = POWER, z: float = Z95) -> float | None:
    """The smallest true change that two runs of ``pairs`` questions show with this chance.

    ``changing`` is the share of questions whose outcome differs between the runs, which is the most
    that the change can be. None where not even that would be seen. R. J. Connor, Sample size for
    testing differences in proportions for the paired-sample design, Biometrics 43 (1987) 207-211.
    Raises ValueError unless 0 <= changing <= 1 and 0 < power < 1.
    """
    if not (0 <= changing <= 1 and 0 < power < 1):
        raise ValueError(f"{changing} of the questions changing, and a power of {power}")
    more = _NORMAL.inv_cdf(power)

    def seen(change: float) -> bool:
        spread = z * math.sqrt(changing) + more * math.sqrt(max(0.0, changing - change**2))
        return change * math.sqrt(pairs) >= spread

    return _smallest(changing, seen) if changing and pairs else None


def detectable_difference(
    rate: float, trials: float, other_trials: float | None = None, *, power: float = POWER, z: float = Z95
) -> float | None:
    """The smallest drop from ``rate`` that runs of different questions show with this chance.

    Of ``trials`` and ``other_trials`` (else as many) independent questions; None where not even a
    drop to 0 would be seen. J. L. Fleiss, B. Levin and M. C. Paik, Statistical Methods for Rates and
    Proportions, 3rd ed. 2003, section 4.2. Two runs of the same questions see smaller ones:
    ``detectable_change``. Raises ValueError unless 0 <= rate <= 1 and 0 < power < 1.
    """
    if not (0 <= rate <= 1 and 0 < power < 1):
        raise ValueError(f"a rate of {rate}, and a power of {power}")
    more = _NORMAL.inv_cdf(power)
    one, two = trials, trials if other_trials is None else other_trials

    def seen(drop: float) -> bool:
        low = rate - drop
        pooled = (one * rate + two * low) / (one + two)
        spread = z * math.sqrt(pooled * (1 - pooled) * (1 / one + 1 / two))
        return drop >= spread + more * math.sqrt(rate * (1 - rate) / one + max(0.0, low * (1 - low)) / two)

    return _smallest(rate, seen) if rate and one and two else None


def _smallest(most: float, seen: Callable[[float], bool]) -> float | None:
    if not seen(most):
        return None
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def pairs_needed(
    margin: float, changing: float, change: float = 0.0, *, power: float = POWER, z: float = Z95
) -> int | None:
    """How many questions it takes to tell a true ``change`` from a drop of ``margin``; None if all do not.

    With ``changing`` the share of questions whose outcome differs. That of the usual normal
    approximation: (z + z of the power)^2 (changing - change^2) / (change + margin)^2, as in Nam (1997).
    Raises ValueError unless 0 <= changing <= 1 and 0 < power < 1.
    """
    if not (0 <= changing <= 1 and 0 < power < 1):
        raise ValueError(f"{changing} of the questions changing, and a power of {power}")
    apart = change + margin
    if abs(apart) < 1e-9:
        return None
    spread = (z + _NORMAL.inv_cdf(power)) ** 2 * max(0.0, changing - change**2)
    return max(1, math.ceil(spread / apart**2))


def pass_at(k: int, correct: int, repeats: int) -> float:
    """The chance that one of ``k`` answers is correct, where ``correct`` of ``repeats`` were; unbiased.

    M. Chen et al., Evaluating large language models trained on code, arXiv:2107.03374 (2021),
    section 2.1. Raises ValueError unless 0 <= correct <= repeats and 1 <= k <= repeats.
    """
    if not (0 <= correct <= repeats and 1 <= k <= repeats):
        raise ValueError(f"pass@{k} of {correct} correct in {repeats}")
    return float(1 - Fraction(math.comb(repeats - correct, k), math.comb(repeats, k)))


def kappa(table: Sequence[Sequence[float]], z: float = Z95) -> tuple[float, tuple[float, float]] | None:
    """Cohen's kappa (1960) of two raters, and its interval; None where chance alone agrees always.

    ``table[i][j]`` counts what one called i and the other j. The interval is Wilson's of the share that
    agrees, seen beyond the agreement by chance, which is taken as known: of 30 ratings it covers 94 to 97%,
    where that of the asymptotic error (Fleiss, Cohen and Everitt 1969) covers 65 to 93% and has no width
    where all agree.
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
