"""The metric ``agreement``: is a judge right? It is asked about answers that people have labelled.

A row holds a question, a ``response`` that somebody gave to it, perhaps a reference answer and a rubric,
and the label. The model that is asked is the judge, with the prompt that the metric ``judge`` uses; its
verdict is its answer, and the label the gold one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question, Request
from pytest_llmeval.scoring.metrics.base import Score
from pytest_llmeval.scoring.metrics.judge import Grading, make_judge

NAME = "agreement"
#: what a row holds, and the columns where it usually is
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "response": ("response", "answer_given", "completion", "output", "回答"),
    "reference": ("reference", "answer", "target", "gold", "expected", "答案"),
}
LABEL = ("label", "human_label", "human", "grade", "标注")


def make_agreement(options: Mapping[str, object], where: str) -> Score:
    """The verdict is the label. The options are those of ``judge``, and ``columns``: where the ``response``
    and the ``reference`` are. Raises ``UserError``.
    """
    grading_of(options, where)
    return lambda answer, question: float(answer == question.answer)


def grading_of(options: Mapping[str, object], where: str) -> LabelledPrompts:
    """How the judge is asked. Raises ``UserError``."""
    columns = options.get("columns", {})
    if (
        not isinstance(columns, dict)
        or not columns.keys() <= COLUMNS.keys()
        or not all(isinstance(name, str) for name in columns.values())
    ):
        raise UserError(
            f"{where}: columns: must be a table, as in "
            'columns = {response = "COLUMN", reference = "COLUMN"}'
        )
    others = {key: value for key, value in options.items() if key != "columns"}
    return LabelledPrompts(make_judge(others, where), {**{key: key for key in COLUMNS}, **columns})


@dataclass(frozen=True, slots=True)
class LabelledPrompts:
    """How a judge is asked about labelled answers; ``columns`` says where response and reference are."""

    grading: Grading
    columns: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Changes whenever what is asked of the same rows changes."""
        parts = [self.grading.sha256, dict(self.columns)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def request(
        self,
        question: Question,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] = (),
    ) -> Request:
        """What the judge is sent: to the letter what it is sent in a run. Raises ``UserError``."""
        reference = question.fields.get(self.columns["reference"], "").strip()
        asked = replace(question, answer=reference)
        response = question.fields[self.columns["response"]].strip()
        judge = ModelConfig("judge", "", max_tokens=max_tokens, temperature=temperature, stop=tuple(stop))
        return self.grading.request(asked, asked.fields["question"], response, judge)

    def extract(self, reply: str, choices: Mapping[str, str]) -> str | None:
        """The verdict, as an extractor gives an answer."""
        del choices
        verdict = self.grading.read(reply)
        return None if verdict is None else self._label(verdict.label, verdict.score)

    def _label(self, label: str, score: float) -> str:
        # of numbers it is the side of the middle that people and judge can agree on
        if self.grading.scale is None:
            return label
        return "C" if score >= self.grading.threshold else "I"

    def labelled(self, questions: Iterable[Question]) -> tuple[Question, ...]:
        """The questions with their labels spelled as verdicts are; what has none, or no response, is that
        question's problem. Raises ``UserError`` where there is no column of responses.
        """
        return tuple(map(self._labelled, questions))

    def _labelled(self, question: Question) -> Question:
        column = self.columns["response"]
        if column not in question.fields:
            raise UserError(
                f"{question.benchmark}: no column {column!r} with the answers that were labelled; "
                'name it under [metric]: columns = {response = "COLUMN"}'
            )
        if question.problem is not None:
            return question
        if not question.fields[column].strip():
            return replace(question, problem=f"{column} is empty")
        label = self._gold(question.answer or "")
        if label is None:
            wanted = ", ".join(self.grading.grades) or "a number of the scale, C or I"
            said = one_line(repr(question.answer or ""), 40)
            return replace(question, answer=None, problem=f"label {said} is none of {wanted}")
        return replace(question, answer=label)

    def _gold(self, label: str) -> str | None:
        verdict = self.grading.verdict(label)
        if verdict is not None:
            return self._label(verdict.label, verdict.score)
        if self.grading.scale is not None:
            verdict = replace(self.grading, scale=None, grades={"C": 1.0, "I": 0.0}).verdict(label)
        return None if verdict is None else verdict.label
