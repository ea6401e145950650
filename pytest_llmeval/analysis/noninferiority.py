"""A paired non-inferiority test: whether the drop from a baseline exceeds a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_llmeval.analysis.paired import pairs_needed
from pytest_llmeval.analysis.stats import POWER, Z95

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Change

_LARGEST_NUMBER = 10_000_000


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict and its reason; ``needed`` is the number of questions that would give a definite one."""

    verdict: Literal["pass", "fail", "inconclusive"]
    reason: str
    needed: int | None = None


def assess(change: Change, margin: float) -> Assessment:
    """Test a change for a drop larger than ``margin`` (a fraction of 1).

    The test uses Tango's 95% interval for the change: PASS if all of it is above -margin, FAIL if all of it
    is below, INCONCLUSIVE if it contains -margin. A true drop of exactly the margin passes, and a tolerable
    one fails, in at most 2.5% of all runs each.
    """
    low, high = change.interval
    interval = f"95% interval {points(low, 2)} to {points(high, 2)}"
    change_text = f"{points(change.change, 2)} points over {change.pairs} questions ({interval})"
    margin_text = f"{margin * 100:.6g} points" if margin else "0"
    if low >= -margin:
        return Assessment("pass", f"{change_text}: a drop of more than {margin_text} is excluded")
    if high < -margin:
        return Assessment("fail", f"{change_text}: a drop of more than {margin_text} is shown")
    needed = questions_needed(change, margin)
    number_text = "no number of questions" if needed is None else f"about {needed:,} questions"
    return Assessment(
        "inconclusive",
        f"{change_text}: a drop of more than {margin_text} is neither excluded nor shown; "
        f"{number_text} would decide",
        needed,
    )


def questions_needed(change: Change, margin: float) -> int | None:
    """The number of questions that would show or exclude a drop of more than ``margin``; None if none would.

    Computed for a chance of 80% and the observed fraction of changing questions. It is the number needed to
    pass if the true change is 0; or, if the run had as many already, the number needed if the true change
    is the observed one.
    """
    fixed, broken, pairs = change.effective
    # effective questions per question; below 1 if questions depend on each other
    worth = pairs / change.pairs
    changing = min(1.0, (fixed + broken) / pairs)
    if changing == 0:  # Tango's interval is then z^2 / (n + z^2) to each side
        exact = Z95**2 * (1 - margin) / margin / worth if margin else math.inf
        return math.ceil(exact) if exact < _LARGEST_NUMBER else None
    for true_change in (0.0, change.change):
        number = pairs_needed(margin, changing, true_change, power=POWER)
        if number is not None and number > pairs:
            return round(number / worth) if number / worth < _LARGEST_NUMBER else None
    return None


def points(share: float, digits: int = 1) -> str:
    """A change in percentage points with its sign; without one if it rounds to 0."""
    text = f"{share * 100:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]
