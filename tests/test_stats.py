"""Counts, rates, the interval and order statistics."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llmeval.stats import Z95, Counts, mean, median, percentile, wilson
from pytest_llmeval.types import Outcome

finite = st.floats(-1e9, 1e9)
tried = st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high", "digits"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662, 4),
        (15, 148, 0.0624, 0.1605, 4),
        (0, 20, 0.0000, 0.1611, 4),
        (1, 29, 0.0061, 0.1718, 4),
        # of none and of all, by hand: z^2 / (n + z^2) and n / (n + z^2) with z^2 = 3.841459
        (0, 10, 0.0, 0.277533, 6),
        (10, 10, 0.722467, 1.0, 6),
        (1, 1, 0.206549, 1.0, 6),
        # a half: 1/2 -+ z / (2 sqrt(n + z^2))
        (5, 10, 0.236593, 0.763407, 6),
    ],
)
def test_wilson_is_what_the_literature_prints(
    successes: int, trials: int, low: float, high: float, digits: int
) -> None:
    found = wilson(successes, trials)
    assert found == pytest.approx((low, high), abs=0.51 * 10**-digits)


@given(tried)
@example((13, 26))
def test_wilson_ends_solve_the_equation_of_the_score_test(of: tuple[int, int]) -> None:
    successes, trials = of
    for end in wilson(successes, trials):
        # |p - end| is z standard errors, taken at the end itself
        deviation = (successes / trials - end) ** 2 * trials
        assert deviation == pytest.approx(Z95**2 * end * (1 - end), rel=1e-6, abs=1e-9)


def test_the_normal_point_is_that_of_95_percent() -> None:
    assert pytest.approx(statistics.NormalDist().inv_cdf(0.975), rel=1e-12) == Z95


@given(tried)
def test_wilson_holds_the_rate_within_0_and_1(of: tuple[int, int]) -> None:
    successes, trials = of
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)


@pytest.mark.parametrize("trials", [2662525073144341, 2665231312875380, 4943273550383136])
def test_wilson_stays_within_0_and_1_where_floats_round(trials: int) -> None:
    low, high = wilson(trials - 1, trials)
    assert 0 <= low <= (trials - 1) / trials <= high <= 1


@given(tried)
def test_wilson_is_symmetric(of: tuple[int, int]) -> None:
    successes, trials = of
    low, high = wilson(successes, trials)
    other_low, other_high = wilson(trials - successes, trials)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low), abs=1e-12)


@given(tried, st.integers(2, 5))
def test_wilson_is_narrower_the_more_was_tried(of: tuple[int, int], times: int) -> None:
    successes, trials = of
    low, high = wilson(successes, trials)
    narrow_low, narrow_high = wilson(successes * times, trials * times)
    assert narrow_high - narrow_low < high - low


@given(tried)
def test_wilson_is_wider_at_a_higher_level(of: tuple[int, int]) -> None:
    low, high = wilson(*of)
    wide_low, wide_high = wilson(*of, z=2.5758)
    assert wide_low <= low < high <= wide_high
    assert wide_high - wide_low > high - low


def test_wilson_of_nothing_tried_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (1, 0), (0, -1)])
def test_wilson_refuses_what_cannot_be(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} successes of {trials} trials"):
        wilson(successes, trials)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7.0], 0, 7.0),
        ([7.0], 95, 7.0),
        ([3.0, 1.0], 50, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 25, 1.75),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.5),
        ([4.0, 1.0, 3.0, 2.0], 100, 4.0),
        (list(range(1, 101)), 95, 95.05),
        ([10.0, 20.0, 30.0], 95, 29.0),
    ],
)
def test_percentile_by_hand(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == pytest.approx(expected, abs=1e-12)


@given(st.lists(finite, min_size=2, max_size=40))
def test_quartiles_are_those_of_the_standard_library(values: list[float]) -> None:
    expected = statistics.quantiles(values, n=4, method="inclusive")
    assert [percentile(values, p) for p in (25, 50, 75)] == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(st.lists(finite, min_size=1, max_size=40), st.floats(0, 100), st.floats(0, 100))
def test_percentiles_rise_from_least_to_most(values: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    at_low, at_high = percentile(values, low), percentile(values, high)
    assert at_low is not None and at_high is not None
    # interpolation rounds; beyond that the order must hold
    slack = 1e-15 * (max(values) - min(values) + max(map(abs, values))) * 4
    assert min(values) <= at_low <= at_high + slack
    assert at_high <= max(values)
    assert (percentile(values, 0), percentile(values, 100)) == (min(values), max(values))


def test_percentile_takes_any_iterable_and_leaves_a_list_alone() -> None:
    values = [3.0, 1.0, 2.0]
    assert percentile(iter(values), 50) == 2.0
    assert median(values) == 2.0
    assert values == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan])
def test_percentile_refuses_what_is_no_percentage(percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile([1.0], percent)


def test_of_no_values_there_is_none() -> None:
    assert percentile([], 50) is None
    assert median([]) is None
    assert mean([]) is None


@given(st.lists(finite, min_size=1, max_size=50))
def test_mean_and_median_are_those_of_the_standard_library(values: list[float]) -> None:
    assert mean(iter(values)) == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-12)
    assert median(values) == pytest.approx(statistics.median(values), rel=1e-9, abs=1e-6)


@given(st.lists(finite, max_size=30), st.randoms())
def test_the_mean_does_not_depend_on_the_order(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert mean(shuffled) == mean(values)


questions = st.lists(st.tuples(st.sampled_from(Outcome), st.booleans()), max_size=40)


@given(questions)
def test_counts_add_up_to_what_was_requested(found: list[tuple[Outcome, bool]]) -> None:
    counts = Counts.of(found)
    shown = counts.as_dict()
    assert shown.pop("requested") == counts.requested == len(found)
    assert shown == {outcome.value: sum(of is outcome for of, _ in found) for outcome in Outcome}


@given(questions, questions)
def test_counts_of_parts_add_up_to_those_of_the_whole(
    one: list[tuple[Outcome, bool]], other: list[tuple[Outcome, bool]]
) -> None:
    assert Counts.of(one) + Counts.of(other) == Counts.of(one + other)
    assert Counts.summed(Counter(one)) == Counts.of(iter(one))


@given(questions)
def test_accuracy_is_the_share_of_what_was_scored(found: list[tuple[Outcome, bool]]) -> None:
    counts = Counts.of(found)
    # correct and wrong are only ever said of a question with a gold answer
    scored = sum(
        of in (Outcome.CORRECT, Outcome.WRONG) or (of is Outcome.UNPARSED and gold) for of, gold in found
    )
    correct = sum(of is Outcome.CORRECT for of, _ in found)
    assert counts.scored == scored
    if scored == 0:
        assert (counts.accuracy, counts.rate, counts.interval) == (None, None, None)
    else:
        assert counts.rate == Fraction(correct, scored)
        assert counts.accuracy == correct / scored
        assert counts.interval == wilson(correct, scored)


def test_unparsed_counts_as_not_correct_and_errors_do_not_count() -> None:
    counts = Counts(correct=3, wrong=1, unparsed=2, error=4)
    assert counts.requested == 10
    assert counts.accuracy == 0.5
    assert Counts(error=2).accuracy is None


def test_without_gold_answers_there_is_no_accuracy_instead_of_0() -> None:
    counts = Counts.of([(Outcome.ANSWERED, False)] * 3 + [(Outcome.UNPARSED, False)])
    assert (counts.requested, counts.unparsed, counts.scored) == (4, 1, 0)
    assert counts.accuracy is None
    assert counts.interval is None
