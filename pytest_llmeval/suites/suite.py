"""A suite: a benchmark as one session runs it, with its selected questions, requests and grades."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.core.errors import unknown

if TYPE_CHECKING:
    from pytest_llmeval.analysis.conditions import JudgeModel
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.core.types import (
        Completion,
        Grade,
        Judgement,
        OfficialReading,
        Order,
        Question,
        Request,
    )
    from pytest_llmeval.results.benchmark_info import BenchmarkInfo
    from pytest_llmeval.scoring.metrics.judge import JudgePrompt


@dataclass(frozen=True, slots=True)
class JudgeCase:
    """A question as its judge reads it (``text``), and the prompt with which answers to it are judged."""

    question: Question
    text: str
    prompt: JudgePrompt


class Suite(ABC):
    """A benchmark as one session runs it.

    ``places`` are the folder and file that it was read from; two suites with the same name must share one.
    ``self_graded`` suites decide the outcome themselves, regardless of the test's assertions.
    ``judge_prompt`` is the prompt for a judge, if there is one; ``judged_before`` is True if the judgements
    of a replayed run are still valid. ``has_labels`` marks answers that people have labelled, to measure a
    judge.

        ::

            class DatabaseSuite(Suite):
                def request(self, question, model):
                    return Request(TextPrompt(question.fields["question"]))

                def read(self, question, completion):
                    return completion.text.strip() or None

                def grade(self, question, completion, model, judgement):
                    answer = self.read(question, completion)
                    return Grade(answer, question.answer, correct=answer == question.answer)
    """

    self_graded = False
    has_labels = False
    judge_prompt: JudgePrompt | None = None
    judged_before = False

    def __init__(self, info: BenchmarkInfo, questions: Sequence[Question], places: Sequence[Path]) -> None:
        self.info = info
        self.questions = tuple(questions)
        self.places = tuple(places)

    @property
    def name(self) -> str:
        """The benchmark's name in results."""
        return self.info.name

    def subjects_in(self, parts: Collection[str]) -> frozenset[str]:
        """The subjects of these groups and subjects. Raises ``UserError`` for an unknown one."""
        info = self.info
        subjects = dict.fromkeys((*info.subjects, *info.total, *(q.subject for q in self.questions)))
        found: set[str] = set()
        for part in parts:
            if part not in info.groups and part not in subjects:
                raise unknown(f"group or subject of {self.name}", part, (*info.groups, *subjects))
            found.update(info.groups.get(part, (part,)))
        return frozenset(found)

    def questions_in(self, parts: Collection[str]) -> tuple[Question, ...]:
        """The questions of these groups and subjects, all if there are none. Raises ``UserError``."""
        if not parts:
            return self.questions
        subjects = self.subjects_in(parts)
        return tuple(question for question in self.questions if question.subject in subjects)

    @property
    def reorders(self) -> bool:
        """Whether choices may be shown in a different order than in the file."""
        return False

    @property
    def most_orders(self) -> int:
        """The largest number of orders of its choices in which a question is asked."""
        return 1

    def orders(self, question: Question) -> tuple[Order, ...]:
        """The orders of its choices in which a question is asked."""
        return (tuple(question.choices),)

    @abstractmethod
    def request(self, question: Question, model: ModelConfig) -> Request:
        """The request to ``model`` for ``question``, whose choices are in the order to show them.

        Raises ``UserError`` if it cannot be built.
        """

    @abstractmethod
    def read(self, question: Question, completion: Completion) -> str | None:
        """The answer in a completion, with the labels of ``question``; None if it cannot be parsed."""

    def official(
        self, question: Question, completion: Completion, answer: str | None
    ) -> OfficialReading | None:
        """The reading of the benchmark's official rule, if it has one that reads another than ``answer``."""
        return None

    @abstractmethod
    def grade(
        self, question: Question, completion: Completion, model: ModelConfig, judgement: Judgement | None
    ) -> Grade:
        """The grade of a completion against the gold answer; ``judgement`` is a judge's, if any.

        Raises ``RequestFailed`` if it cannot be graded.
        """

    def accepted_by(self, question: Question, answer: str) -> str | None:
        """The name of a looser metric that accepts an answer which the suite's own calls wrong; else None."""
        return None

    def judge_case(self, question: Question) -> JudgeCase | None:
        """The case for a judge of answers to ``question``; None without a judge."""
        return None

    def with_judge(self, judge: JudgeModel, *, judged_before: bool) -> None:
        """Set the judge of this session, which becomes part of the conditions of the run."""
        self.info = replace(self.info, conditions=replace(self.info.conditions, judge=judge))
        self.judged_before = judged_before


def select(questions: Sequence[Question], settings: Settings) -> tuple[Question, ...]:
    """The questions of each subject that ``--llm-limit`` and ``--llm-seed`` select, in file order."""
    limit = settings.limit
    if limit is None:
        return tuple(questions)
    subjects: dict[str, list[Question]] = {}
    for question in questions:
        subjects.setdefault(question.subject, []).append(question)
    selected: list[Question] = []
    for subject, rows in subjects.items():
        if settings.seed is None:
            selected += rows[limit.start : limit.stop]
        else:
            generator = random.Random(f"{settings.seed}/{rows[0].benchmark}/{subject}")
            indices = generator.sample(range(len(rows)), min(len(rows), limit.count or 0))
            selected += [rows[index] for index in sorted(indices)]
    return tuple(selected)
