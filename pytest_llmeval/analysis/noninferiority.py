"""Whether a change from a baseline is a drop that is too large: a paired non-inferiority test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_llmeval.analysis.paired import pairs_needed
from pytest_llmeval.analysis.stats import POWER, Z95

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Change

_MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict and why; ``needed`` is how many questions would tell, where these do not."""

    verdict: Literal["pass", "fail", "inconclusive"]
    reason: str
    needed: int | None = None


def judge(change: Change, margin: float) -> Judged:
    """PASS where the data exclude a drop larger than ``margin``, FAIL where they show one.

    Both by the change's 95% interval (Tango's): all of it above -margin, or all of it below; so a
    change that is just tolerable passes, and one that is tolerable fails, in at most 2.5% of all
    runs each. Where the interval holds -margin the data do not tell: INCONCLUSIVE.
    """
    low, high = change.interval
    interval = f"95% interval {points(low, 2)} to {points(high, 2)}"
    seen = f"{points(change.change, 2)} points over {change.pairs} questions ({interval})"
    largest = f"{margin * 100:.6g} points" if margin else "0"
    if low >= -margin:
        return Judged("pass", f"{seen}: a drop of more than {largest} is excluded")
    if high < -margin:
        return Judged("fail", f"{seen}: a drop of more than {largest} is shown")
    needed = questions_needed(change, margin)
    told = "no number of questions" if needed is None else f"about {needed:,} questions"
    return Judged(
        "inconclusive",
        f"{seen}: a drop of more than {largest} is neither excluded nor shown; {told} would tell",
        needed,
    )


def questions_needed(change: Change, margin: float) -> int | None:
    """How many questions would tell whether there is a drop of more than ``margin``; None if no number.

    With a chance of 80%, when as many change as did: those that it takes to pass if nothing has become
    worse, or, where there were as many already, those that it takes if the change is as it was seen.
    """
    fixed, broken, pairs = change.effective
    # questions are not all worth one, where they depend on each other
    worth = pairs / change.pairs
    changing = min(1.0, (fixed + broken) / pairs)
    if changing == 0:  # Tango's interval then is z^2 / (n + z^2) to each side
        exact = Z95**2 * (1 - margin) / margin / worth if margin else math.inf
        return math.ceil(exact) if exact < _MOST else None
    for true_change in (0.0, change.change):
        number = pairs_needed(margin, changing, true_change, power=POWER)
        if number is not None and number > pairs:
            return round(number / worth) if number / worth < _MOST else None
    return None


def points(share: float, digits: int = 1) -> str:
    """A change in percentage points with its sign; what rounds to 0 has none."""
    text = f"{share * 100:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]
