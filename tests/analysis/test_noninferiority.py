"""The test for drops that are too large: examples, and the error rates that docs/statistics.md promises."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmeval.analysis.compare import Change
from pytest_llmeval.analysis.noninferiority import assess, points, questions_needed
from pytest_llmeval.analysis.paired import paired_interval


def change(fixed: float, broken: float, pairs: int, size: float | None = None) -> Change:
    """A change over ``pairs`` questions with ``size`` effective ones."""
    worth = (pairs if size is None else size) / pairs
    effective = (fixed * worth, broken * worth, pairs * worth)
    return Change(pairs, 0.5, 0.5, fixed, broken, paired_interval(*effective), 1.0, effective)


@pytest.mark.parametrize(
    ("fixed", "broken", "pairs", "margin", "verdict"),
    [
        (30, 30, 12_342, 0.02, "pass"),
        (60, 60, 1346, 0.02, "pass"),
        (100, 100, 1346, 0.02, "inconclusive"),
        (10, 100, 1346, 0.02, "fail"),
        (30, 57, 1346, 0.02, "inconclusive"),
        (0, 0, 189, 0.02, "pass"),
        (0, 0, 188, 0.02, "inconclusive"),
        (0, 60, 60, 0.02, "fail"),
        # margin 0
        (40, 10, 1346, 0.0, "pass"),
        (10, 40, 1346, 0.0, "fail"),
        (10, 12, 1346, 0.0, "inconclusive"),
        (0, 0, 1346, 0.0, "inconclusive"),
        (0, 1346, 1346, 1.0, "pass"),
    ],
)
def test_examples(fixed: int, broken: int, pairs: int, margin: float, verdict: str) -> None:
    assert assess(change(fixed, broken, pairs), margin).verdict == verdict


def test_reasons_give_the_change_and_the_questions_needed() -> None:
    assert assess(change(60, 60, 1346), 0.02).reason == (
        "0.00 points over 1346 questions (95% interval -1.62 to +1.62): "
        "a drop of more than 2 points is excluded"
    )
    failed = assess(change(10, 100, 1346), 0.02).reason
    assert failed.startswith("-6.69 points over 1346 questions (95% interval -8.")
    assert failed.endswith("a drop of more than 2 points is shown")
    unsure = assess(change(100, 100, 1346), 0.02)
    assert unsure.reason.endswith(
        "a drop of more than 2 points is neither excluded nor shown; about 2,916 questions would decide"
    )
    assert unsure.needed == 2916
    none = assess(change(0, 0, 1346), 0.0)
    assert none.needed is None and none.reason.endswith("no number of questions would decide")
    assert "more than 0 is" in none.reason


def test_the_number_needed_counts_dependent_questions() -> None:
    alone, clustered = change(100, 100, 1346), change(100, 100, 1346, size=673.0)
    assert questions_needed(clustered, 0.02) == 2 * (questions_needed(alone, 0.02) or 0)


def test_the_number_needed_uses_the_observed_change_if_there_were_enough_for_none() -> None:
    # 1,960 would do if the true change were 0; there were more, and the change is not 0
    needed = questions_needed(change(180, 220, 4000), 0.02)
    assert needed is not None and needed > 4000


changes = st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(0, 3000)).filter(
    lambda of: sum(of) > 0
)


@given(changes, st.floats(0, 0.5))
def test_the_verdict_follows_from_the_interval(of: tuple[int, int, int], margin: float) -> None:
    fixed, broken, rest = of
    found = change(fixed, broken, fixed + broken + rest)
    assessment = assess(found, margin)
    low, high = found.interval
    expected = "pass" if low >= -margin else "fail" if high < -margin else "inconclusive"
    assert assessment.verdict == expected
    assert assessment.reason.isprintable()
    if assessment.needed is not None:
        assert assessment.verdict == "inconclusive" and assessment.needed >= 1


@example((0, 0, 1), 5e-324, 0.25)
@given(changes, st.floats(0, 0.4), st.floats(0.001, 0.4))
def test_a_larger_margin_never_gives_a_worse_verdict(
    of: tuple[int, int, int], margin: float, more: float
) -> None:
    fixed, broken, rest = of
    found = change(fixed, broken, fixed + broken + rest)
    order = ["fail", "inconclusive", "pass"]
    assert order.index(assess(found, margin).verdict) <= order.index(assess(found, margin + more).verdict)


def rates(pairs: int, changing: float, drop: float, margin: float, runs: int = 1500) -> Counter[str]:
    """The fraction of runs with each verdict, for a model whose true drop is ``drop``."""
    dice = np.random.default_rng(11)
    of = [(changing - drop) / 2, (changing + drop) / 2, 1 - changing]
    seen, numbers = np.unique(dice.multinomial(pairs, of, runs)[:, :2], axis=0, return_counts=True)
    found: Counter[str] = Counter()
    for (fixed, broken), number in zip(seen.tolist(), numbers, strict=True):
        found[assess(change(fixed, broken, pairs), margin).verdict] += int(number) / runs
    return found


@pytest.mark.parametrize("pairs", [193, 1346, 12_342])
def test_a_true_drop_of_the_margin_rarely_passes(pairs: int) -> None:
    assert rates(pairs, 0.1, 0.02, 0.02)["pass"] < 0.035


@pytest.mark.parametrize("pairs", [193, 1346, 12_342])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.02])
def test_no_drop_rarely_fails(pairs: int, margin: float) -> None:
    assert rates(pairs, 0.1, 0.0, margin)["fail"] < (0.035 if margin == 0 else 0.015)


def test_enough_questions_give_a_verdict() -> None:
    # the size of MMLU or CMMLU: a drop of 2 points is distinguished from none
    assert rates(12_342, 0.1, 0.0, 0.01)["pass"] > 0.9
    assert rates(12_342, 0.1, 0.02, 0.01)["fail"] > 0.9
    assert rates(12_342, 0.1, 0.02, 0.0)["fail"] > 0.99
    # the size of C-Eval's val split: any drop
    assert rates(1346, 0.1, 0.02, 0.0)["fail"] > 0.55
    assert rates(1346, 0.1, 0.05, 0.02)["fail"] > 0.8
    assert rates(1346, 0.04, 0.0, 0.02)["pass"] > 0.9


@pytest.mark.parametrize(
    ("share", "text"), [(0.0123, "+1.2"), (-0.5, "-50.0"), (0.0, "0.0"), (-0.0004, "0.0"), (0.0006, "+0.1")]
)
def test_points(share: float, text: str) -> None:
    assert points(share) == text
