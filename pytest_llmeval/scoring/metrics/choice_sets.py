"""The metric ``choices``: several choices may be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_llmeval.core.errors import unknown
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.answer_sets import split_labels
from pytest_llmeval.scoring.metrics.base import Score, checked

_Labels = frozenset[str]


def _half(answer: _Labels, gold: _Labels, choices: int) -> float:
    """GAOKAO's rule: half of the points for some of the right choices without a wrong one.

    Source: OpenLMLab/GAOKAO-Bench (Apache-2.0), scoring of ``multi_question_choice``.
    """
    if answer == gold:
        return 1.0
    return 0.5 if answer and answer < gold else 0.0


def _jaccard(answer: _Labels, gold: _Labels, choices: int) -> float:
    """The share of the choices in either set that are in both (Jaccard 1901)."""
    return len(answer & gold) / len(answer | gold)


def _each(answer: _Labels, gold: _Labels, choices: int) -> float:
    """The share of choices that are rightly chosen or left out: 1 minus the Hamming loss.

    Source: Schapire and Singer, Machine Learning 39 (2000); the marking of multiple true-false questions.
    """
    return 1 - len(answer ^ gold) / choices


_CREDITS: Mapping[str, Callable[[_Labels, _Labels, int], float]] = {
    "none": lambda answer, gold, choices: float(answer == gold),
    "half": _half,
    "jaccard": _jaccard,
    "each": _each,
}


def make_choices(options: Mapping[str, object], where: str) -> Score:
    """1 if the answer is the gold set; ``credit`` is what another set scores: none, half, jaccard or each."""
    credit = checked(options, {"credit": "half"}, where)["credit"]
    if credit not in _CREDITS:
        raise unknown("credit", credit, _CREDITS, where=where)
    rule = _CREDITS[credit]

    def score(answer: str, question: Question) -> float:
        order = tuple(question.choices)
        labels, gold = split_labels(answer, order), split_labels(question.answer or "", order)
        return 0.0 if labels is None or gold is None else rule(labels, gold, len(order))

    return score
