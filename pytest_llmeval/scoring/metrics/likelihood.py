"""Scores of the log-probabilities that a model gives to choices."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.answer_sets import split_labels
from pytest_llmeval.scoring.metrics.base import Score, checked

#: how the log-probability of a choice is divided by its length
NORMALISATIONS = ("none", "bytes", "characters")


def likeliest(scores: Mapping[str, float], texts: Mapping[str, str], normalise: str = "none") -> str:
    """The label with the highest log-probability; the first of several.

    It is divided by the length of the choice's text, without the blank before it, in UTF-8 bytes or in
    characters.
    """

    def rank(label: str) -> float:
        text = texts.get(label, "").removeprefix(" ")
        length = len(text.encode()) if normalise == "bytes" else len(text)
        return scores[label] if normalise == "none" else scores[label] / max(length, 1)

    return max(scores, key=rank)


def probability_mass(scores: Mapping[str, float], question: Question) -> float:
    """The share of the right choices in the probability of all: TruthfulQA's mc2.

    Source: Lin et al., TruthfulQA, arXiv:2109.07958; lm-evaluation-harness, tasks/truthfulqa.
    """
    highest = max(scores.values())
    weights = {label: math.exp(score - highest) for label, score in scores.items()}
    right = split_labels(question.answer or "", tuple(question.choices)) or ()
    return min(1.0, math.fsum(weights[label] for label in right) / math.fsum(weights.values()))


def make_probability_mass(options: Mapping[str, object], where: str) -> Score:
    """No options. It scores log-probabilities only."""
    checked(options, {}, where)

    def score(answer: str, question: Question) -> float:
        raise ValueError("it needs the log-probabilities of the choices")

    return score
