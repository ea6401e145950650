"""The metric ``code``: 1 if the answer, a Python program, passes the question's tests.

HumanEval (Chen et al., arXiv:2107.03374): the prompt is the beginning of a function, and the tests
define ``check(candidate)``. MBPP (Austin et al., arXiv:2108.07732): the tests are a list of assertions.
LiveCodeBench (Jain et al., arXiv:2403.07974): the tests are inputs and outputs, of a script or a function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Reasoned, Score, checked
from pytest_llmeval.scoring.metrics.program import assembled, bound_names, used_names
from pytest_llmeval.scoring.metrics.program_tests import (
    Assertions,
    InputTests,
    needed_packages,
    read_tests,
    together,
)
from pytest_llmeval.scoring.sandbox import runner, selection
from pytest_llmeval.scoring.sandbox.runner import PythonTests

_MAX_CHARACTERS = 1_000_000
_DEFAULTS: Mapping[str, Any] = {
    "seconds": 10.0,
    "memory_mb": 1024,
    "disk_mb": 64,
    "entry_point": "entry_point",
    "setup": "test_setup_code",
    "first_tests": "public_test_cases",
    "prelude": "",
}
_LARGEST = {"seconds": 600.0, "memory_mb": 1 << 20, "disk_mb": 1 << 16}


def make_code(options: Mapping[str, object], where: str) -> Score:
    """1 if the tests (the gold answer, read by ``program_tests``) pass.

    ``seconds``, ``memory_mb`` and ``disk_mb`` limit the program; ``seconds`` is the time of each test with an
    input, or of all tests in Python together. ``prelude`` is code that runs before each program.
    ``entry_point``, ``setup`` and ``first_tests`` are names of columns: the function under test (or a JSON
    object with ``func_name``), code that runs first, and tests that run before those of the gold answer.
    """
    settings = checked(options, _DEFAULTS, where)
    for key, largest in _LARGEST.items():
        if not 0 < settings[key] <= largest:
            raise UserError(f"{where}: {key}: {settings[key]} is not above 0 and at most {largest:g}")
    limits = runner.Limits(
        seconds=float(settings["seconds"]), memory_mb=settings["memory_mb"], disk_mb=settings["disk_mb"]
    )

    def score(answer: str, question: Question) -> float:
        if len(answer) > _MAX_CHARACTERS:
            return Reasoned(0.0, f"a program of {len(answer):,} characters")
        function = _function(question.fields.get(settings["entry_point"], ""))
        first = question.fields.get(settings["first_tests"], "").strip()
        tests = together(read_tests(first) if first else None, read_tests(question.answer or ""))
        if isinstance(tests, InputTests):
            return _score_inputs(_after_setup(answer, settings["prelude"]), tests, function, limits)
        setup = _lines(question.fields.get(settings["setup"], ""))
        prompt = question.fields.get("question", "")
        return _score_assertions(answer, prompt, settings["prelude"], setup, tests.calling(function), limits)

    return score


def _score_inputs(program: str, tests: InputTests, function: str, limits: runner.Limits) -> Reasoned:
    result = runner.run(program, tests.cases(function or None), limits, provider=selection.selected())
    number = "" if result.case is None else tests.number(result.case)
    return Reasoned(float(result.passed), f"{number}{result.reason}")


def _score_assertions(
    answer: str, prompt: str, prelude: str, setup: str, tests: Assertions, limits: runner.Limits
) -> Reasoned:
    code, skipped = tests.code, 0
    # MBPP's setups use the program's classes, and others give it names
    program = assembled(answer, prompt, f"{setup}\n{code}")
    if used_names(setup) & bound_names(program):
        code, skipped = f"{setup}\n{code}", setup.count("\n") + 1
    else:
        program = _after_setup(program, setup)
    program = _after_setup(program, prelude)
    packages = needed_packages(f"{prelude}\n{setup}\n{tests.code}")
    result = runner.run(program, PythonTests(code, packages), limits, provider=selection.selected())
    number = "" if result.line is None else tests.number(result.line - skipped)
    return Reasoned(float(result.passed), f"{number}{result.reason}")


def _after_setup(program: str, setup: str) -> str:
    """A program after code that runs first; imports from ``__future__`` must stay at the beginning."""
    if not setup:
        return program
    lines = program.split("\n")
    start = next((at for at, line in enumerate(lines) if not line.startswith("from __future__ ")), 0)
    return "\n".join([*lines[:start], setup, *lines[start:]])


def _lines(cell: str) -> str:
    """The code in a cell, also if that is a list of lines, as MBPP's ``test_imports``."""
    try:
        lines = json.loads(cell) if cell.startswith("[") else None
    except (ValueError, RecursionError):
        return cell
    return "\n".join(map(str, lines)) if isinstance(lines, list) else cell


def _function(cell: str) -> str:
    """The name of the function under test in a cell, also in LiveCodeBench's ``metadata``; empty if none."""
    cell = cell.strip()
    if not cell.startswith("{"):
        return cell
    try:
        name = json.loads(cell).get("func_name")
    except (ValueError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""
