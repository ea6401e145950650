"""The metric ``code``: 1 if the answer, a Python program, passes the question's tests.

HumanEval (Chen et al., arXiv:2107.03374): the prompt is the beginning of a function, and the tests
define ``check(candidate)``. MBPP (Austin et al., arXiv:2108.07732): the tests are a list of assertions.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Reasoned, Score, checked, references
from pytest_llmeval.scoring.metrics.program import assembled, bound_names, used_names
from pytest_llmeval.scoring.python_source import NOT_PYTHON, syntax_tree
from pytest_llmeval.scoring.sandbox import runner

_MAX_CHARACTERS = 1_000_000


def make_code(options: Mapping[str, object], where: str) -> Score:
    """1 if the tests (the gold answer: one text, or a JSON list of them) pass.

    ``seconds`` and ``memory_mb`` limit the program. ``entry_point`` and ``setup`` are the names of columns
    with the function under test and with code that runs first.
    """
    settings = checked(
        options,
        {"seconds": 10.0, "memory_mb": 1024, "entry_point": "entry_point", "setup": "test_setup_code"},
        where,
    )
    for key, largest in (("seconds", 600.0), ("memory_mb", 1 << 20)):
        if not 0 < settings[key] <= largest:
            raise UserError(f"{where}: {key}: {settings[key]} is not above 0 and at most {largest:g}")
    limits = runner.Limits(seconds=float(settings["seconds"]), memory_mb=settings["memory_mb"])

    def score(answer: str, question: Question) -> float:
        if len(answer) > _MAX_CHARACTERS:
            return Reasoned(0.0, f"a program of {len(answer):,} characters")
        entry = question.fields.get(settings["entry_point"], "").strip()
        tests = tests_of(question, entry)
        setup = question.fields.get(settings["setup"], "")
        # MBPP's setups use the program's classes, and others give it names
        program = assembled(answer, question.fields.get("question", ""), f"{setup}\n{tests}")
        if used_names(setup) & bound_names(program):
            tests = f"{setup}\n{tests}"
        else:
            program = _after_setup(program, setup)
        result = runner.run(program, tests, limits)
        return Reasoned(float(result.passed), result.reason)

    return score


def _after_setup(program: str, setup: str) -> str:
    """A program after code that runs first; imports from ``__future__`` must stay at the beginning."""
    lines = program.split("\n")
    start = next((at for at, line in enumerate(lines) if not line.startswith("from __future__ ")), 0)
    return "\n".join([*lines[:start], *([setup] if setup else []), *lines[start:]])


def tests_of(question: Question, entry_point: str = "") -> str:
    """The tests of a question; if they define ``check(candidate)``, it is called with the entry point."""
    tests = "\n".join(references(question))
    if entry_point.isidentifier() and "check" in bound_names(tests):
        tests += f"\n\ncheck({entry_point})\n"
    return tests


def gold_tests_problem(answer: str) -> str | None:
    """The problem of a gold answer that is not Python code, or None."""
    tests = "\n".join(references(Question("", "", "", {}, {}, answer)))
    try:
        syntax_tree(tests)
    except NOT_PYTHON as error:
        return f"the tests are not Python: {one_line(error, 80)}"
    return None
