"""The metric ``math``: 1 if a mathematical answer equals the gold answer.

What two spellings, exact fractions and the brackets of intervals and sets do not decide is decided by
math-verify (Kydlíček et al., https://github.com/huggingface/Math-Verify), in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.extract.formula import boxed
from pytest_llmeval.scoring.mathematics import prover
from pytest_llmeval.scoring.mathematics.comparison import compare
from pytest_llmeval.scoring.mathematics.formulas import readings
from pytest_llmeval.scoring.metrics.base import Reasoned, Score, checked, references

_EXTRA = 'pip install "pytest-llmeval-harness[metrics]"'
_LONGEST_S = 600.0


def make_math(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer equals one of the gold answers.

    ``seconds`` of processor time limit each comparison: one that takes longer scores 0, with a note.
    ``relative_tolerance`` is how far a number may be from the gold one, as a share of it. Raises
    ``UserError``.
    """
    settings = checked(options, {"seconds": 5.0, "relative_tolerance": 0.0}, where)
    if not 0 < settings["seconds"] <= _LONGEST_S:
        raise UserError(f"{where}: seconds: {settings['seconds']} is not above 0 and at most {_LONGEST_S:g}")
    if not 0 <= settings["relative_tolerance"] < 1:
        raise UserError(
            f"{where}: relative_tolerance: {settings['relative_tolerance']} is not from 0 to below 1"
        )
    if not prover.is_installed():
        raise UserError(f"{where}: math needs the package math-verify: {_EXTRA}")
    tolerance = Fraction(repr(float(settings["relative_tolerance"])))
    seconds = float(settings["seconds"])

    def prove(gold: str, answer: str) -> prover.Proof:
        return prover.prove(gold, answer, seconds)

    def score(answer: str, question: Question) -> float:
        problem = ""
        for gold in references(question):
            verdict = compare(boxed(gold) or gold, answer, prove, tolerance)
            if verdict.equal:
                return 1.0
            problem = verdict.problem or problem
        return Reasoned(0.0, problem)

    return score


def math_problem(gold: str) -> str | None:
    """The problem of a gold answer that is too long for an answer, or None."""
    if not gold.strip():
        return "the answer is empty"
    for text in references(Question("", "", "", {}, {}, gold)):
        if not readings(boxed(text) or text):
            return f"an answer of {len(text):,} characters is no formula; use the metric judge"
    return None
