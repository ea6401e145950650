"""The names of results: a result is of a benchmark and the test function that asks it.

A benchmark that one test function asks gives its name to the result. If several do, or one with several
values of another parameter, each result is named after both: ``mini/test_short``, ``mini/test_style[brief]``.
All test functions that were collected count, whatever ``-k`` selects, so a selection renames no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_llmeval.core.benchmark_name import item_name
from pytest_llmeval.core.types import Question
from pytest_llmeval.plugin.pytest_internals import parameter_ids, parameter_names, parametrized_value

if TYPE_CHECKING:
    from pytest_llmeval.results.benchmark_info import BenchmarkInfo
    from pytest_llmeval.suites.suite import Suite

#: the parameter that pytest-repeat adds to a test: which repeat it is, from 0
REPEAT_PARAMETER = "__pytest_repeat_step_number"
_PARAMETERS = frozenset(("question", "llm", REPEAT_PARAMETER))


class ResultName(NamedTuple):
    """The name of a result, and the test's part of it; ``shared``: whether other tests ask the benchmark."""

    name: str
    test: str
    shared: bool

    def id_of(self, question: Question) -> str:
        """The id of a question in this result."""
        return f"{self.name}/{question.subject}/{question.key}" if self.shared else question.id


class _Test(NamedTuple):
    function: str
    variant: str


class ResultNames:
    """The test functions that ask each benchmark, and the names of their results."""

    def __init__(self) -> None:
        #: by benchmark: the node ids of the functions, without parameters
        self._functions: dict[str, dict[str, None]] = {}
        #: by function: the values of its other parameters
        self._variants: dict[str, dict[str, None]] = {}
        self._names: dict[str, Mapping[_Test, ResultName]] = {}

    def add(self, benchmark: str, function: str) -> None:
        """Add a function that asks a benchmark, given by its node id."""
        self._functions.setdefault(benchmark, {}).setdefault(function)

    @pytest.hookimpl(tryfirst=True)  # before items are deselected
    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """Record the values of other parameters of each function."""
        for item in items:
            question = parametrized_value(item, "question")
            if isinstance(question, Question):
                self._variants.setdefault(_function(item), {}).setdefault(_variant(item, question))

    def name(self, item: pytest.Item, question: Question) -> ResultName:
        """The name of the result that an item's question belongs to."""
        test = _Test(_function(item), _variant(item, question))
        return self.names(question.benchmark)[test]

    def names(self, benchmark: str) -> Mapping[_Test, ResultName]:
        """The names of the results of a benchmark."""
        if benchmark not in self._names:
            self._names[benchmark] = self._make_names(benchmark)
        return self._names[benchmark]

    def benchmark_of(self, name: str) -> str:
        """The benchmark of the result called ``name``."""
        for benchmark in self._functions:
            if any(result.name == name for result in self.names(benchmark).values()):
                return benchmark
        return name

    def infos(self, suites: Mapping[str, Suite]) -> dict[str, BenchmarkInfo]:
        """The description of each result's benchmark, by the result's name."""
        return {
            result.name: replace(suite.info, name=result.name, test=result.test)
            for benchmark, suite in suites.items()
            for result in self.names(benchmark).values()
        }

    def _make_names(self, benchmark: str) -> dict[_Test, ResultName]:
        functions = list(self._functions.get(benchmark, ()))
        labels = _shortest_labels(functions)
        tests = [_Test(function, value) for function in functions for value in self._values(function)]
        names = {}
        for test in tests:
            label = labels[test.function]
            if len(self._values(test.function)) > 1:
                label += f"[{test.variant}]"
            name = f"{benchmark}/{label}" if len(tests) > 1 else benchmark
            names[test] = ResultName(name, label, len(tests) > 1)
        return names

    def _values(self, function: str) -> Sequence[str]:
        return list(self._variants.get(function, ())) or [""]


def _function(item: pytest.Item) -> str:
    """An item's node id without parameters."""
    return item.nodeid.removesuffix(item.name) + str(getattr(item, "originalname", item.name))


def _variant(item: pytest.Item, question: Question) -> str:
    """The ids of an item's parameters beside its question, model and repeat, as in its node id."""
    if parameter_names(item) <= _PARAMETERS:
        return ""
    ids = parameter_ids(item)
    model, step = parametrized_value(item, "llm"), parametrized_value(item, REPEAT_PARAMETER)
    _remove(ids, _escaped(item_name(question.benchmark, question.subject, question.key)))
    if model is not None:
        _remove(ids, _escaped(str(model)))
    if step is not None:
        repeats = [id for id in ids if id.startswith(f"{step + 1}-")]
        _remove(ids, *repeats[-1:])
    return "-".join(ids)


def _remove(ids: list[str], *unwanted: str) -> None:
    for id in unwanted:
        if id in ids:
            ids.remove(id)


def _escaped(text: str) -> str:
    """An id as pytest shows it."""
    return text.encode("unicode_escape").decode("ascii")


def _shortest_labels(functions: Sequence[str]) -> dict[str, str]:
    """The shortest ends of node ids that tell functions apart: ``test_short``, ``test_mini/test_short``."""
    parts = {function: tuple(_parts(function)) for function in functions}
    labels = {}
    for function, own in parts.items():
        others = [other for name, other in parts.items() if name != function]
        length = 1
        while length < len(own) and any(other[-length:] == own[-length:] for other in others):
            length += 1
        labels[function] = "/".join(own[-length:])
    return labels


def _parts(function: str) -> Iterator[str]:
    path, _, names = function.partition("::")
    yield from path.removesuffix(".py").split("/")
    yield from names.split("::")
