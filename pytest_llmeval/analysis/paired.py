"""Statistics of two runs of the same questions: the change, its interval, and tests of it.

``fixed`` is the number of questions that only the later run answered correctly, ``broken`` that of questions
that only the earlier run did, ``pairs`` that of all questions scored in both. The three numbers may be
fractions. The change is (fixed - broken) / pairs. Intervals, rates and ``z`` are as in ``stats.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from pytest_llmeval.analysis.stats import (
    BISECTION_STEPS,
    NORMAL,
    POWER,
    Z95,
    clustered_error,
    effective_size,
    shrinkage,
    smallest_detected,
    student,
)


def paired_score(fixed: float, broken: float, pairs: float, change: float) -> float:
    """The number of standard errors by which the observed change lies above ``change`` (-1 to 1).

    The score test for paired rates: J. Nam, Biometrics 53 (1997) 1422-1430; T. Tango, Equivalence
    test and confidence interval for the difference in proportions for the paired-sample design,
    Statistics in Medicine 17 (1998) 891-908. The standard error is the one under the hypothesis
    that ``change`` is true, with the most likely rate of broken questions.
    Raises ValueError if fixed or broken is negative or their sum exceeds ``pairs``.
    """
    _check_pairs(fixed, broken, pairs)
    excess = fixed - broken - pairs * change
    b = (2 * pairs - fixed + broken) * change - fixed - broken
    c = -broken * change * (1 - change)
    root = math.sqrt(max(0.0, b * b - 8 * pairs * c))
    # the form of the quadratic formula that does not subtract nearly equal numbers
    likeliest = (root - b) / (4 * pairs) if b <= 0 else -2 * c / (root + b)
    likeliest = max(likeliest, -change, 0.0)
    variance = pairs * (2 * likeliest + change * (1 - change))
    if variance <= 0:
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(variance)


def _check_pairs(fixed: float, broken: float, pairs: float) -> None:
    # effective numbers are rounded products
    if not (fixed >= 0 and broken >= 0 and pairs > 0 and fixed + broken <= pairs * (1 + 1e-9)):
        raise ValueError(f"{fixed} fixed and {broken} broken of {pairs} pairs")


def paired_interval(fixed: float, broken: float, pairs: float, z: float = Z95) -> tuple[float, float]:
    """The interval for a change between two runs of the same questions; (-1, 1) for no pairs.

    Tango's score interval (1998, see ``paired_score``): all changes that the score test does not
    reject. It keeps its level if few questions changed, never collapses to zero width, and cannot
    contradict a gate, which uses the same test (unlike R. G. Newcombe's hybrid interval,
    Statistics in Medicine 17 (1998) 2635-2650).
    Raises ValueError if fixed or broken is negative or their sum exceeds ``pairs``.
    """
    if pairs == 0 == fixed == broken:
        return -1.0, 1.0
    _check_pairs(fixed, broken, pairs)
    observed = (fixed - broken) / pairs

    def bound(end: float, sign: float) -> float:
        """The change furthest from the observed one, towards ``end``, that is not rejected."""
        inside, outside = observed, end
        for _ in range(BISECTION_STEPS):
            middle = (inside + outside) / 2
            if sign * paired_score(fixed, broken, pairs, middle) <= z:
                inside = middle
            else:
                outside = middle
        return inside

    return bound(-1.0, 1.0), bound(1.0, -1.0)


def effective_pairs(
    clusters: Iterable[tuple[float, float, float]], z: float = Z95
) -> tuple[float, float, float]:
    """(fixed, broken, pairs) of independent questions that carry as much information as these clusters.

    Each cluster is (fixed, broken, pairs). See ``stats.effective`` for the method.
    """
    known = [cluster for cluster in clusters if cluster[2]]
    fixed, broken, pairs = (math.fsum(cluster[i] for cluster in known) for i in range(3))
    if not known:
        return fixed, broken, pairs
    change = (fixed - broken) / pairs
    variance_of_one = (fixed + broken) / pairs - change**2
    size = float(len(known))
    error = clustered_error((up - down, number) for up, down, number in known)
    if all(number == 1 and up in (0, 1) and down in (0, 1) for up, down, number in known):
        size = pairs
    elif error and variance_of_one > 0:
        size = variance_of_one / error**2 * (z / student(z, len(known) - 1)) ** 2
    size = min(size, pairs)
    return fixed / pairs * size, broken / pairs * size, size


def macro_change_interval(
    parts: Iterable[tuple[float, float, float]], z: float = Z95
) -> tuple[float, float] | None:
    """The interval for the mean of the subjects' changes; None if no subject has pairs.

    Each part is one subject's (fixed, broken, pairs). The method is that of ``stats.macro_interval``
    with Tango's interval instead of Wilson's.
    """
    known = [part for part in parts if part[2]]
    if not known:
        return None
    if len(known) == 1:
        return paired_interval(*known[0], z)
    number = len(known)
    fixed, broken = (math.fsum(part[i] / part[2] for part in known) / number for i in range(2))
    variance = 0.0
    for part_fixed, part_broken, pairs in known:
        up, down = (part_fixed + fixed) / (pairs + 1), (part_broken + broken) / (pairs + 1)
        variance += (up + down - (up - down) ** 2) / pairs / shrinkage(pairs, number)
    size = effective_size(fixed + broken - (fixed - broken) ** 2, variance / number**2, known)
    return paired_interval(fixed * size, broken * size, size, z)


def mcnemar(fixed: int, broken: int) -> float:
    """The exact two-sided p-value of McNemar's test of no change.

    Q. McNemar, Psychometrika 12 (1947) 153-157; exact, as a sign test of the questions that changed.
    Raises ValueError for negative numbers.
    """
    if fixed < 0 or broken < 0:
        raise ValueError(f"{fixed} fixed and {broken} broken")
    changed = fixed + broken
    term = total = 1
    for number in range(min(fixed, broken)):
        term = term * (changed - number) // (number + 1)
        total += term
    # integers, since 2^-n is 0 in floating point from n = 1075 on
    return float(min(Fraction(1), Fraction(2 * total, 1 << changed)))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values adjusted for multiple comparisons, in the order given.

    With a chance of 95%, all changes with an adjusted value below 5% are real, however many
    subjects were compared: S. Holm, A simple sequentially rejective multiple test procedure,
    Scandinavian J. Statistics 6 (1979) 65-70. Raises ValueError for a value outside of 0 to 1.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"p-value {p} is not between 0 and 1")
    number = len(p_values)
    adjusted = [0.0] * number
    highest = 0.0
    for rank, at in enumerate(sorted(range(number), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (number - rank) * p_values[at]))
        adjusted[at] = highest
    return tuple(adjusted)


def detectable_change(pairs: float, changing: float, *, power: float = POWER, z: float = Z95) -> float | None:
    """The smallest true change that two runs of ``pairs`` questions detect with this ``power``.

    ``changing`` is the fraction of questions whose outcome differs between the runs, and thus the
    largest possible change. None if not even that would be detected. R. J. Connor, Sample size for
    testing differences in proportions for the paired-sample design, Biometrics 43 (1987) 207-211.
    Raises ValueError unless 0 <= changing <= 1 and 0 < power < 1.
    """
    if not (0 <= changing <= 1 and 0 < power < 1):
        raise ValueError(f"fraction {changing} of changing questions, power {power}")
    z_power = NORMAL.inv_cdf(power)

    def detected(change: float) -> bool:
        spread = z * math.sqrt(changing) + z_power * math.sqrt(max(0.0, changing - change**2))
        return change * math.sqrt(pairs) >= spread

    return smallest_detected(changing, detected) if changing and pairs else None


def pairs_needed(
    margin: float, changing: float, change: float = 0.0, *, power: float = POWER, z: float = Z95
) -> int | None:
    """The number of questions that distinguish a true ``change`` from a drop of ``margin``, or None.

    ``changing`` is the fraction of questions whose outcome differs. By the usual normal approximation:
    (z + z of the power)^2 (changing - change^2) / (change + margin)^2, as in Nam (1997).
    Raises ValueError unless 0 <= changing <= 1 and 0 < power < 1.
    """
    if not (0 <= changing <= 1 and 0 < power < 1):
        raise ValueError(f"fraction {changing} of changing questions, power {power}")
    distance = change + margin
    if abs(distance) < 1e-9:
        return None
    spread = (z + NORMAL.inv_cdf(power)) ** 2 * max(0.0, changing - change**2)
    return max(1, math.ceil(spread / distance**2))
