"""Gates: what accuracy a run must reach, or how much it may lose, and whether it did.

A gate is written ``0.55`` (every benchmark that ran), ``ceval=0.55`` or ``ceval:stem=0.4`` (a
group or a subject), with ``>=`` for ``=`` and percent where wanted. Its value is the mean over
questions of what it names, compared exactly, for each model by itself. With ``@95%`` behind it the
lower end of the interval of that level must reach the threshold.

What may be lost against a baseline (``--llm-max-drop``) is written alike; ``tolerance.py`` judges it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from pytest_llmeval.analysis.noninferiority import judge
from pytest_llmeval.analysis.stats import Counts, wilson, z_of
from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.sources import SOURCES, split_part

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison

GateVerdict: TypeAlias = Literal["pass", "fail", "inconclusive", "incomplete", "not_run"]

_PREFIXES = "|".join(map(re.escape, SOURCES))
_GATE = re.compile(
    rf"\s*(?:(?P<benchmark>(?:(?:{_PREFIXES}):)?[^:=<>]*?)\s*"
    r"(?P<colon>:\s*(?P<part>[^=<>]*?))?\s*(?P<sign>>=|==?)\s*)?(?P<value>[^=<>]*?)\s*"
)
_NUMBER = re.compile(r"(?P<digits>[0-9]+\.?[0-9]*|\.[0-9]+)\s*(?P<percent>%?)")
_LEVEL = re.compile(r"(?P<rest>.*?)\s*@\s*(?P<level>[^@]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of gate is written, for reading it and for saying what is wrong with it."""

    option: str
    what: str
    example: str
    forms: str
    levels: bool


_ACCURACY = _Kind(
    "--llm-fail-under", "an accuracy", "0.55", "write 0.55, 55%, ceval=0.55 or ceval:stem=0.4", levels=True
)
_DROP = _Kind(
    "--llm-max-drop", "a drop", "0.02", "write 0.02, 2%, ceval=0.02 or ceval:stem=0.05", levels=False
)


@dataclass(frozen=True, slots=True)
class Gate:
    """An accuracy to reach: of a benchmark, of a ``part`` (group or subject) of it, or of all.

    With ``level`` it is to be reached by the lower end of the interval of that level. With ``drop``
    the ``threshold`` is instead how much may be lost against the baseline. ``expr`` is as the user
    wrote it. A gate ``from_config`` binds only a benchmark that the run selected.
    """

    expr: str = field(compare=False)
    benchmark: str | None
    part: str | None
    threshold: Fraction
    from_config: bool = False
    level: Fraction | None = None
    drop: bool = False

    @property
    def where(self) -> str:
        """Where the gate was written, for messages."""
        if self.drop:
            return f"max_drop = {self.expr!r}" if self.from_config else f"--llm-max-drop={self.expr}"
        return f"[gates] {self.expr!r}" if self.from_config else f"--llm-fail-under={self.expr}"

    @property
    def shown(self) -> str:
        """As results and tables name it."""
        return f"max-drop {self.expr}" if self.drop else self.expr

    def __str__(self) -> str:
        name = f"{self.benchmark or ''}:{self.part}" if self.part else self.benchmark
        value = _percent_text(self.threshold)
        level = "" if self.level is None else f"@{_percent_text(self.level)}"
        return f"{name}={value}{level}" if name else value + level


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a gate for one model; ``reason`` says it in words.

    ``model`` is None where no model was asked, ``value`` (the accuracy, the lower end of its interval,
    or the change from the baseline) where nothing was scored. ``strict`` lets an inconclusive one fail.
    ``interval`` is what was judged, where it was one; ``needed`` how many questions would tell.
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
        """Whether the session must not end with exit code 0."""
        return self.verdict in ("fail", "incomplete") or (self.strict and self.verdict == "inconclusive")


class Part(Protocol):
    """What a gate reads of a subject or group."""

    @property
    def counts(self) -> Counts: ...
    @property
    def effective(self) -> tuple[float, float]: ...


class Result(Protocol):
    """What a gate reads of one model's result on one benchmark."""

    @property
    def model(self) -> str: ...
    @property
    def benchmark(self) -> str: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def effective(self) -> tuple[float, float]: ...
    @property
    def subjects(self) -> Mapping[str, Part]: ...
    @property
    def groups(self) -> Mapping[str, Part]: ...


class Info(Protocol):
    """What a gate reads of a benchmark: its subjects, groups, sizes and how much was selected."""

    @property
    def subjects(self) -> Mapping[str, tuple[str, str]]: ...
    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def total(self) -> Mapping[str, int]: ...
    @property
    def planned(self) -> int: ...


def parse(expr: str) -> Gate:
    """The gate of a ``--llm-fail-under`` expression. Raises ``UserError``."""
    return _parse(expr, _ACCURACY)


def parse_drop(expr: str, *, from_config: bool = False) -> Gate:
    """The gate of a ``--llm-max-drop`` expression. Raises ``UserError``."""
    return replace(_parse(expr, _DROP), drop=True, from_config=from_config)


def _parse(expr: str, kind: _Kind) -> Gate:
    shown = one_line(expr, 80)
    where = f"{kind.option}={shown}"
    rest, level = _split_level(expr.strip(), where) if kind.levels else (expr.strip(), None)
    match = _GATE.fullmatch(rest)
    if match is None:
        raise UserError(f"{where}: this is no gate; {kind.forms}")
    if match["sign"] is None:
        if match["value"][:1].isalpha():
            named = f"{one_line(rest, 80)}={kind.example}"
            raise UserError(f"{where}: a threshold is missing; write {named}")
        return Gate(shown, None, None, _threshold(match["value"], where, kind), level=level)
    benchmark, part = _names(match["benchmark"], match["part"] if match["colon"] else None, where, kind)
    return Gate(shown, benchmark, part, _threshold(match["value"], where, kind), level=level)


def _split_level(text: str, where: str) -> tuple[str, Fraction | None]:
    """``0.55@95%`` as 0.55 and the level 95%."""
    match = _LEVEL.fullmatch(text)
    if match is None:
        return text, None
    number = _NUMBER.fullmatch(match["level"].strip())
    level = Fraction(0)
    if number is not None and len(match["level"]) <= 24:
        level = Fraction(number["digits"]) / (100 if number["percent"] else 1)
    if not Fraction(1, 2) <= level < 1:
        wrong = one_line(match["level"], 40)
        raise UserError(f"{where}: {wrong!r} is no level of an interval; write @95% or @0.99 (from 50% on)")
    return match["rest"], level


def from_table(table: Mapping[str, object], where: str = "[gates]") -> tuple[Gate, ...]:
    """The gates of a ``[gates]`` table: ``"ceval:stem" = 0.4``, ``"40%"``, ``"40%@95%"``.

    Raises ``UserError``.
    """
    gates = []
    for key, value in table.items():
        name = one_line(key, 80)
        place = f"{where}: {name!r}"
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            shown = one_line(repr(value), 40)
            raise UserError(f"{place} must be a number from 0 to 1 or a percentage, not {shown}")
        benchmark, part = _names(*split_part(key.strip()), place, _ACCURACY)
        # repr, since the shortest digits that give a float are what was written
        text = value if isinstance(value, str) else _plain(repr(value))
        number, level = _split_level(text, place)
        threshold = _threshold(number.removeprefix(">="), place, _ACCURACY)
        gates.append(Gate(f"{name}={text}", benchmark, part, threshold, from_config=True, level=level))
    return tuple(gates)


def _names(benchmark: str, part: str | None, where: str, kind: _Kind) -> tuple[str, str | None]:
    if not benchmark or part == "":
        raise UserError(f"{where}: a name is missing; {kind.forms}")
    return benchmark, part


def _plain(number: str) -> str:
    try:
        return format(Decimal(number), "f")
    except (ArithmeticError, ValueError):
        return number


def _threshold(text: str, where: str, kind: _Kind) -> Fraction:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or len(text) > 24:
        what = kind.what.split()[-1]
        raise UserError(f"{where}: {one_line(text, 40)!r} is no {what}; {kind.forms}")
    value = Fraction(match["digits"]) / (100 if match["percent"] else 1)
    if value > 1:
        hint = "" if match["percent"] or value > 100 else f"; for percent write {match['digits']}%"
        raise UserError(f"{where}: {kind.what} is at most 1 (100%){hint}")
    return value


def check_names(gates: Iterable[Gate], benchmarks: Mapping[str, tuple[Iterable[str], Iterable[str]]]) -> None:
    """Look whether all that gates name exists; ``benchmarks`` maps names to (groups, subjects).

    Raises ``UserError`` with the nearest name that does.
    """
    for gate in gates:
        if gate.benchmark is None:
            continue
        if gate.benchmark not in benchmarks:
            raise unknown("benchmark", gate.benchmark, benchmarks, where=gate.where)
        groups, subjects = map(tuple, benchmarks[gate.benchmark])
        if gate.part is not None and gate.part not in (*groups, *subjects):
            what = f"group or subject of {gate.benchmark}"
            raise unknown(what, gate.part, (*groups, *subjects), where=gate.where)


def evaluate(
    gates: Iterable[Gate],
    results: Sequence[Result],
    infos: Mapping[str, Info],
    *,
    complete: bool = True,
    partial: bool = False,
    allow_errors: int = 0,
    models: Sequence[str] = (),
    comparisons: Mapping[tuple[str, str], Comparison] | None = None,
    strict: bool = False,
    repeats: int = 1,
) -> tuple[Verdict, ...]:
    """One verdict a gate, model and benchmark.

    ``infos`` are the benchmarks that the run found, with ``planned`` > 0 where it selected
    questions. ``complete`` is False when the session ended before all selected questions were
    asked; errors, and what was not selected, are looked at here. ``partial`` judges what was
    selected as if it were the whole; up to ``allow_errors`` errors in the run leave it complete.
    ``models`` are all models of the run, also those that answered nothing. ``comparisons`` are those
    with the baseline, by model and benchmark, None where there is none; ``strict`` lets inconclusive
    verdicts fail. Each question was to be asked ``repeats`` times.
    """
    run = _Run(
        results={(result.model, result.benchmark): result for result in results},
        infos=infos,
        models=tuple(dict.fromkeys((*models, *(result.model for result in results)))),
        complete=complete,
        partial=partial,
        too_many_errors=sum(result.counts.error for result in results) > allow_errors,
        allow_errors=allow_errors,
        comparisons=comparisons,
        repeats=repeats,
    )
    return tuple(replace(verdict, strict=strict) for gate in gates for verdict in run.verdicts(gate))


@dataclass(frozen=True, slots=True)
class _Run:
    results: Mapping[tuple[str, str], Result]
    infos: Mapping[str, Info]
    models: tuple[str, ...]
    complete: bool
    partial: bool
    too_many_errors: bool
    allow_errors: int
    comparisons: Mapping[tuple[str, str], Comparison] | None
    repeats: int

    def verdicts(self, gate: Gate) -> list[Verdict]:
        if gate.drop and gate.from_config and self.comparisons is None:
            return [_verdict(gate, "not_run", "no baseline was given")]
        selected = [name for name, info in self.infos.items() if info.planned > 0]
        selected += [name for _, name in self.results if name not in selected]
        if gate.benchmark is None:
            names = list(dict.fromkeys(selected))
        elif gate.from_config and gate.benchmark not in selected:
            return [_verdict(gate, "not_run", f"{gate.benchmark} was not selected")]
        else:
            names = [gate.benchmark]
        if not names or not self.models:
            return [_verdict(gate, "incomplete", "no question was asked")]
        found = [self._judge(gate, model, name) for model in self.models for name in names]
        return [verdict for verdict in found if verdict is not None]

    def _judge(self, gate: Gate, model: str, name: str) -> Verdict | None:
        result = self.results.get((model, name))
        if result is None:
            # part of a selection by -k: this model has other benchmarks to be judged by
            elsewhere = gate.benchmark is None and any(of == model for of, _ in self.results)
            if self.partial and elsewhere:
                return None
            return _verdict(gate, "incomplete", f"no question of {name} was asked", name, model)
        counts, members = self._named(gate, result, self.infos[name])
        what = name if gate.part is None else f"{name}:{gate.part}"
        if counts.requested == 0:
            if self.partial and gate.from_config:
                return _verdict(gate, "not_run", f"{what} was not selected", name, model)
            return _verdict(gate, "incomplete", f"no question of {what} was asked", name, model)
        problems = self._problems(counts, members, result, self.infos[name])
        if problems:
            of = None if gate.drop else counts
            return _verdict(gate, "incomplete", "; ".join(problems), name, model, of)
        if gate.drop:
            return self._lost(gate, name, model, members)
        if gate.level is not None:
            part = result if gate.part is None else {**result.subjects, **result.groups}[gate.part]
            return _assured(gate, gate.level, name, model, counts, part.effective)
        return _compared(gate, name, model, counts)

    def _lost(self, gate: Gate, name: str, model: str, members: Sequence[str]) -> Verdict:
        """Against the baseline."""
        comparison = (self.comparisons or {}).get((model, name))
        if comparison is None:
            return _verdict(gate, "incomplete", f"the baseline has no question of {name}", name, model)
        change = comparison.part(gate.part)
        problems = []
        failed = _of(comparison.failed_before, members, gate)
        if failed > self.allow_errors:
            problems.append(f"{failed} questions ended in an error in the baseline")
        absent = _of(comparison.unmatched, members, gate)
        if absent and not self.partial:
            problems.append(
                f"{absent} questions are not in the baseline (--llm-gate-partial judges the others)"
            )
        if change is None:
            problems = problems or ["no question has an answer in the baseline"]
        if change is None or problems:
            return _verdict(gate, "incomplete", "; ".join(problems), name, model)
        judged = judge(change, float(gate.threshold))
        return replace(
            _verdict(gate, judged.verdict, judged.reason, name, model),
            value=change.change,
            interval=change.interval,
            needed=judged.needed,
        )

    @staticmethod
    def _named(gate: Gate, result: Result, info: Info) -> tuple[Counts, tuple[str, ...]]:
        """The counts of what the gate names, and the subjects that it is made of."""
        if gate.part is None:
            return result.counts, tuple(info.subjects)
        if gate.part in info.groups:
            part, members = result.groups.get(gate.part), info.groups[gate.part]
        else:
            part, members = result.subjects.get(gate.part), (gate.part,)
        return (part.counts if part is not None else Counts()), members

    def _problems(self, counts: Counts, members: Sequence[str], result: Result, info: Info) -> list[str]:
        """Why no accuracy can be trusted, in words; empty where it can."""
        problems = []
        if not self.complete:
            problems.append("the run ended early")
        if not self.partial:
            problems += _not_whole(counts, members, result, info, self.repeats)
        if counts.error and self.too_many_errors:
            problems.append(f"{counts.error} of {counts.requested} questions ended in an error")
        if counts.rate is None and not problems:
            problems.append(
                "every question ended in an error"
                if counts.error == counts.requested
                else "no question has a gold answer"
            )
        return problems


def _not_whole(counts: Counts, members: Sequence[str], result: Result, info: Info, repeats: int) -> list[str]:
    problems = []
    absent = [key for key in members if not info.total.get(key)]
    if absent:
        shown = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
        problems.append(f"no data for {len(absent)} of {len(members)} subjects ({shown})")
    total = sum(info.total.get(key, 0) for key in members)
    asked = {key: part.counts.requested for key, part in result.subjects.items()}
    if any(asked.get(key, 0) < repeats * info.total.get(key, 0) for key in members):
        problems.append(f"{counts.requested // repeats} of {total} questions were asked")
    if problems:
        problems[-1] += " (--llm-gate-partial judges a part)"
    return problems


def _of(numbers: Mapping[str, int], members: Sequence[str], gate: Gate) -> int:
    """The sum over the subjects that the gate names."""
    return sum(number for key, number in numbers.items() if gate.part is None or key in members)


def _assured(
    gate: Gate, level: Fraction, benchmark: str, model: str, counts: Counts, effective: tuple[float, float]
) -> Verdict:
    low, high = wilson(*effective, z_of(float(level)))
    passed = low >= gate.threshold
    reason = (
        f"{_apart(Fraction(low), gate.threshold)}, where the {_percent_text(level)} interval "
        f"of {counts.accuracy:.1%} ({counts.correct} of {counts.scored}) begins, is "
        f"{'at least' if passed else 'below'} {_percent_text(gate.threshold)}"
    )
    verdict = _verdict(gate, "pass" if passed else "fail", reason, benchmark, model)
    return replace(verdict, value=low, interval=(low, high))


def _compared(gate: Gate, benchmark: str, model: str, counts: Counts) -> Verdict:
    rate = counts.rate
    assert rate is not None
    passed = rate >= gate.threshold
    value = _apart(rate, gate.threshold)
    sense = "at least" if passed else "below"
    reason = f"{value} ({counts.correct} of {counts.scored}) is {sense} {_percent_text(gate.threshold)}"
    return _verdict(gate, "pass" if passed else "fail", reason, benchmark, model, counts)


def _verdict(
    gate: Gate,
    verdict: GateVerdict,
    reason: str,
    benchmark: str | None = None,
    model: str | None = None,
    counts: Counts | None = None,
) -> Verdict:
    return Verdict(
        expr=gate.shown,
        verdict=verdict,
        value=counts.accuracy if counts is not None else None,
        threshold=float(gate.threshold),
        reason=reason,
        benchmark=benchmark if benchmark is not None else gate.benchmark,
        part=gate.part,
        model=model,
    )


def _percent_text(value: Fraction) -> str:
    """A threshold in percent with all its digits: thresholds are decimal numbers."""
    number = Decimal(value.numerator * 100) / Decimal(value.denominator)
    return f"{number.normalize():f}%"


def _apart(rate: Fraction, threshold: Fraction) -> str:
    """The rate in percent, with enough digits to be on the same side of the threshold as it is."""
    for digits in range(1, 12):
        text = f"{float(rate):.{digits}%}"
        shown = Fraction(text[:-1]) / 100
        if (shown < threshold, shown > threshold) == (rate < threshold, rate > threshold):
            break
    return text
