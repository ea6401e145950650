"""Evaluate gates: whether a run reached an accuracy, or lost too much against a baseline.

The value of a gate is the accuracy over all questions of what it names, compared exactly and for each model
separately; or the lower end of its interval; or the change from the baseline, which ``noninferiority.py``
assesses. ``gate_expressions.py`` parses gates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from pytest_llmeval.analysis.gate_expressions import Gate, percent_text
from pytest_llmeval.analysis.noninferiority import assess
from pytest_llmeval.analysis.stats import Counts, wilson, z_of

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison

GateVerdict: TypeAlias = Literal["pass", "fail", "inconclusive", "incomplete", "not_run"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of a gate for one model and benchmark; ``reason`` gives it in words.

    ``value`` is the accuracy, the lower end of its interval, or the change from the baseline, as a
    fraction; None if nothing was scored. ``model`` is None if no model was asked. ``interval`` is the
    interval that was compared, if any, and ``needed`` the number of questions that would give a definite
    verdict. With ``strict`` an inconclusive gate fails.
    """

    expr: str
    verdict: GateVerdict
    value: float | None
    threshold: float
    reason: str
    benchmark: str | None = None
    part: str | None = None
    model: str | None = None
    strict: bool = False
    interval: tuple[float, float] | None = None
    needed: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the session must exit with a code other than 0."""
        return self.verdict in ("fail", "incomplete") or (self.strict and self.verdict == "inconclusive")


class Part(Protocol):
    """The data of a subject or group that gates use."""

    @property
    def counts(self) -> Counts: ...
    @property
    def effective(self) -> tuple[float, float]: ...


class Result(Protocol):
    """The data of one model's result on one benchmark that gates use."""

    @property
    def model(self) -> str: ...
    @property
    def benchmark(self) -> str: ...
    @property
    def times(self) -> int: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def effective(self) -> tuple[float, float]: ...
    @property
    def subjects(self) -> Mapping[str, Part]: ...
    @property
    def groups(self) -> Mapping[str, Part]: ...


class Info(Protocol):
    """The data of a benchmark that gates use: subjects, groups, sizes and number of selected questions."""

    @property
    def subjects(self) -> Mapping[str, tuple[str, str]]: ...
    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def total(self) -> Mapping[str, int]: ...  # also of subjects that only rows name
    @property
    def planned(self) -> int: ...
    @property
    def repeats(self) -> int: ...
    def is_called(self, name: str) -> bool: ...


def evaluate(
    gates: Iterable[Gate],
    results: Sequence[Result],
    infos: Mapping[str, Info],
    *,
    complete: bool = True,
    partial: bool = False,
    allow_errors: int = 0,
    failed_questions: int | None = None,
    models: Sequence[str] = (),
    comparisons: Mapping[tuple[str, str], Comparison] | None = None,
    strict: bool = False,
) -> tuple[GateResult, ...]:
    """Evaluate gates: one result for each gate, model and benchmark.

    ``infos`` are the benchmarks that the run collected, with ``planned`` > 0 if any of their questions were
    selected. ``complete`` is False if the session ended before all selected questions were asked; errors and
    unselected questions are checked here. ``partial`` evaluates the selected questions as if they were the
    whole benchmark; up to ``allow_errors`` questions with an error leave the run complete.
    ``failed_questions`` is their number in the run, each counted once whatever its repeats (None: the errors
    of the results). ``models`` are all models of the run, including those that answered nothing.
    ``comparisons`` maps (model, benchmark) to the comparison with the baseline; None without a baseline.
    ``strict`` fails inconclusive gates. Each question must be asked as often as its benchmark's ``repeats``.
    """
    if failed_questions is None:
        failed_questions = sum(result.counts.error for result in results)
    run = _Evaluation(
        results={(result.model, result.benchmark): result for result in results},
        infos=infos,
        models=tuple(dict.fromkeys((*models, *(result.model for result in results)))),
        complete=complete,
        partial=partial,
        too_many_errors=failed_questions > allow_errors,
        allow_errors=allow_errors,
        comparisons=comparisons,
    )
    return tuple(replace(result, strict=strict) for gate in gates for result in run.evaluate(gate))


@dataclass(frozen=True, slots=True)
class _Evaluation:
    results: Mapping[tuple[str, str], Result]
    infos: Mapping[str, Info]
    models: tuple[str, ...]
    complete: bool
    partial: bool
    too_many_errors: bool
    allow_errors: int
    comparisons: Mapping[tuple[str, str], Comparison] | None

    def evaluate(self, gate: Gate) -> list[GateResult]:
        if gate.drop and gate.from_config and self.comparisons is None:
            return [_result(gate, "not_run", "no baseline was given")]
        selected = [name for name, info in self.infos.items() if info.planned > 0]
        selected += [name for _, name in self.results if name not in selected]
        if gate.benchmark is None:
            names = list(dict.fromkeys(selected))
        else:
            # several results, if several tests ask the benchmark
            names = [
                name
                for name in dict.fromkeys(selected)
                if name == gate.benchmark or self.infos[name].is_called(gate.benchmark)
            ]
            if gate.from_config and not names:
                return [_result(gate, "not_run", f"{gate.benchmark} was not selected")]
            names = names or [gate.benchmark]
        if not names or not self.models:
            return [_result(gate, "incomplete", "no question was asked")]
        results = [self._evaluate(gate, model, name) for model in self.models for name in names]
        return [result for result in results if result is not None]

    def _evaluate(self, gate: Gate, model: str, name: str) -> GateResult | None:
        result = self.results.get((model, name))
        if result is None:
            # a selection by -k may leave a model without this benchmark but with others
            has_others = gate.benchmark is None and any(key[0] == model for key in self.results)
            if self.partial and has_others:
                return None
            return _result(gate, "incomplete", f"no question of {name} was asked", name, model)
        counts, members = self._part_counts(gate, result, self.infos[name])
        target = name if gate.part is None else f"{name}:{gate.part}"
        if counts.requested == 0:
            if self.partial and gate.from_config:
                return _result(gate, "not_run", f"{target} was not selected", name, model)
            return _result(gate, "incomplete", f"no question of {target} was asked", name, model)
        problems = self._problems(counts, members, result, self.infos[name])
        if problems:
            return _result(
                gate, "incomplete", "; ".join(problems), name, model, None if gate.drop else counts
            )
        if gate.drop:
            return self._against_baseline(gate, name, model, members)
        if gate.level is not None:
            part = result if gate.part is None else {**result.subjects, **result.groups}[gate.part]
            return _by_interval(gate, gate.level, name, model, counts, part.effective)
        return _by_accuracy(gate, name, model, counts)

    def _against_baseline(self, gate: Gate, name: str, model: str, members: Sequence[str]) -> GateResult:
        comparison = (self.comparisons or {}).get((model, name))
        if comparison is None:
            return _result(gate, "incomplete", f"the baseline has no question of {name}", name, model)
        change = comparison.part(gate.part)
        problems = []
        failed = _total(comparison.failed_before, members, gate)
        if failed > self.allow_errors:
            problems.append(f"{failed} questions ended in an error in the baseline")
        missing = _total(comparison.unmatched, members, gate)
        if missing and not self.partial:
            problems.append(
                f"{missing} questions are not in the baseline (--llm-gate-partial evaluates the others)"
            )
        if change is None:
            problems = problems or ["no question has an answer in the baseline"]
        if change is None or problems:
            return _result(gate, "incomplete", "; ".join(problems), name, model)
        assessment = assess(change, float(gate.threshold))
        return replace(
            _result(gate, assessment.verdict, assessment.reason, name, model),
            value=change.change,
            interval=change.interval,
            needed=assessment.needed,
        )

    @staticmethod
    def _part_counts(gate: Gate, result: Result, info: Info) -> tuple[Counts, tuple[str, ...]]:
        """The counts of the part that the gate names, and its subjects."""
        if gate.part is None:
            return result.counts, tuple(dict.fromkeys((*info.subjects, *info.total)))
        if gate.part in info.groups:
            part, members = result.groups.get(gate.part), info.groups[gate.part]
        else:
            part, members = result.subjects.get(gate.part), (gate.part,)
        return (part.counts if part is not None else Counts()), members

    def _problems(self, counts: Counts, members: Sequence[str], result: Result, info: Info) -> list[str]:
        """The reasons why the gate cannot be evaluated, in words."""
        problems = []
        if not self.complete:
            problems.append("the run ended early")
        if not self.partial:
            # a plugin that repeats tests repeats questions, too
            problems += _missing(counts, members, result, info, max(info.repeats, result.times))
        if counts.error and self.too_many_errors:
            unit = "questions" if info.repeats == 1 else "answers"
            problems.append(f"{counts.error} of {counts.requested} {unit} ended in an error")
        if counts.rate is None and not problems:
            problems.append(
                "every question ended in an error"
                if counts.error == counts.requested
                else "no question has a gold answer"
            )
        return problems


def _missing(counts: Counts, members: Sequence[str], result: Result, info: Info, repeats: int) -> list[str]:
    problems = []
    missing = [key for key in members if not info.total.get(key)]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        problems.append(f"no data for {len(missing)} of {len(members)} subjects ({shown})")
    total = sum(info.total.get(key, 0) for key in members)
    requested = {key: part.counts.requested for key, part in result.subjects.items()}
    if any(requested.get(key, 0) < repeats * info.total.get(key, 0) for key in members):
        problems.append(f"{counts.requested // repeats} of {total} questions were asked")
    if problems:
        problems[-1] += " (--llm-gate-partial evaluates a part)"
    return problems


def _total(numbers: Mapping[str, int], members: Sequence[str], gate: Gate) -> int:
    """The sum over the subjects of the part that the gate names."""
    return sum(number for key, number in numbers.items() if gate.part is None or key in members)


def _by_interval(
    gate: Gate, level: Fraction, benchmark: str, model: str, counts: Counts, effective: tuple[float, float]
) -> GateResult:
    low, high = wilson(*effective, z_of(float(level)))
    passed = low >= gate.threshold
    value = _distinct_percentage(Fraction(low), gate.threshold)
    relation = "at least" if passed else "below"
    reason = (
        f"{value}, the lower end of the {percent_text(level)} interval of {counts.accuracy:.1%} "
        f"({counts.correct} of {counts.scored}), is {relation} {percent_text(gate.threshold)}"
    )
    result = _result(gate, "pass" if passed else "fail", reason, benchmark, model)
    return replace(result, value=low, interval=(low, high))


def _by_accuracy(gate: Gate, benchmark: str, model: str, counts: Counts) -> GateResult:
    rate = counts.rate
    assert rate is not None
    passed = rate >= gate.threshold
    value = _distinct_percentage(rate, gate.threshold)
    relation = "at least" if passed else "below"
    reason = f"{value} ({counts.correct} of {counts.scored}) is {relation} {percent_text(gate.threshold)}"
    return _result(gate, "pass" if passed else "fail", reason, benchmark, model, counts)


def _result(
    gate: Gate,
    verdict: GateVerdict,
    reason: str,
    benchmark: str | None = None,
    model: str | None = None,
    counts: Counts | None = None,
) -> GateResult:
    return GateResult(
        expr=gate.label,
        verdict=verdict,
        value=counts.accuracy if counts is not None else None,
        threshold=float(gate.threshold),
        reason=reason,
        benchmark=benchmark if benchmark is not None else gate.benchmark,
        part=gate.part,
        model=model,
    )


def _distinct_percentage(rate: Fraction, threshold: Fraction) -> str:
    """The rate in percent, with enough digits to lie on the same side of the threshold as the exact rate."""
    for digits in range(1, 12):
        text = f"{float(rate):.{digits}%}"
        shown = Fraction(text[:-1]) / 100
        if (shown < threshold, shown > threshold) == (rate < threshold, rate > threshold):
            break
    return text
