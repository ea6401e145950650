"""Statistics against other implementations and their properties; ``test_stats_simulated`` simulates them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import power_proportions_2indep, proportion_confint

from pytest_llmeval.analysis.paired import (
    detectable_change,
    effective_pairs,
    holm,
    macro_change_interval,
    mcnemar,
    paired_interval,
    paired_score,
    pairs_needed,
)
from pytest_llmeval.analysis.stats import (
    Z95,
    Counts,
    clustered_error,
    detectable_difference,
    effective,
    kappa,
    macro_interval,
    mean,
    median,
    pass_at,
    percentile,
    student,
    wilson,
    z_of,
)
from pytest_llmeval.core.types import Outcome

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
        # for none and all, by hand: z^2 / (n + z^2) and n / (n + z^2) with z^2 = 3.841459
        (0, 10, 0.0, 0.277533, 6),
        (10, 10, 0.722467, 1.0, 6),
        (1, 1, 0.206549, 1.0, 6),
        # a half: 1/2 -+ z / (2 sqrt(n + z^2))
        (5, 10, 0.236593, 0.763407, 6),
    ],
)
def test_wilson_against_the_literature(
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


def test_z95_is_the_quantile_for_95_percent() -> None:
    assert pytest.approx(statistics.NormalDist().inv_cdf(0.975), rel=1e-12) == Z95


@given(tried)
def test_wilson_contains_the_rate_and_is_within_0_and_1(of: tuple[int, int]) -> None:
    successes, trials = of
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)


@pytest.mark.parametrize("trials", [2662525073144341, 2665231312875380, 4943273550383136])
def test_wilson_is_within_0_and_1_despite_rounding(trials: int) -> None:
    low, high = wilson(trials - 1, trials)
    assert 0 <= low <= (trials - 1) / trials <= high <= 1


@given(tried)
def test_wilson_is_symmetric(of: tuple[int, int]) -> None:
    successes, trials = of
    low, high = wilson(successes, trials)
    other_low, other_high = wilson(trials - successes, trials)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low), abs=1e-12)


@given(tried, st.integers(2, 5))
def test_wilson_is_narrower_for_more_trials(of: tuple[int, int], times: int) -> None:
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


def test_wilson_without_trials_is_0_to_1() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (1, 0), (0, -1)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
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
def test_examples_of_percentiles(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == pytest.approx(expected, abs=1e-12)


@given(st.lists(finite, min_size=2, max_size=40))
def test_quartiles_against_the_standard_library(values: list[float]) -> None:
    expected = statistics.quantiles(values, n=4, method="inclusive")
    assert [percentile(values, p) for p in (25, 50, 75)] == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(st.lists(finite, min_size=1, max_size=40), st.floats(0, 100), st.floats(0, 100))
def test_percentiles_rise_from_minimum_to_maximum(values: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    at_low, at_high = percentile(values, low), percentile(values, high)
    assert at_low is not None and at_high is not None
    # interpolation rounds; beyond that the order must hold
    slack = 1e-15 * (max(values) - min(values) + max(map(abs, values))) * 4
    assert min(values) <= at_low <= at_high + slack
    assert at_high <= max(values)
    assert (percentile(values, 0), percentile(values, 100)) == (min(values), max(values))


def test_percentile_takes_any_iterable_and_does_not_sort_in_place() -> None:
    values = [3.0, 1.0, 2.0]
    assert percentile(iter(values), 50) == 2.0
    assert median(values) == 2.0
    assert values == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan])
def test_percentile_refuses_other_numbers(percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile([1.0], percent)


def test_no_values_give_none() -> None:
    assert percentile([], 50) is None
    assert median([]) is None
    assert mean([]) is None


@given(st.lists(finite, min_size=1, max_size=50))
def test_mean_and_median_against_the_standard_library(values: list[float]) -> None:
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
def test_counts_of_parts_add_up(one: list[tuple[Outcome, bool]], other: list[tuple[Outcome, bool]]) -> None:
    assert Counts.of(one) + Counts.of(other) == Counts.of(one + other)
    assert Counts.summed(Counter(one)) == Counts.of(iter(one))


@given(questions)
def test_accuracy_is_the_fraction_of_scored_questions(found: list[tuple[Outcome, bool]]) -> None:
    counts = Counts.of(found)
    # only questions with a gold answer are correct or wrong
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


def test_without_gold_answers_accuracy_is_none() -> None:
    counts = Counts.of([(Outcome.ANSWERED, False)] * 3 + [(Outcome.UNPARSED, False)])
    assert (counts.requested, counts.unparsed, counts.scored) == (4, 1, 0)
    assert counts.accuracy is None
    assert counts.interval is None


# --- against independent implementations -----------------------------------------------------------


@given(tried, st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_wilson_against_statsmodels(of: tuple[int, int], level: float) -> None:
    expected = proportion_confint(*of, alpha=1 - level, method="wilson")
    assert wilson(*of, z_of(level)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_z_of_against_scipy(level: float) -> None:
    assert z_of(level) == pytest.approx(stats.norm.ppf((1 + level) / 2), rel=1e-12)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95, math.nan])
def test_z_of_refuses_other_numbers(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        z_of(level)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 25, 100, 5000])
def test_student_against_scipy(level: float, freedom: int) -> None:
    assert student(z_of(level), freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=2e-3)


def test_student_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="0 degrees"):
        student(Z95, 0)


changed = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200)).filter(
    lambda of: sum(of) > 0
)


def likeliest(fixed: int, broken: int, pairs: int, change: float) -> float:
    """The most likely rate of broken questions, found by search; Tango has a formula."""

    def unlikely(down: float) -> float:
        parts = ((fixed, down + change), (broken, down), (pairs - fixed - broken, 1 - 2 * down - change))
        return -sum(number * math.log(max(share, 1e-300)) for number, share in parts if number)

    low, high = max(0.0, -change), (1 - change) / 2
    found = optimize.minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    return float(min((low, high, found.x), key=unlikely))


@given(changed, st.floats(-0.95, 0.95))
def test_paired_score_uses_the_most_likely_rates(of: tuple[int, int, int], change: float) -> None:
    fixed, broken, rest = of
    pairs = fixed + broken + rest
    down = likeliest(fixed, broken, pairs, change)
    variance = (2 * down + change - change**2) / pairs
    score = paired_score(fixed, broken, pairs, change)
    assert score * math.sqrt(variance) == pytest.approx((fixed - broken) / pairs - change, abs=1e-4)


@pytest.mark.parametrize(
    ("fixed", "broken", "pairs", "low", "high"),
    [
        # none changed, by hand: z^2 / (n + z^2), as Wilson's
        (0, 0, 100, -0.0369935, 0.0369935),
        # Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014) 2850-2875: two of their examples
        (1, 7, 21, -0.517, -0.026),
        (6, 16, 161, -0.124, -0.005),
        # all fixed, by hand: (n - z^2) / (n + z^2)
        (21, 0, 21, 0.690722, 1.0),
    ],
)
def test_examples_of_paired_interval(fixed: int, broken: int, pairs: int, low: float, high: float) -> None:
    assert paired_interval(fixed, broken, pairs) == pytest.approx((low, high), abs=6e-4)


@given(changed)
@example((0, 0, 1))
@example((5, 0, 0))
def test_paired_interval_contains_the_changes_that_the_score_test_accepts(of: tuple[int, int, int]) -> None:
    fixed, broken, rest = of
    pairs = fixed + broken + rest
    low, high = paired_interval(fixed, broken, pairs)
    assert -1 <= low <= (fixed - broken) / pairs <= high <= 1
    assert low < high
    for change in np.linspace(-0.999, 0.999, 41):
        if min(abs(change - low), abs(change - high)) > 1e-9:
            assert (abs(paired_score(fixed, broken, pairs, float(change))) <= Z95) == (low < change < high)


@given(changed)
def test_paired_interval_is_mirrored_if_the_runs_are_swapped(of: tuple[int, int, int]) -> None:
    fixed, broken, _rest = of
    low, high = paired_interval(fixed, broken, sum(of))
    assert paired_interval(broken, fixed, sum(of)) == pytest.approx((-high, -low), abs=1e-9)


def test_paired_interval_without_pairs() -> None:
    assert paired_interval(0, 0, 0) == (-1.0, 1.0)


@pytest.mark.parametrize(("fixed", "broken", "pairs"), [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 1, 0)])
def test_paired_interval_refuses_impossible_counts(fixed: int, broken: int, pairs: int) -> None:
    with pytest.raises(ValueError, match=f"{fixed} fixed and {broken} broken of {pairs} pairs"):
        paired_interval(fixed, broken, pairs)


@given(st.integers(0, 400), st.integers(0, 400))
@example(0, 0)
@example(3000, 2900)
def test_mcnemar_against_statsmodels_and_scipy(fixed: int, broken: int) -> None:
    expected = their_mcnemar([[7, fixed], [broken, 9]], exact=True).pvalue
    assert mcnemar(fixed, broken) == pytest.approx(min(1.0, expected), rel=1e-9)
    if fixed + broken:
        assert mcnemar(fixed, broken) == pytest.approx(
            stats.binomtest(fixed, fixed + broken).pvalue, rel=1e-9
        )


def test_mcnemar_refuses_negative_numbers() -> None:
    with pytest.raises(ValueError, match="-1 fixed"):
        mcnemar(-1, 3)


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@settings(max_examples=20)
@given(p_values)
def test_holm_against_statsmodels(given_values: list[float]) -> None:
    assert holm(given_values) == pytest.approx(multipletests(given_values, method="holm")[1], rel=1e-12)


@given(p_values)
def test_holm_never_lowers_and_keeps_the_order(given_values: list[float]) -> None:
    adjusted = holm(given_values)
    assert all(p <= other <= 1 for p, other in zip(given_values, adjusted, strict=True))
    pairs = sorted(zip(given_values, adjusted, strict=True))
    assert all(one <= other for (_, one), (_, other) in itertools.pairwise(pairs))


def test_holm_without_values_and_with_invalid_ones() -> None:
    assert holm([]) == ()
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="p-value"):
            holm([0.5, wrong])


clusters = st.lists(
    st.integers(1, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2, max_size=25
)


@given(clusters)
def test_clustered_error_against_statsmodels(of: list[tuple[int, int]]) -> None:
    values = [float(at < successes) for successes, trials in of for at in range(trials)]
    groups = [number for number, (_, trials) in enumerate(of) for _ in range(trials)]
    fitted = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert clustered_error(of) == pytest.approx(fitted.bse[0], rel=1e-6, abs=1e-9)


def test_clusters_of_one_question_are_independent_questions() -> None:
    of = [(1, 1)] * 7 + [(0, 1)] * 5
    assert effective(of) == (7, 12)
    assert effective_pairs([(1, 0, 1)] * 3 + [(0, 1, 1)] * 2 + [(0, 0, 1)] * 6) == (3, 2, 11)
    # the usual standard error of a mean, with n - 1
    assert clustered_error(of) == pytest.approx(statistics.stdev([1] * 7 + [0] * 5) / math.sqrt(12))


def test_one_cluster_has_no_error() -> None:
    assert clustered_error([(3, 5)]) is None
    assert clustered_error([(3, 5), (0, 0)]) is None
    assert effective([(3, 5)]) == (pytest.approx(0.6), 1)
    assert effective([]) == (0, 0)


@given(clusters)
def test_clusters_carry_at_most_the_information_of_their_questions(of: list[tuple[int, int]]) -> None:
    successes, trials = sum(x for x, _ in of), sum(n for _, n in of)
    some, size = effective(of)
    assert 0 < size <= trials
    assert some / size == pytest.approx(successes / trials)
    low, high = wilson(some, size)
    plain_low, plain_high = wilson(successes, trials)
    assert low <= plain_low + 1e-9 and high >= plain_high - 1e-9


def test_fully_dependent_questions_count_as_one() -> None:
    alike = [(5, 5)] * 30 + [(0, 5)] * 30
    assert effective(alike)[1] == pytest.approx(60, rel=0.1)
    assert effective_pairs([(4, 0, 4)] * 10 + [(0, 4, 4)] * 10 + [(0, 0, 4)] * 40)[2] == pytest.approx(
        60, rel=0.1
    )


subjects = st.lists(
    st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=30
)


@given(subjects)
def test_macro_interval_contains_the_mean(of: list[tuple[int, int]]) -> None:
    interval = macro_interval(of)
    assert interval is not None
    low, high = interval
    assert 0 <= low <= statistics.fmean(x / n for x, n in of) + 1e-12
    assert statistics.fmean(x / n for x, n in of) - 1e-12 <= high <= 1
    turned = macro_interval([(n - x, n) for x, n in of])
    assert turned == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert macro_interval([*of, (0, 0)]) == interval


@given(subjects, st.integers(2, 4))
def test_macro_interval_is_narrower_for_more_questions(of: list[tuple[int, int]], times: int) -> None:
    low, high = macro_interval(of) or (0, 0)
    narrow_low, narrow_high = macro_interval([(x * times, n * times) for x, n in of]) or (0, 0)
    assert narrow_high - narrow_low < high - low


def test_macro_interval_of_many_questions_is_the_normal_interval() -> None:
    of = [(300, 1000), (500, 800), (4000, 5000), (20, 400)]
    rates = [(x / n, n) for x, n in of]
    error = math.sqrt(sum(p * (1 - p) / n for p, n in rates)) / 4
    middle = statistics.fmean(p for p, _ in rates)
    assert macro_interval(of) == pytest.approx((middle - Z95 * error, middle + Z95 * error), abs=4e-4)


def test_macro_intervals_of_one_subject_and_of_none() -> None:
    assert macro_interval([(3, 10)]) == wilson(3, 10)
    assert macro_change_interval([(3, 2, 10)]) == paired_interval(3, 2, 10)
    assert macro_interval([]) is None
    assert macro_change_interval([(0, 0, 0)]) is None


def test_macro_intervals_of_equal_subjects_pool_their_questions() -> None:
    assert macro_interval([(10, 10)] * 5) == pytest.approx(wilson(50, 50))
    assert macro_change_interval([(0, 0, 10)] * 5) == pytest.approx(paired_interval(0, 0, 50))


@given(st.lists(changed, min_size=1, max_size=20))
def test_macro_change_interval_contains_the_mean_change(of: list[tuple[int, int, int]]) -> None:
    parts = [(fixed, broken, fixed + broken + rest) for fixed, broken, rest in of]
    low, high = macro_change_interval(parts) or (1, -1)
    seen = statistics.fmean((fixed - broken) / pairs for fixed, broken, pairs in parts)
    assert -1 <= low <= seen + 1e-9 and seen - 1e-9 <= high <= 1
    turned = macro_change_interval([(broken, fixed, pairs) for fixed, broken, pairs in parts])
    assert turned == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("rate", [0.3, 0.55, 0.9, 0.99])
@pytest.mark.parametrize(("trials", "others"), [(193, 193), (1346, 1346), (1346, 500)])
def test_detectable_difference_against_the_power_of_statsmodels(
    rate: float, trials: int, others: int
) -> None:
    drop = detectable_difference(rate, trials, others)
    assert drop is not None
    # from the side of the lower rate, since statsmodels takes rising rates
    found = power_proportions_2indep(
        drop, rate - drop, nobs1=trials, ratio=others / trials, alpha=0.05, alternative="larger"
    )
    two_sided = power_proportions_2indep(drop, rate - drop, nobs1=trials, ratio=others / trials, alpha=0.05)
    assert two_sided.power == pytest.approx(0.8, abs=0.01)
    assert found.power > two_sided.power


def test_no_detectable_change_for_runs_that_are_too_small() -> None:
    assert detectable_difference(0.2, 5) is None
    assert detectable_change(20, 0.1) is None
    assert detectable_change(0, 0.1) is None
    assert detectable_change(100, 0.0) is None
    assert detectable_difference(0.5, 0) is None


@given(st.integers(50, 20_000), st.floats(0.01, 0.6))
def test_detectable_change_inverts_the_formula_of_connor(pairs: int, changing: float) -> None:
    change = detectable_change(pairs, changing)
    if change is None:
        return
    assert 0 < change <= changing
    more = detectable_change(pairs * 4, changing)
    assert more is not None and more < change
    # Connor's formula for the number of questions
    z_power = stats.norm.ppf(0.8)
    number = (Z95 * math.sqrt(changing) + z_power * math.sqrt(changing - change**2)) ** 2 / change**2
    assert number == pytest.approx(pairs, rel=1e-6) or change == changing


def test_examples_of_pairs_needed() -> None:
    # (1.96 + 0.8416)^2 * 0.1 / 0.02^2
    assert pairs_needed(0.02, 0.1) == 1963
    assert pairs_needed(0.02, 0.1, power=0.9) == 2627
    assert pairs_needed(0.02, 0.1, -0.02) is None
    assert pairs_needed(0.02, 0.1, -0.01) == math.ceil(7.8488797 * (0.1 - 0.0001) / 0.0001)
    assert pairs_needed(0.02, 0.0) == 1


@pytest.mark.parametrize("wrong", [{"changing": -0.1}, {"changing": 1.1}, {"changing": 0.1, "power": 1.0}])
def test_impossible_fractions_and_powers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="power"):
        detectable_change(100, **wrong)
    with pytest.raises(ValueError, match="power"):
        pairs_needed(0.02, **wrong)


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_mean_over_all_subsets_of_k(of: tuple[int, int, int]) -> None:
    repeats, correct, k = of
    answers = [at < correct for at in range(repeats)]
    chosen = [any(some) for some in itertools.combinations(answers, k)]
    assert pass_at(k, correct, repeats) == pytest.approx(statistics.fmean(chosen))


@pytest.mark.parametrize(("k", "correct", "repeats"), [(0, 1, 3), (4, 1, 3), (1, 4, 3), (1, -1, 3)])
def test_pass_at_k_refuses_impossible_counts(k: int, correct: int, repeats: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k}"):
        pass_at(k, correct, repeats)


def test_example_of_kappa() -> None:
    # Cohen's own kind of table: 50 ratings, 35 agree, chance 0.5
    found = kappa([[20, 5], [10, 15]])
    assert found is not None
    value, (low, high) = found
    assert value == pytest.approx(0.4)
    ends = proportion_confint(35, 50, method="wilson")
    assert (low, high) == pytest.approx(tuple((end - 0.5) / 0.5 for end in ends))


def test_kappa_has_an_interval_if_all_agree() -> None:
    found = kappa([[5, 0], [0, 5]])
    assert found is not None
    assert found[0] == 1 and found[1][0] < 0.6 and found[1][1] == pytest.approx(1)


@pytest.mark.parametrize("table", [[], [[0, 0], [0, 0]], [[7, 0], [0, 0]], [[7]]])
def test_kappa_of_nothing_or_of_one_label(table: list[list[float]]) -> None:
    assert kappa(table) is None


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=3, max_size=3))
def test_kappa_is_within_its_interval(table: list[list[float]]) -> None:
    found = kappa(table)
    if found is not None:
        value, (low, high) = found
        assert -1 <= low <= value + 1e-9 and value <= high + 1e-9 and high <= 1 + 1e-9
        assert value == pytest.approx(cohens_kappa(np.array(table)).kappa)
        turned = kappa([list(row) for row in zip(*table, strict=True)])
        assert turned is not None and turned[0] == pytest.approx(value)
