"""The weighted average of a suite of benchmarks, for each model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_llmeval.analysis.stats import Counts, weighted_interval, wilson
from pytest_llmeval.results.summary import Result


@dataclass(frozen=True, slots=True)
class Member:
    """A benchmark of a suite, by its name in results; ``parts`` are the groups and subjects that count."""

    benchmark: str
    parts: tuple[str, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One model on one member; ``effective`` are the (correct, scored) numbers that intervals are made of."""

    member: Member
    counts: Counts
    effective: tuple[float, float]

    @property
    def label(self) -> str:
        """The benchmark, with its parts."""
        parts = ", ".join(self.member.parts)
        return f"{self.member.benchmark}:{parts}" if parts else self.member.benchmark

    @property
    def accuracy(self) -> float | None:
        """The mean over the member's questions; None if nothing was scored."""
        return self.counts.accuracy

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval of ``accuracy``."""
        return wilson(*self.effective) if self.counts.scored else None


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """One model on a suite.

    ``average`` is the mean of the members' accuracies by weight, with a 95% interval; None if ``missing``
    says why there is none.
    """

    suite: str
    model: str
    rows: tuple[SuiteRow, ...]
    average: float | None
    interval: tuple[float, float] | None
    missing: str = ""

    def to_json(self) -> dict[str, Any]:
        """The suite's entry in results.json."""
        return {
            "suite": self.suite,
            "model": self.model,
            "average": self.average,
            "interval": self.interval,
            "missing": self.missing or None,
            "benchmarks": [
                {
                    "benchmark": row.member.benchmark,
                    "parts": list(row.member.parts),
                    "weight": row.member.weight,
                    "counts": row.counts.as_dict(),
                    "accuracy": row.accuracy,
                    "interval": row.interval,
                }
                for row in self.rows
            ],
        }


def suite_results(
    suites: Mapping[str, Sequence[Member]],
    results: Iterable[Result],
    models: Iterable[str],
    *,
    ended_early: bool = False,
) -> tuple[SuiteResult, ...]:
    """The result of each suite for each model; with ``ended_early`` there are no averages."""
    by_name: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        by_name.setdefault((result.model, result.base), []).append(result)
    return tuple(
        _suite_result(
            suite,
            model,
            [(member, by_name.get((model, member.benchmark), [])) for member in members],
            ended_early=ended_early,
        )
        for suite, members in suites.items()
        for model in models
    )


def _suite_result(
    suite: str, model: str, members: Sequence[tuple[Member, Sequence[Result]]], *, ended_early: bool
) -> SuiteResult:
    rows, problems = [], []
    for member, results in members:
        if len(results) > 1:
            problems.append(f"several tests asked {member.benchmark}")
            continue
        row = _row(member, results[0]) if results else None
        if row is None or not row.counts.requested:
            problems.append(f"{member.benchmark} was not run")
            continue
        rows.append(row)
        if row.accuracy is None:
            problems.append(f"nothing of {row.label} was scored")
    if ended_early:
        problems.append("the run ended early")
    if problems:
        return SuiteResult(suite, model, tuple(rows), None, None, "; ".join(problems))
    weights = [row.member.weight for row in rows]
    average = sum(weight * (row.accuracy or 0.0) for weight, row in zip(weights, rows, strict=True)) / sum(
        weights
    )
    interval = weighted_interval([row.effective for row in rows], weights)
    return SuiteResult(suite, model, tuple(rows), average, interval)


def _row(member: Member, result: Result) -> SuiteRow:
    if not member.parts:
        return SuiteRow(member, result.counts, result.effective)
    subjects = _subjects(member.parts, result)
    parts = [part for key, part in result.subjects.items() if key in subjects]
    correct = sum(part.effective[0] for part in parts)
    scored = sum(part.effective[1] for part in parts)
    return SuiteRow(member, sum((part.counts for part in parts), Counts()), (correct, scored))


def _subjects(parts: Collection[str], result: Result) -> set[str]:
    return {key for part in parts for key in result.info.groups.get(part, (part,))}
