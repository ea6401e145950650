"""What a suite is: a benchmark as one session asks it, with its selected questions, requests and grades."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmeval.analysis.conditions import JudgeModel
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.core.types import Completion, Grade, Judgement, Order, Question, Request
    from pytest_llmeval.results.benchmark_info import BenchmarkInfo
    from pytest_llmeval.scoring.metrics.judge import JudgePrompt


@dataclass(frozen=True, slots=True)
class JudgeCase:
    """A question as its judge sees it (``text``), and how answers to it are judged."""

    question: Question
    text: str
    prompt: JudgePrompt


class Suite(ABC):
    """A benchmark as one session asks it.

    ``places`` are the folder and file that it was read from: two suites of one name must share one.
    ``self_graded`` suites decide the outcome by themselves, whatever the test asserts. ``judge_prompt`` is
    how a judge is asked about answers, where one is; ``judged_before`` tells that the judgements of the
    replayed run still hold. ``has_labels`` marks answers that people have labelled, to measure a judge.
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
        """The benchmark's name, as results have it."""
        return self.info.name

    @property
    def reorders(self) -> bool:
        """Whether choices may be shown in another order than the file's."""
        return False

    @property
    def most_orders(self) -> int:
        """In how many orders of its choices a question is asked at most."""
        return 1

    def orders(self, question: Question) -> tuple[Order, ...]:
        """The orders of its choices in which a question is asked."""
        return (tuple(question.choices),)

    @abstractmethod
    def request(self, question: Question, model: ModelConfig) -> Request:
        """What ``model`` is sent for ``question``, whose choices are in the order in which they are shown.

        Raises ``UserError`` for a question that cannot be asked.
        """

    @abstractmethod
    def read(self, question: Question, completion: Completion) -> str | None:
        """The answer in a completion, labels as ``question`` has them; None where none can be read."""

    @abstractmethod
    def grade(
        self, question: Question, completion: Completion, model: ModelConfig, judgement: Judgement | None
    ) -> Grade:
        """The answer in a completion, compared with the gold one; ``judgement`` is a judge's, if any.

        Raises ``RequestFailed`` where it cannot be graded.
        """

    def judge_case(self, question: Question) -> JudgeCase | None:
        """What a judge must know to judge answers to ``question``; None where no judge is asked."""
        return None

    def with_judge(self, judge: JudgeModel, *, judged_before: bool) -> None:
        """Take the judge of this session, which becomes part of the conditions of the run."""
        self.info = replace(self.info, conditions=replace(self.info.conditions, judge=judge))
        self.judged_before = judged_before


def select(questions: Sequence[Question], settings: Settings) -> tuple[Question, ...]:
    """The questions that ``--llm-limit`` and ``--llm-seed`` leave of each subject, in file order."""
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
            picked = generator.sample(range(len(rows)), min(len(rows), limit.count or 0))
            selected += [rows[index] for index in sorted(picked)]
    return tuple(selected)
