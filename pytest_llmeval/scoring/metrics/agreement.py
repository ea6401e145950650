"""The metric ``agreement``: does a judge agree with people? It grades answers that people have labelled.

A row has a question, a ``response`` to it, optionally a reference answer and a rubric, and the label. The
evaluated model is the judge, with the prompt of the metric ``judge``; its answer is the grade, and the gold
answer is the label.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Question, Request, Temperature
from pytest_llmeval.scoring.metrics.base import Score
from pytest_llmeval.scoring.metrics.judge import JudgePrompt, make_judge

NAME = "agreement"
#: the fields of a row and the usual names of their columns
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "response": ("response", "answer_given", "completion", "output", "回答"),
    "reference": ("reference", "answer", "target", "gold", "expected", "答案"),
}
LABEL = ("label", "human_label", "human", "grade", "标注")


def make_agreement(options: Mapping[str, object], where: str) -> Score:
    """1 if the grade is the label. Raises ``UserError``.

    The options are those of ``judge``, and ``columns``: the names of the columns ``response`` and
    ``reference``.
    """
    labelled_prompts(options, where)
    return lambda answer, question: float(answer == question.answer)


def labelled_prompts(options: Mapping[str, object], where: str) -> LabelledPrompts:
    """The judge's prompts from the options of the metric. Raises ``UserError``."""
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
    """Asks a judge about labelled answers; ``columns`` names the columns of response and reference."""

    prompt: JudgePrompt
    columns: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """A hash of everything but the rows that determines what the judge is sent."""
        parts = [self.prompt.sha256, dict(self.columns)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def request(
        self,
        question: Question,
        *,
        max_tokens: int | None = None,
        temperature: Temperature | None = None,
        stop: Sequence[str] = (),
    ) -> Request:
        """The same request that the judge gets in a run with the metric ``judge``. Raises ``UserError``."""
        reference = question.fields.get(self.columns["reference"], "").strip()
        graded = replace(question, answer=reference)
        response = question.fields[self.columns["response"]].strip()
        judge = ModelConfig("judge", "", max_tokens=max_tokens, temperature=temperature, stop=tuple(stop))
        return self.prompt.request(graded, graded.fields["question"], response, judge)

    def extract(self, reply: str, choices: Mapping[str, str]) -> str | None:
        """The label of the grade in a judge's reply: an extractor."""
        del choices
        grade = self.prompt.read(reply)
        return None if grade is None else self._label(grade.label, grade.score)

    def _label(self, label: str, score: float) -> str:
        # with numbers, people and judge agree if they are on the same side of the threshold
        if self.prompt.scale is None:
            return label
        return "C" if score >= self.prompt.threshold else "I"

    def labelled(self, questions: Iterable[Question]) -> tuple[Question, ...]:
        """The questions with their labels spelled as the judge spells grades.

        A row without a usable label or response gets a ``problem``. Raises ``UserError`` if there is no
        column of responses.
        """
        return tuple(map(self._labelled, questions))

    def _labelled(self, question: Question) -> Question:
        column = self.columns["response"]
        if column not in question.fields:
            raise UserError(
                f"{question.benchmark}: no column {column!r} with the labelled answers; "
                'name it under [metric]: columns = {response = "COLUMN"}'
            )
        if question.problem is not None:
            return question
        if not question.fields[column].strip():
            return replace(question, problem=f"{column} is empty")
        label = self._gold(question.answer or "")
        if label is None:
            labels = ", ".join(self.prompt.grades) or "a number of the scale, C or I"
            shown = one_line(repr(question.answer or ""), 40)
            return replace(question, answer=None, problem=f"label {shown} is none of {labels}")
        return replace(question, answer=label)

    def _gold(self, label: str) -> str | None:
        grade = self.prompt.grade(label)
        if grade is not None:
            return self._label(grade.label, grade.score)
        if self.prompt.scale is not None:
            grade = replace(self.prompt, scale=None, grades={"C": 1.0, "I": 0.0}).grade(label)
        return None if grade is None else grade.label
