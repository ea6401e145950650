"""The metric ``code``: the answer is a Python program, which passes the question's tests.

HumanEval (Chen et al., arXiv:2107.03374): the prompt is the head of a function, the tests define
``check(candidate)``. MBPP (Austin et al., arXiv:2108.07732): the tests are a list of assertions.
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

_MOST_CHARACTERS = 1_000_000
_FUTURE = re.compile(r"^from __future__ ", re.M)


def make_code(options: Mapping[str, object], where: str) -> Score:
    """The program and the tests (the gold answer: one text, or a JSON list of them) run to their end.

    ``entry_point`` and ``setup`` name columns: the function that is tested, and code that comes first.
    """
    given = checked(
        options,
        {"seconds": 10.0, "memory_mb": 1024, "entry_point": "entry_point", "setup": "test_setup_code"},
        where,
    )
    for key, most in (("seconds", 600.0), ("memory_mb", 1 << 20)):
        if not 0 < given[key] <= most:
            raise UserError(f"{where}: {key}: {given[key]} is not above 0 and at most {most:g}")
    limits = runner.Limits(seconds=float(given["seconds"]), memory_mb=given["memory_mb"])

    def score(answer: str, question: Question) -> float:
        if len(answer) > _MOST_CHARACTERS:
            return Reasoned(0.0, f"a program of {len(answer):,} characters")
        entry = question.fields.get(given["entry_point"], "").strip()
        program = assembled(answer, question.fields.get("question", ""), entry)
        setup = question.fields.get(given["setup"], "")
        verdict = runner.run(f"{setup}\n{program}" if setup else program, tests_of(question, entry), limits)
        return Reasoned(float(verdict.passed), verdict.reason)

    return score


def assembled(answer: str, prompt: str, entry_point: str) -> str:
    """The program: the answer, behind its prompt where that is Python.

    An answer that goes on in the middle of the prompt's last function needs it, and one that writes the
    function anew its imports and helpers.
    """
    if _FUTURE.search(answer):  # it must stand first, and only a whole program has it
        return answer
    if parsed(prompt) is not None or (entry_point and entry_point not in _defined(answer)):
        together = prompt.rstrip(" ") + ("" if prompt.endswith("\n") else "\n") + answer
        if parsed(together) is not None:
            return together
    return answer


def tests_of(question: Question, entry_point: str = "") -> str:
    """The tests; those that only define ``check(candidate)`` call it with the entry point."""
    tests = "\n".join(references(question))
    if entry_point.isidentifier() and "check" in _defined(tests):
        tests += f"\n\ncheck({entry_point})\n"
    return tests


def no_tests(answer: str) -> str | None:
    """What is wrong with a gold answer that is no tests."""
    found = "\n".join(references(Question("", "", "", {}, {}, answer)))
    try:
        _tree(found)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"the tests are no Python: {one_line(error, 80)}"
    return None


def _tree(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a model's escapes in texts
        return ast.parse(source)


def parsed(source: str) -> ast.Module | None:
    """``source`` as Python; None where it is none, or nothing."""
    try:
        tree = _tree(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if tree.body else None


def _defined(source: str) -> set[str]:
    tree = parsed(source)
    found: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name) for alias in node.names}
    return found
