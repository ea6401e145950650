"""The tables of docs/statistics.md: how often intervals hold the truth, and gates say what is true.

python tests/bench/promises.py
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from pytest_llmeval.analysis.compare import Change
from pytest_llmeval.analysis.noninferiority import assess
from pytest_llmeval.analysis.paired import paired_interval
from pytest_llmeval.analysis.stats import macro_interval, wilson

SIZES = (10, 26, 100, 1000)
RATES = (0.25, 0.5, 0.9, 0.99)
RUNS = 20_000


def share(draws: np.ndarray, holds) -> float:  # type: ignore[no-untyped-def,type-arg]
    """The share of draws that ``holds`` is true of; draws that are alike are looked at once."""
    rows, numbers = np.unique(draws, axis=0, return_counts=True)
    return sum(int(n) for row, n in zip(rows.tolist(), numbers, strict=True) if holds(row)) / len(draws)


def within(interval: tuple[float, float] | None, truth: float) -> bool:
    low, high = interval or (1.0, 0.0)
    return low - 1e-12 <= truth <= high + 1e-12


def verdicts(pairs: int, changing: float, drop: float, margin: float) -> Counter[str]:
    dice = np.random.default_rng(1)
    shares = [(changing - drop) / 2, (changing + drop) / 2, 1 - changing]
    rows, numbers = np.unique(dice.multinomial(pairs, shares, RUNS)[:, :2], axis=0, return_counts=True)
    found: Counter[str] = Counter()
    for (fixed, broken), number in zip(rows.tolist(), numbers, strict=True):
        effective = (float(fixed), float(broken), float(pairs))
        change = Change(pairs, 0, 0, fixed, broken, paired_interval(*effective), 1.0, effective)
        found[assess(change, margin).verdict] += int(number)
    return found


def main() -> None:
    dice = np.random.default_rng(1)
    print("rate of n questions (Wilson)")
    for n in SIZES:
        cells = [
            share(dice.binomial(n, p, (RUNS, 1)), lambda r, n=n, p=p: within(wilson(r[0], n), p))
            for p in RATES
        ]
        print(f"| {n} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")
    print("mean over 20 subjects of n questions, rates spread around the mean")
    for n in SIZES:
        cells = []
        for p in RATES:
            rates = np.clip(dice.beta(p * 8, (1 - p) * 8, 20), 0.001, 0.999)
            draws = dice.binomial(n, rates, (2000, 20))
            truth = float(rates.mean())
            cells.append(share(draws, lambda r, n=n, t=truth: within(macro_interval([(x, n) for x in r]), t)))
        print(f"| {n} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")
    print("paired change of n questions, 0.3 p (1-p) fixed and 0.5 p (1-p) broken (Tango)")
    for n in SIZES:
        cells = []
        for p in RATES:
            up, down = 0.3 * p * (1 - p), 0.5 * p * (1 - p)
            draws = dice.multinomial(n, [up, down, 1 - up - down], 5000)[:, :2]
            cells.append(share(draws, lambda r, n=n, t=up - down: within(paired_interval(*r, n), t)))
        print(f"| {n} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")
    print("verdicts: questions, changing, margin, true drop: pass, inconclusive, fail")
    for pairs in (193, 1346, 12_342):
        for changing in (0.05, 0.1):
            for margin in (0.0, 0.01, 0.02):
                for drop in (0.0, 0.02, 0.05):
                    if drop > changing:
                        continue
                    found = verdicts(pairs, changing, drop, margin)
                    cells = [found[word] / RUNS for word in ("pass", "inconclusive", "fail")]
                    print(
                        f"| {pairs} | {changing:.0%} | {margin:.0%} | {drop:.0%} | "
                        + " | ".join(f"{cell:.1%}" for cell in cells)
                        + " |"
                    )


if __name__ == "__main__":
    main()
