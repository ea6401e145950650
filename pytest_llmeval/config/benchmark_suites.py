"""Several benchmarks under one name: ``--llm-benchmark=suite:core``, and [suites.NAME] of llmeval.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pytest_llmeval.config.declare import REQUIRED, by_key, options_of, read_table, toml_key
from pytest_llmeval.config.kinds import ANY_TEXT, TEXTS, Kind
from pytest_llmeval.core.benchmark_name import BenchmarkName
from pytest_llmeval.core.errors import UserError, one_line, unknown

PREFIX = "suite:"
_PACKAGED = Path(__file__).with_name("suites.toml")


def _weights(value: object) -> Mapping[str, float]:
    if not isinstance(value, dict):
        raise ValueError("a table of weights, as in {gpqa = 2}")
    for name, weight in value.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
            raise ValueError(f"a table of numbers above 0, which the weight of {one_line(name, 60)} is not")
    return {name: float(weight) for name, weight in value.items()}


_WEIGHTS: Kind[Mapping[str, float]] = Kind(
    _weights, {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSuite:
    """Benchmarks that are run together, and the weight of each in their average.

    ``benchmarks`` are as in ``--llm-benchmark``. ``weights`` has names without a part; others weigh 1.
    """

    name: str
    benchmarks: tuple[str, ...] = toml_key(
        REQUIRED, TEXTS, "the benchmarks, each as --llm-benchmark has it, with its variant or part"
    )
    weights: Mapping[str, float] = toml_key(
        {}, _WEIGHTS, "the weight of a benchmark in the average (default: 1)"
    )
    description: str = toml_key("", ANY_TEXT, "what the suite is for, for --llm-list")

    def weight(self, benchmark: str) -> float:
        """The weight of one of ``benchmarks``."""
        return self.weights.get(BenchmarkName.parse(benchmark).whole, self.weights.get(benchmark, 1.0))


KEYS = by_key(options_of(BenchmarkSuite))


def read_suites(tables: Mapping[str, Any], where: str) -> dict[str, BenchmarkSuite]:
    """The suites of a file, by name. Raises ``UserError``."""
    suites = {}
    for name, table in tables.items():
        place = f"{where} [suites.{name}]"
        if not isinstance(table, dict):
            raise UserError(f"{place} must be a table")
        suite = BenchmarkSuite(name=name, **read_table(table, KEYS, place, dashes=True))
        if not suite.benchmarks:
            raise UserError(f"{place}: benchmarks: the list is empty")
        for benchmark in suite.benchmarks:
            if benchmark.startswith(PREFIX):
                raise UserError(f"{place}: {one_line(benchmark, 60)}: a suite cannot contain another one")
        names = {BenchmarkName.parse(benchmark).whole for benchmark in suite.benchmarks}
        for key in suite.weights:
            if key not in names and key not in suite.benchmarks:
                raise unknown("benchmark", key, names, where=f"{place}: weights")
        suites[name] = suite
    return suites


@cache
def packaged_suites() -> Mapping[str, BenchmarkSuite]:
    """The suites that come with the package, by name."""
    return read_suites(tomllib.loads(_PACKAGED.read_text("utf-8")), _PACKAGED.name)


def expand(
    names: Iterable[str], own: Mapping[str, BenchmarkSuite], where: str
) -> tuple[tuple[str, ...], tuple[BenchmarkSuite, ...]]:
    """The benchmarks that ``names`` mean, and the suites among them; ``own`` come before packaged ones.

    Raises ``UserError`` for an unknown suite.
    """
    known = {**packaged_suites(), **own}
    suites: dict[str, BenchmarkSuite] = {}
    benchmarks: list[str] = []
    for text in names:
        name = text.removeprefix(PREFIX)
        if name == text:
            benchmarks.append(text)
            continue
        if name not in known:
            raise unknown("suite", name, known, where=where if own else "")
        suites[name] = known[name]
        benchmarks += known[name].benchmarks
    return tuple(dict.fromkeys(benchmarks)), tuple(suites.values())
