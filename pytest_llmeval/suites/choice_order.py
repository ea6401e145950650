"""In which orders the choices of a question are shown: shuffled, and every rotation of that.

A permutation moves the texts of the choices, not their labels: the *order* BCDA shows under A the text that
the file has under B. The worked examples keep their order, as in OpenCompass' circular data sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_llmeval.core.types import Order, Question


@dataclass(frozen=True, slots=True)
class Ordering:
    """How a run orders choices.

    ``circular`` asks each question once for every rotation of its choices (CircularEval: Liu et al.,
    MMBench, arXiv:2307.06281). ``seed`` shuffles them first, each question in its own way.
    """

    circular: bool = False
    seed: int | None = None

    @property
    def plain(self) -> bool:
        """Whether all questions are asked once, as the file has them."""
        return not self.circular and self.seed is None

    def orders(self, question: Question) -> tuple[Order, ...]:
        """The orders in which ``question`` is asked, the one before any rotation first."""
        first = tuple(question.choices)
        if self.seed is not None:
            first = shuffled(first, self.seed, question.id)
        return rotations(first) if self.circular and len(first) > 1 else (first,)

    def hashed(self, prompt_sha256: str) -> str:
        """``prompt_sha256``, changed where what is asked of the same rows is."""
        if self.plain:
            return prompt_sha256
        return hashlib.sha256(f"{prompt_sha256} {self.circular} {self.seed}".encode()).hexdigest()


def rotations(labels: Order) -> tuple[Order, ...]:
    """ABC, BCA, CAB: in these every choice stands once at every place."""
    return tuple(labels[start:] + labels[:start] for start in range(len(labels)))


def shuffled(labels: Order, seed: int, question: str) -> Order:
    """The order that ``seed`` gives the question of this id: the same in each run, whatever else is asked."""

    def rank(label: str) -> bytes:  # no generator whose stream another Python may change
        return hashlib.sha256(f"{seed}\0{question}\0{label}".encode()).digest()

    return tuple(sorted(labels, key=rank))


def presented(question: Question, order: Order) -> Question:
    """``question`` as it is asked in this order: texts moved, its gold answer the label shown for it."""
    labels = tuple(question.choices)
    if order == labels:
        return question
    texts = {label: question.choices[held] for label, held in zip(labels, order, strict=True)}
    answer = question.answer if question.answer is None else labels[order.index(question.answer)]
    return replace(question, fields={**question.fields, **texts}, choices=texts, answer=answer)


def original(question: Question, order: Order) -> Mapping[str, str]:
    """From the labels that are shown in this order to those that the file has for the same texts."""
    return dict(zip(question.choices, order, strict=True))
