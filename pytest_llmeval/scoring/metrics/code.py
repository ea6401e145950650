"""The metric ``code``: 1 if the answer, a Python program, passes the question's tests.

HumanEval (Chen et al., arXiv:2107.03374): the prompt is the beginning of a function, and the tests
define ``check(candidate)``. MBPP (Austin et al., arXiv:2108.07732): the tests are a list of assertions.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Reasoned, Score, checked, references
from pytest_llmeval.scoring.sandbox import runner

_MAX_CHARACTERS = 1_000_000
_FUTURE = re.compile(r"^from __future__ ", re.M)


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
        program = assembled(answer, question.fields.get("question", ""), entry)
        setup = question.fields.get(settings["setup"], "")
        result = runner.run(f"{setup}\n{program}" if setup else program, tests_of(question, entry), limits)
        return Reasoned(float(result.passed), result.reason)

    return score


def assembled(answer: str, prompt: str, entry_point: str) -> str:
    """The program to run: the answer, preceded by its prompt if that is Python.

    An answer that continues the prompt's last function needs the prompt, and one that repeats the whole
    function needs the prompt's imports and helpers.
    """
    if _FUTURE.search(answer):  # must come first, so the answer is a whole program
        return answer
    if parsed(prompt) is not None or (entry_point and entry_point not in _defined(answer)):
        joined = prompt.rstrip(" ") + ("" if prompt.endswith("\n") else "\n") + answer
        if parsed(joined) is not None:
            return joined
    return answer


def tests_of(question: Question, entry_point: str = "") -> str:
    """The tests of a question; if they define ``check(candidate)``, it is called with the entry point."""
    tests = "\n".join(references(question))
    if entry_point.isidentifier() and "check" in _defined(tests):
        tests += f"\n\ncheck({entry_point})\n"
    return tests


def gold_tests_problem(answer: str) -> str | None:
    """The problem of a gold answer that is not Python code, or None."""
    tests = "\n".join(references(Question("", "", "", {}, {}, answer)))
    try:
        _tree(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"the tests are not Python: {one_line(error, 80)}"
    return None


def _tree(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes in string literals
        return ast.parse(source)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of ``source``; None if it is empty or not Python."""
    try:
        tree = _tree(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if tree.body else None


def _defined(source: str) -> set[str]:
    """The names that a module defines at its top level."""
    tree = parsed(source)
    names: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name) for alias in node.names}
    return names
