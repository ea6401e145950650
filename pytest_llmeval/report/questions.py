"""The questions of a run with every model's answers, read from questions.jsonl for the page and the plots.

Memory holds only what lists and charts need; ``embed.py`` reads the texts again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_llmeval.analysis.majority import majority_index
from pytest_llmeval.analysis.stats import mean
from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.report.answer_lines import reason_text
from pytest_llmeval.results.question_log import placed_rows
from pytest_llmeval.results.summary import Result
from pytest_llmeval.results.unparsed import reason_of


@dataclass(slots=True)
class AnswerStats:
    """The values that charts show of one model's answers to one benchmark, without errors.

    ``latencies`` (seconds) leave out answers from the store. ``extracted`` and ``gold`` count the answers
    of the model and the gold answers, ``unparsed`` the reasons why none could be extracted.
    """

    latencies: list[float] = field(default_factory=list)
    prompt_tokens: list[float] = field(default_factory=list)
    completion_tokens: list[float] = field(default_factory=list)
    extracted: Counter[str] = field(default_factory=Counter)
    gold: Counter[str] = field(default_factory=Counter)
    unparsed: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answer, target: str | None) -> None:
        """Count one answer to a question whose gold answer is ``target``."""
        if answer.outcome is Outcome.ERROR:
            return
        if answer.latency_s is not None and not answer.cached:
            self.latencies.append(answer.latency_s)
        if answer.prompt_tokens is not None:
            self.prompt_tokens.append(answer.prompt_tokens)
        if answer.completion_tokens is not None:
            self.completion_tokens.append(answer.completion_tokens)
        if answer.extracted is not None:
            self.extracted[answer.extracted] += 1
        if target is not None:
            self.gold[target] += 1
        if answer.why_unparsed:
            self.unparsed[answer.why_unparsed] += 1


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a model: a line of questions.jsonl, without its texts.

    ``start`` is the byte at which the line begins, ``score`` that of a graded metric.
    """

    start: int
    outcome: Outcome
    extracted: str | None = None
    latency_s: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    cached: bool = False
    why_unparsed: str = ""
    score: float | None = None

    @classmethod
    def from_row(cls, start: int, row: Mapping[str, Any]) -> Answer:
        """From the line that begins at ``start``."""
        outcome = Outcome(row["outcome"])
        return cls(
            start,
            outcome,
            as_text(row.get("answer")),
            _number(row.get("latency_s")),
            _number(row.get("prompt_tokens")),
            _number(row.get("completion_tokens")),
            bool(row.get("cached")),
            _why_unparsed(row) if outcome is Outcome.UNPARSED else "",
            _number(row.get("score")),
        )


@dataclass(slots=True)
class ModelAnswers:
    """All answers of a model to one question, by the number of the repeat."""

    by_repeat: dict[int, Answer] = field(default_factory=dict)

    @property
    def in_order(self) -> list[Answer]:
        """By repeat."""
        return [self.by_repeat[repeat] for repeat in sorted(self.by_repeat)]

    @property
    def majority(self) -> Answer:
        """The answer shown for all repeats: the first with the most frequent answer."""
        answers = self.in_order
        if len(answers) == 1:
            return answers[0]
        return answers[majority_index([(answer.outcome, answer.extracted) for answer in answers])]

    @property
    def latency_s(self) -> float | None:
        """The mean over answers without an error, or over all if each is an error."""
        completed = [answer for answer in self.in_order if answer.outcome is not Outcome.ERROR]
        return mean(answer.latency_s for answer in completed or self.in_order if answer.latency_s is not None)

    @property
    def score(self) -> float | None:
        """The mean score of a graded metric."""
        return mean(answer.score for answer in self.in_order if answer.score is not None)


@dataclass(slots=True)
class Question:
    """A question with the answers of each model that was asked."""

    id: str
    benchmark: str
    subject: str
    target: str | None
    answers: dict[str, ModelAnswers] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The id without benchmark and subject."""
        return self.id.removeprefix(f"{self.benchmark}/{self.subject}/")


class RunQuestions:
    """The questions of a run, in the order of its benchmarks and subjects.

    ``subjects`` has those of each benchmark; ``stats`` the values for charts by (benchmark, model).
    """

    def __init__(self, path: Path, results: Sequence[Result]) -> None:
        """Read questions.jsonl at ``path``; models and benchmarks without a result are left out."""
        self.path = path
        self.models = list(dict.fromkeys(result.model for result in results))
        subjects: dict[str, dict[str, None]] = {}
        for result in results:
            subjects.setdefault(result.benchmark, {}).update(dict.fromkeys(result.subjects))
        by_id: dict[str, Question] = {}
        for start, row in placed_rows(path):
            model, benchmark, subject = (str(row.get(key)) for key in ("model", "benchmark", "subject"))
            if model not in self.models or benchmark not in subjects:
                continue
            subjects[benchmark].setdefault(subject)
            id = str(row["id"])
            question = by_id.setdefault(id, Question(id, benchmark, subject, as_text(row.get("target"))))
            # the last line for a repeat counts, as in the results
            answers = question.answers.setdefault(model, ModelAnswers())
            answers.by_repeat[row.get("repeat", 0)] = Answer.from_row(start, row)
        self.subjects = {benchmark: list(keys) for benchmark, keys in subjects.items()}
        order = {
            (benchmark, subject): (number, place)
            for number, (benchmark, keys) in enumerate(self.subjects.items())
            for place, subject in enumerate(keys)
        }
        self.questions = sorted(
            by_id.values(), key=lambda question: order[question.benchmark, question.subject]
        )
        self.stats: dict[tuple[str, str], AnswerStats] = {}
        for question in self.questions:
            for model, answers in question.answers.items():
                stats = self.stats.setdefault((question.benchmark, model), AnswerStats())
                for answer in answers.in_order:
                    stats.add(answer, question.target)


def as_text(value: object) -> str | None:
    """A JSON value as text; None stays None."""
    return None if value is None else str(value)


def _why_unparsed(row: Mapping[str, Any]) -> str:
    text, reasoning, reason = (str(row.get(key) or "") for key in ("text", "reasoning", "finish_reason"))
    return reason_text(reason_of(Completion(text, reasoning, finish_reason=reason)))


def _number(value: object) -> float | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if ok else None  # type: ignore[arg-type]
