"""Shuffle and rotate the choices of a question.

A permutation moves the texts of the choices, not their labels: with the order BCDA, label A shows the text
that the file lists under B. Worked examples keep their order, as in OpenCompass' circular data sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_llmeval.core.types import Order, Question
from pytest_llmeval.scoring.answer_sets import relabel


@dataclass(frozen=True, slots=True)
class Ordering:
    """How a run orders choices.

    ``circular`` asks each question once per rotation of its choices (CircularEval: Liu et al., MMBench,
    arXiv:2307.06281). ``seed`` first shuffles the choices, differently for each question.
    """

    circular: bool = False
    seed: int | None = None

    @property
    def plain(self) -> bool:
        """Whether each question is asked once, with its choices in file order."""
        return not self.circular and self.seed is None

    def orders(self, question: Question) -> tuple[Order, ...]:
        """The orders in which ``question`` is asked, starting with the unrotated order."""
        first = tuple(question.choices)
        if self.seed is not None:
            first = shuffled(first, self.seed, question.id)
        return rotations(first) if self.circular and len(first) > 1 else (first,)

    def prompt_hash(self, prompt_sha256: str) -> str:
        """Mix this ordering into ``prompt_sha256``, unless the ordering is plain."""
        if self.plain:
            return prompt_sha256
        return hashlib.sha256(f"{prompt_sha256} {self.circular} {self.seed}".encode()).hexdigest()


def rotations(labels: Order) -> tuple[Order, ...]:
    """All rotations of ``labels`` (ABC, BCA, CAB): each choice appears once in each position."""
    return tuple(labels[start:] + labels[:start] for start in range(len(labels)))


def shuffled(labels: Order, seed: int, question: str) -> Order:
    """Shuffle ``labels`` by ``seed`` and question id, independently of the run and its other questions."""

    def rank(label: str) -> bytes:  # a hash, as random's output may change between Pythons
        return hashlib.sha256(f"{seed}\0{question}\0{label}".encode()).digest()

    return tuple(sorted(labels, key=rank))


def presented(question: Question, order: Order) -> Question:
    """``question`` with its choices in ``order``; the gold answer moves with its text."""
    labels = tuple(question.choices)
    if order == labels:
        return question
    texts = {label: question.choices[source] for label, source in zip(labels, order, strict=True)}
    shown = dict(zip(order, labels, strict=True))
    answer = None if question.answer is None else relabel(question.answer, shown, labels)
    return replace(question, fields={**question.fields, **texts}, choices=texts, answer=answer)


def original(question: Question, order: Order) -> Mapping[str, str]:
    """Map each label shown in ``order`` to the label of the same text in the file."""
    return dict(zip(question.choices, order, strict=True))
