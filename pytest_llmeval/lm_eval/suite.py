"""Tasks of lm-evaluation-harness as suites: their documents as questions, and their numbers at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Completion, Question, Request, Scored
from pytest_llmeval.lm_eval import grading, requests, scores, tasks
from pytest_llmeval.results.question_log import QUESTIONS, read_questions
from pytest_llmeval.results.summary import BenchmarkInfo
from pytest_llmeval.results.task_scores import TaskScores
from pytest_llmeval.suites import spec as benchmarks
from pytest_llmeval.suites.choice_order import Ordering
from pytest_llmeval.suites.suite import Suite, select

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import Settings

#: pytest collects files, and a task has none that could be given to it
PLACE = Path(tasks.__file__).with_name("lm-eval.txt")
#: what stands before ``::test_TASK[...]`` in node ids
NODE = "lm-eval"


@dataclass(frozen=True, slots=True)
class _Documents:
    """Asks and scores the documents of tasks; ``last`` is the last selected one of each task."""

    tasks: tasks.Tasks
    last: Mapping[str, int]

    def request(
        self,
        question: Question,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stop: Sequence[str] = (),
    ) -> Request:
        """See ``suite.Builder``."""
        try:
            return self._plan(question, requests.Given(max_tokens, temperature, tuple(stop)))[0].request
        except UserError as error:
            raise UserError(f"{question.id}: {error}") from None

    def score(self, question: Question, completion: Completion, model: ModelConfig) -> Scored:
        """See ``suite.Scorer``."""
        given = requests.Given(model.max_tokens, model.temperature, model.stop)
        planned, instances = self._plan(question, given)
        repeats = [instance.repeats or 1 for instance in instances]
        answered = requests.responses(planned, completion, repeats)
        name = question.subject
        return grading.judge(self.tasks.tasks[name], instances, answered, self.tasks.aggregations[name])

    def _plan(self, question: Question, given: requests.Given) -> tuple[requests.Plan, Sequence[Any]]:
        instances = self.tasks.instances(question.subject, int(question.key), self.last[question.subject])
        return requests.plan(instances, given), instances


def load_task_suite(
    name: str, settings: Settings, only: Collection[str] | None = None
) -> tuple[Suite, tuple[str, ...]]:
    """The suite of ``lm-eval:TASK``, as ``suite.load_suite`` gives that of a folder.

    Raises ``UserError``.
    """
    if settings.repeats > 1 and only is None:
        raise UserError(f"{name}: --llm-repeats is not for tasks of lm-eval; they have repeats of their own")
    if only is None and (settings.circular or settings.shuffle_choices is not None):
        option = "--llm-circular" if settings.circular else "--llm-shuffle-choices"
        raise UserError(f"{name}: {option} is not for tasks of lm-eval; a task orders its own choices")
    found = _load(name, settings)
    if settings.split not in (None, found.split) and only is None:
        raise UserError(f"{name}: its split is {found.split!r}; leave out --llm-split={settings.split}")
    sizes = found.sizes()
    questions = select(
        [
            Question(name, task, str(number), {}, {}, None)
            for task, size in sizes.items()
            for number in range(size)
        ],
        settings,
    )
    if only is not None:
        questions = tuple(question for question in questions if question.id in only)
    last: dict[str, int] = {}
    for question in questions:
        last[question.subject] = max(last.get(question.subject, 0), int(question.key))
    documents = _Documents(found, last)
    info = BenchmarkInfo(
        name=name,
        subjects={task: (alias, "") for task, alias in found.aliases().items()},
        groups=found.members(),
        mode=found.mode,
        shots=max(found.shots().values()),
        split=found.split,
        prompt_sha256=found.prompt_sha256(),
        data_sha256=found.data_sha256(),
        total=sizes,
        planned=0,
        metric="lm-eval",
    )
    described = benchmarks.parse({"title": name, "split": info.split, "data": {"choices": []}}, PLACE)
    suite = Suite(
        replace(described, name=name, groups=info.groups, shots=info.shots),
        info,
        questions,
        documents,
        extract=lambda text, choices: text,
        score=lambda answer, question: 0.0,
        graded=False,
        threshold=1.0,
        ordering=Ordering(),
        scorer=documents.score,
    )
    notes = () if questions else (f"{name}: --llm-limit={settings.limit} selects no question",)
    return suite, notes


def outline(name: str, settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The groups and tasks of ``lm-eval:TASK``. Raises ``UserError``."""
    found = _load(name, settings)
    return tuple(found.members()), tuple(found.tasks)


def task_scores(folder: Path, model: str, name: str, settings: Settings) -> TaskScores:
    """The numbers of ``lm-eval:TASK`` from the metrics in a run's questions.jsonl.

    Raises whatever the task's own aggregations need and do not find.
    """
    found = _load(name, settings)
    metrics: dict[str, dict[int, Any]] = {}
    for row in read_questions(folder / QUESTIONS):
        if row["model"] == model and row.get("benchmark") == name and "metrics" in row:
            number = int(str(row["id"]).rpartition("/")[2])
            metrics.setdefault(str(row["subject"]), {})[number] = row["metrics"]
    return scores.scores(found, metrics)


def _load(name: str, settings: Settings) -> tasks.Tasks:
    # of a replay the shots are those of other benchmarks
    return tasks.load(name, settings.lm_eval_path, None if settings.replay else settings.shots)
