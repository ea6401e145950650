"""Gate expressions: the accuracy that a run must reach, or how much it may lose.

A gate is written ``0.55`` (every benchmark that ran), ``ceval=0.55`` or ``ceval:stem=0.4`` (a group or
subject); ``>=`` may stand for ``=``, and percentages for fractions. With ``@95%`` appended, the lower end
of the interval of that level must reach the threshold. The largest drop from a baseline
(``--llm-max-drop``) is written in the same way, without a level. ``gate.py`` evaluates gates.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from pytest_llmeval.core.benchmark_name import BenchmarkName
from pytest_llmeval.core.errors import UserError, one_line, unknown

_GATE = re.compile(r"\s*(?:(?P<name>[^=<>]*?)\s*(?P<sign>>=|==?)\s*)?(?P<value>[^=<>]*?)\s*")
_NUMBER = re.compile(r"(?P<digits>[0-9]+\.?[0-9]*|\.[0-9]+)\s*(?P<percent>%?)")
_LEVEL = re.compile(r"(?P<rest>.*?)\s*@\s*(?P<level>[^@]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Kind:
    """The syntax of one kind of gate, and the words for errors in it."""

    option: str
    noun: str
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
    """The accuracy required of a benchmark, of a ``part`` (group or subject) of it, or of every benchmark.

    ``threshold`` is a fraction from 0 to 1. With ``level`` the lower end of the interval of that level must
    reach it. With ``drop`` it is the largest drop from the baseline instead. ``expr`` is the expression as
    written. A gate ``from_config`` applies only to benchmarks that the run selected.
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
        """The place where the gate was written, for messages."""
        if self.drop:
            return f"max_drop = {self.expr!r}" if self.from_config else f"--llm-max-drop={self.expr}"
        return f"[gates] {self.expr!r}" if self.from_config else f"--llm-fail-under={self.expr}"

    @property
    def label(self) -> str:
        """The gate's name in results and tables."""
        return f"max-drop {self.expr}" if self.drop else self.expr

    def __str__(self) -> str:
        name = f"{self.benchmark or ''}:{self.part}" if self.part else self.benchmark
        value = percent_text(self.threshold)
        level = "" if self.level is None else f"@{percent_text(self.level)}"
        return f"{name}={value}{level}" if name else value + level


def parse(expr: str) -> Gate:
    """Parse a ``--llm-fail-under`` expression. Raises ``UserError``."""
    return _parse(expr, _ACCURACY)


def parse_drop(expr: str, *, from_config: bool = False) -> Gate:
    """Parse a ``--llm-max-drop`` expression. Raises ``UserError``."""
    return replace(_parse(expr, _DROP), drop=True, from_config=from_config)


def _parse(expr: str, kind: _Kind) -> Gate:
    shown = one_line(expr, 80)
    where = f"{kind.option}={shown}"
    match = _GATE.fullmatch(expr.strip())
    if match is None:
        raise UserError(f"{where}: not a gate; {kind.forms}")
    if match["sign"] is None and match["value"][:1].isalpha():
        raise UserError(f"{where}: the threshold is missing; write {shown}={kind.example}")
    number, level = _split_level(match["value"], where) if kind.levels else (match["value"], None)
    benchmark, part = (None, None) if match["sign"] is None else _names(match["name"], where, kind)
    return Gate(shown, benchmark, part, _threshold(number, where, kind), level=level)


def _split_level(text: str, where: str) -> tuple[str, Fraction | None]:
    """Split ``0.55@95%`` into 0.55 and the level 95%."""
    match = _LEVEL.fullmatch(text)
    if match is None:
        return text, None
    number = _NUMBER.fullmatch(match["level"].strip())
    level = Fraction(0)
    if number is not None and len(match["level"]) <= 24:
        level = Fraction(number["digits"]) / (100 if number["percent"] else 1)
    if not Fraction(1, 2) <= level < 1:
        level_text = one_line(match["level"], 40)
        raise UserError(
            f"{where}: {level_text!r} is not a level of an interval; write @95% or @0.99 (at least 50%)"
        )
    return match["rest"], level


def from_table(table: Mapping[str, object], where: str = "[gates]") -> tuple[Gate, ...]:
    """Parse a ``[gates]`` table: ``"ceval:stem" = 0.4``, ``"40%"`` or ``"40%@95%"``.

    Raises ``UserError``.
    """
    gates = []
    for key, value in table.items():
        name = one_line(key, 80)
        place = f"{where}: {name!r}"
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            value_text = one_line(repr(value), 40)
            raise UserError(f"{place} must be a number from 0 to 1 or a percentage, not {value_text}")
        benchmark, part = _names(key, place, _ACCURACY)
        # repr gives the shortest digits of the float, which are the digits in the file
        text = value if isinstance(value, str) else _plain(repr(value))
        number, level = _split_level(text, place)
        threshold = _threshold(number.removeprefix(">="), place, _ACCURACY)
        gates.append(Gate(f"{name}={text}", benchmark, part, threshold, from_config=True, level=level))
    return tuple(gates)


def _names(text: str, where: str, kind: _Kind) -> tuple[str, str | None]:
    name = BenchmarkName.parse(text)
    if not name.base or name.part == "":
        raise UserError(f"{where}: the name is missing; {kind.forms}")
    return name.whole, name.part


def _plain(number: str) -> str:
    try:
        return format(Decimal(number), "f")
    except (ArithmeticError, ValueError):
        return number


def _threshold(text: str, where: str, kind: _Kind) -> Fraction:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or len(text) > 24:
        raise UserError(f"{where}: {one_line(text, 40)!r} is not {kind.noun}; {kind.forms}")
    value = Fraction(match["digits"]) / (100 if match["percent"] else 1)
    if value > 1:
        hint = "" if match["percent"] or value > 100 else f"; for percent write {match['digits']}%"
        raise UserError(f"{where}: {kind.noun} is at most 1 (100%){hint}")
    return value


def check_names(gates: Iterable[Gate], benchmarks: Mapping[str, tuple[Iterable[str], Iterable[str]]]) -> None:
    """Check that everything gates name exists; ``benchmarks`` maps names to (groups, subjects).

    Raises ``UserError`` with the closest name that exists.
    """
    for gate in gates:
        if gate.benchmark is None:
            continue
        benchmark = _benchmark(gate.benchmark, benchmarks)
        if benchmark is None:
            raise unknown("benchmark", gate.benchmark, benchmarks, where=gate.where)
        groups, subjects = map(tuple, benchmarks[benchmark])
        if gate.part is not None and gate.part not in (*groups, *subjects):
            what = f"group or subject of {gate.benchmark}"
            raise unknown(what, gate.part, (*groups, *subjects), where=gate.where)


def _benchmark(name: str, benchmarks: Container[str]) -> str | None:
    """The benchmark that a gate names, alone or with a test function (``mini/test_short``)."""
    while name not in benchmarks:
        name, slash, _ = name.rpartition("/")
        if not slash:
            return None
    return name


def percent_text(value: Fraction) -> str:
    """A threshold as an exact percentage; thresholds are decimal numbers."""
    number = Decimal(value.numerator * 100) / Decimal(value.denominator)
    return f"{number.normalize():f}%"
