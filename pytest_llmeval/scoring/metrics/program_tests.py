"""The tests of a program, read from a gold answer.

- Python code, or a JSON list of such texts (MBPP's assertions). HumanEval's code defines
  ``check(candidate)``, which is called with the function under test.
- A JSON list of objects with ``input`` and ``output`` (LiveCodeBench), or an object with the lists ``inputs``
  and ``outputs``, and perhaps ``fn_name`` (APPS, TACO). Without a function, inputs go to standard input. With
  one, each line of an input is an argument in JSON, and the output is the result in JSON.
- The latter packed, as ``packed_tests`` says.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.scoring.metrics.outputs import output_problem, result_problem
from pytest_llmeval.scoring.metrics.packed_tests import is_packed, unpacked
from pytest_llmeval.scoring.metrics.program import bound_names
from pytest_llmeval.scoring.python_source import NOT_PYTHON, syntax_tree
from pytest_llmeval.scoring.sandbox.runner import Case, Cases


@dataclass(frozen=True, slots=True)
class Assertions:
    """Tests in Python: one text, or several that run one after the other."""

    texts: tuple[str, ...]

    @property
    def code(self) -> str:
        """All of them."""
        return "\n".join(self.texts)

    def calling(self, entry_point: str) -> Assertions:
        """These tests; ``check(candidate)``, if they define it, is called with the entry point."""
        if entry_point.isidentifier() and "check" in bound_names(self.code):
            return Assertions((f"{self.code}\n\ncheck({entry_point})\n",))
        return self

    def number(self, line: int) -> str:
        """Which test a line belongs to, as in ``test 2 of 3: ``; empty if there is one or it is none."""
        spans = _assertions(self.code)
        if len(self.texts) > 1:
            spans, start = [], 1
            for text in self.texts:
                spans.append(range(start, start + text.count("\n") + 1))
                start = spans[-1].stop
        at = next((index for index, span in enumerate(spans, start=1) if line in span), None)
        return "" if at is None or len(spans) == 1 else _numbered(at, len(spans))


@dataclass(frozen=True, slots=True)
class InputTests:
    """Tests with inputs and their expected outputs. ``function`` is the function under test, if known."""

    pairs: Sequence[tuple[object, object]]
    function: str | None = None

    def cases(self, function: str | None) -> Cases:
        """What the sandbox runs. Raises a descriptive ``ValueError``.

        ``function`` is the function under test, unless the tests name one; None for standard input.
        """
        function = self.function or function
        make = _reading_case if function is None else _calling_case
        cases = []
        for index, (sent, due) in enumerate(self.pairs, start=1):
            try:
                cases.append(make(sent, due))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{_numbered(index, len(self.pairs))}{error}") from None
        return Cases(cases, function)

    def number(self, index: int) -> str:
        """A case as in ``test 2 of 3: ``."""
        return _numbered(index + 1, len(self.pairs))


Tests: TypeAlias = Assertions | InputTests


def read_tests(text: str) -> Tests:
    """The tests in a gold answer. Raises a descriptive ``ValueError`` if they are not Python."""
    if is_packed(text):
        return _input_tests(_loaded(unpacked(text)))
    try:
        content = json.loads(text) if text.lstrip().startswith(("[", "{")) else None
    except (ValueError, RecursionError):
        content = None
    if content is None:
        return Assertions((text,))
    if isinstance(content, list) and all(isinstance(test, str) for test in content):
        return Assertions(tuple(content))
    return _input_tests(content)


def problem_of_tests(text: str) -> str | None:
    """Why a gold answer holds no tests, or None. Packed tests are not opened, which would take long."""
    if is_packed(text):
        return None
    try:
        tests = read_tests(text)
    except ValueError as error:
        return one_line(error, 120)
    if isinstance(tests, Assertions):
        try:
            syntax_tree(tests.code)
        except NOT_PYTHON as error:
            return f"the tests are not Python: {one_line(error, 80)}"
    return None


def together(first: Tests | None, then: Tests) -> Tests:
    """Tests of two columns as one. Raises a descriptive ``ValueError``."""
    if first is None:
        return then
    if isinstance(first, Assertions) and isinstance(then, Assertions):
        return Assertions((*first.texts, *then.texts))
    if isinstance(first, InputTests) and isinstance(then, InputTests):
        return InputTests([*first.pairs, *then.pairs], first.function or then.function)
    raise ValueError("one column has tests in Python, the other tests with inputs")


def needed_packages(code: str) -> list[str]:
    """The packages outside of the standard library that a module imports at its top level."""
    try:
        statements = syntax_tree(code).body
    except NOT_PYTHON:
        return []
    names: dict[str, None] = {}
    for node in statements:
        if isinstance(node, ast.Import):
            names.update(dict.fromkeys(alias.name.partition(".")[0] for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names[node.module.partition(".")[0]] = None
    return [name for name in names if name not in sys.stdlib_module_names and name != "solution"]


def _numbered(at: int, count: int) -> str:
    return f"test {at} of {count}: "


def _assertions(code: str) -> list[range]:
    """The lines of each assertion."""
    try:
        nodes = [node for node in ast.walk(syntax_tree(code)) if isinstance(node, ast.Assert)]
    except NOT_PYTHON:
        return []
    spans = sorted((node.lineno, node.end_lineno or node.lineno) for node in nodes)
    return [range(start, end + 1) for start, end in spans]


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the unpacked tests are not JSON: {one_line(error, 80)}") from None


def _input_tests(content: object) -> InputTests:
    """Raises ``ValueError``."""
    if isinstance(content, dict):
        inputs, outputs, function = (content.get(key) for key in ("inputs", "outputs", "fn_name"))
        if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
            raise ValueError("the tests need lists of inputs and outputs that are equally long")
        pairs = list(zip(inputs, outputs, strict=True))
    else:
        rows = content if isinstance(content, list) else []
        if not all(isinstance(row, Mapping) and {"input", "output"} <= row.keys() for row in rows):
            raise ValueError("the tests need an input and an output each")
        pairs, function = [(row["input"], row["output"]) for row in rows], None
    if not pairs:
        raise ValueError("there are no tests")
    return InputTests(pairs, function if isinstance(function, str) and function else None)


def _reading_case(sent: object, due: object) -> Case:
    """Raises ``ValueError``."""
    text, expected = _text(sent), _text(due)
    return Case(text, partial(output_problem, expected=expected), len(expected.encode(errors="replace")))


def _calling_case(sent: object, due: object) -> Case:
    """Raises ``ValueError`` or ``RecursionError``."""
    arguments = [json.loads(line) for line in sent.split("\n")] if isinstance(sent, str) else sent
    if not isinstance(arguments, list):
        raise ValueError("the input is not a list of arguments")
    expected = json.loads(due) if isinstance(due, str) else due
    return Case(arguments, partial(result_problem, expected=expected), len(json.dumps(expected)))


def _text(value: object) -> str:
    """A text, or lines of a list. Raises ``ValueError``."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    if not isinstance(value, str):
        raise ValueError(f"an input or output of type {type(value).__name__} is no text")
    return value
