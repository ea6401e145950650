"""Simulations, with fixed seeds, of how well intervals and tests keep their level.

The assertions are the promises of docs/statistics.md, whose figures come from these functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pytest_llmeval.analysis.paired import (
    detectable_change,
    effective_pairs,
    macro_change_interval,
    mcnemar,
    paired_interval,
    pairs_needed,
)
from pytest_llmeval.analysis.stats import effective, kappa, macro_interval, wilson

pytestmark = pytest.mark.slow  # simulates thousands of runs

SIZES = (10, 26, 100, 1000)
RATES = (0.25, 0.5, 0.9, 0.99)


def coverage(
    draws: np.ndarray,  # type: ignore[type-arg]
    interval: Callable[[Sequence[float]], tuple[float, float] | None],
    truth: float,
) -> float:
    """The fraction of draws (rows) whose interval contains the truth; equal draws are computed once."""
    rows, numbers = np.unique(draws, axis=0, return_counts=True)
    covered = 0
    for row, number in zip(rows.tolist(), numbers, strict=True):
        low, high = interval(row) or (1.0, 0.0)
        covered += int(number) * (low - 1e-12 <= truth <= high + 1e-12)
    return covered / len(draws)


def test_wilson_covers() -> None:
    dice = np.random.default_rng(1)
    found = {
        (n, p): coverage(dice.binomial(n, p, (20_000, 1)), lambda row, n=n: wilson(row[0], n), p)
        for n in SIZES
        for p in RATES
    }
    # one point of the grid is a known dip: 9 of 10 excludes 99%, and occurs in 9.6% of all runs
    assert found.pop((10, 0.99)) == pytest.approx(0.904, abs=0.01)
    assert min(found.values()) > 0.915
    assert np.mean(list(found.values())) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("size", "most"), [(26, 0.041), (100, 0.03), (193, 0.03), (1346, 0.03), (12_342, 0.03)]
)
def test_the_lower_end_exceeds_the_true_rate_as_rarely_as_gates_promise(size: int, most: float) -> None:
    dice = np.random.default_rng(12)
    for rate in (0.25, 0.4, 0.55, 0.75, 0.9):
        draws, numbers = np.unique(dice.binomial(size, rate, 20_000), return_counts=True)
        passed = sum(
            int(number)
            for right, number in zip(draws.tolist(), numbers, strict=True)
            if wilson(right, size)[0] >= rate
        )
        assert passed / 20_000 < most + 0.004, rate  # three standard errors of the simulation


@pytest.mark.parametrize("subjects", [4, 20])
def test_macro_interval_covers(subjects: int) -> None:
    dice = np.random.default_rng(2)
    for n in SIZES:
        for p in RATES:
            spread = np.clip(dice.beta(p * 8, (1 - p) * 8, subjects), 0.001, 0.999)
            for rates in (np.full(subjects, p), spread):
                draws = dice.binomial(n, rates, (400, subjects))
                found = coverage(draws, lambda row, n=n: macro_interval([(x, n) for x in row]), rates.mean())
                assert found > 0.90, (n, p, found)


def test_macro_interval_covers_with_one_question_per_subject() -> None:
    dice = np.random.default_rng(3)
    for p in RATES:
        draws = dice.binomial(1, p, (1000, 52))
        assert coverage(draws, lambda row: macro_interval([(x, 1) for x in row]), p) > 0.89


@pytest.mark.parametrize("n", SIZES)
def test_paired_interval_covers(n: int) -> None:
    dice = np.random.default_rng(4)
    for p in RATES:
        up, down = 0.3 * p * (1 - p), 0.5 * p * (1 - p)
        draws = dice.multinomial(n, [up, down, 1 - up - down], 1000)[:, :2]
        assert coverage(draws, lambda row: paired_interval(*row, n), up - down) > 0.925, p


def test_macro_change_interval_covers() -> None:
    dice = np.random.default_rng(5)
    for n in SIZES:
        for up, down in ((0.02, 0.05), (0.1, 0.1), (0.2, 0.05)):
            shares = np.array([[up * s, down * s, 1 - (up + down) * s] for s in dice.uniform(0.3, 1.7, 12)])
            draws = np.stack([dice.multinomial(n, of, 200)[:, :2] for of in shares], axis=1)
            found = coverage(
                draws.reshape(200, -1),
                lambda row, n=n: macro_change_interval(
                    [(one, other, n) for one, other in zip(row[::2], row[1::2], strict=True)]
                ),
                float((shares[:, 0] - shares[:, 1]).mean()),
            )
            assert found > 0.90, (n, up, down)


@pytest.mark.parametrize("number", [6, 20, 100])
def test_effective_questions_give_coverage_where_plain_wilson_does_not(number: int) -> None:
    dice = np.random.default_rng(6)
    for p in RATES:
        # five questions per passage, a third of the variance between passages
        draws = dice.binomial(5, dice.beta(p * 2, (1 - p) * 2, (600, number)))
        with_clusters = coverage(draws, lambda row: wilson(*effective([(x, 5) for x in row])), p)
        assert with_clusters > 0.88, p
        if p in (0.25, 0.5):
            assert coverage(draws, lambda row: wilson(sum(row), 5 * number), p) < 0.87


def test_effective_pairs_give_coverage() -> None:
    dice = np.random.default_rng(7)
    up = dice.beta(0.5, 4.5, (400, 40))
    draws = np.concatenate([dice.binomial(4, up), dice.binomial(4, 0.05, (400, 40))], axis=1)
    draws[:, 40:] = np.minimum(draws[:, 40:], 4 - draws[:, :40])

    def interval(row: Sequence[float]) -> tuple[float, float]:
        return paired_interval(
            *effective_pairs([(*both, 4) for both in zip(row[:40], row[40:], strict=True)])
        )

    truth = float(draws[:, :40].mean() - draws[:, 40:].mean()) / 4
    assert coverage(draws, interval, truth) > 0.91


def test_mcnemar_keeps_its_level() -> None:
    dice = np.random.default_rng(8)
    for n in SIZES:
        draws = dice.multinomial(n, [0.08, 0.08, 0.84], 4000)[:, :2]
        rows, numbers = np.unique(draws, axis=0, return_counts=True)
        alarms = sum(int(of) for row, of in zip(rows.tolist(), numbers, strict=True) if mcnemar(*row) <= 0.05)
        assert alarms / 4000 <= 0.05


def test_a_detectable_change_is_detected_in_four_of_five_runs() -> None:
    dice = np.random.default_rng(9)
    for n, changing in ((193, 0.2), (1346, 0.1), (1346, 0.3)):
        change = detectable_change(n, changing)
        assert change is not None
        up, down = (changing - change) / 2, (changing + change) / 2
        draws = dice.multinomial(n, [up, down, 1 - changing], 1000)[:, :2]
        seen = 1 - coverage(draws, lambda row, n=n: paired_interval(*row, n), 0.0)
        assert seen == pytest.approx(0.8, abs=0.04), (n, changing)


def test_pairs_needed_give_the_promised_power() -> None:
    dice = np.random.default_rng(10)
    for margin, changing, change in ((0.02, 0.1, 0.0), (0.02, 0.1, -0.05), (0.05, 0.3, 0.01)):
        n = pairs_needed(margin, changing, change)
        assert n is not None
        draws = dice.multinomial(n, [(changing + change) / 2, (changing - change) / 2, 1 - changing], 1000)
        power = 1 - coverage(draws[:, :2], lambda row, n=n: paired_interval(*row, n), -margin)
        assert power == pytest.approx(0.8, abs=0.04), (margin, changing, change)


@pytest.mark.parametrize(
    "rates", [[[0.45, 0.05], [0.05, 0.45]], [[0.8, 0.05], [0.05, 0.1]], [[0.55, 0.02], [0.03, 0.4]]]
)
@pytest.mark.parametrize("n", [30, 100])
def test_interval_of_kappa_covers(rates: list[list[float]], n: int) -> None:
    found = kappa(rates)
    assert found is not None

    def interval(row: Sequence[float]) -> tuple[float, float] | None:
        of = kappa([row[:2], row[2:]])
        return None if of is None else of[1]

    draws = np.random.default_rng(5).multinomial(n, np.ravel(rates), size=10_000)
    assert 0.93 <= coverage(draws, interval, found[0]) <= 0.98
