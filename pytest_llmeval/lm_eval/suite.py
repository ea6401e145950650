"""Tasks of lm-evaluation-harness as suites, with documents as questions and the library's scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.core.errors import RequestFailed, UserError, one_line
from pytest_llmeval.core.types import Completion, Grade, Judgement, Question, Request
from pytest_llmeval.lm_eval import grading, requests, scores, tasks
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.suites.source import Source
from pytest_llmeval.suites.suite import Suite, select

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.results.record import Record
    from pytest_llmeval.results.task_scores import TaskScores


class TaskSuite(Suite):
    """The documents of a task, or of all tasks in a group or tag."""

    self_graded = True

    def __init__(
        self, info: BenchmarkInfo, questions: Sequence[Question], place: Path, loaded: tasks.Tasks
    ) -> None:
        super().__init__(info, questions, [place])
        self._tasks = loaded
        #: the last selected document of each task; requests are built for it and all documents before it
        self._last: dict[str, int] = {}
        for question in questions:
            self._last[question.subject] = max(self._last.get(question.subject, 0), int(question.key))

    def request(self, question: Question, model: ModelConfig) -> Request:
        """See ``Suite``."""
        try:
            return self._plan(question, model)[0].request
        except UserError as error:
            raise UserError(f"{question.id}: {error}") from None

    def read(self, question: Question, completion: Completion) -> str | None:
        """See ``Suite``: a task reads and grades in one step, with ``grade``."""
        raise NotImplementedError("a task of lm-evaluation-harness reads answers as it grades them")

    def grade(
        self, question: Question, completion: Completion, model: ModelConfig, judgement: Judgement | None
    ) -> Grade:
        """See ``Suite``: applies the task's filters and its ``process_results``."""
        del judgement
        try:
            plan, instances = self._plan(question, model)
            repeats = [instance.repeats or 1 for instance in instances]
            responses = requests.responses(plan, completion, repeats)
            task, aggregations = (
                self._tasks.tasks[question.subject],
                self._tasks.aggregations[question.subject],
            )
            return grading.grade(task, instances, responses, aggregations)
        except Exception as error:  # task code may raise anything
            raise RequestFailed(
                f"{question.benchmark} cannot grade this: {type(error).__name__}: {one_line(error, 160)}"
            ) from None

    def _plan(self, question: Question, model: ModelConfig) -> tuple[requests.Plan, Sequence[Any]]:
        instances = self._tasks.instances(question.subject, int(question.key), self._last[question.subject])
        overrides = requests.Overrides(model.max_tokens, model.temperature, tuple(model.stop))
        return requests.plan(instances, overrides), instances


class TaskSource(Source):
    """``lm-eval:TASK``, where TASK is a task, a group or a tag of lm-evaluation-harness."""

    node_name = "lm-eval"
    fixes_conditions = True

    def place(self, name: str, near: Path) -> Path:
        """See ``Source``: a placeholder file, since pytest collects files and tasks have none."""
        return Path(__file__).with_name("lm-eval.txt")

    def load(
        self, name: str, place: Path, settings: Settings, only: Collection[str] | None = None
    ) -> tuple[TaskSuite, tuple[str, ...]]:
        """See ``Source``."""
        if only is None:
            _check_options(name, settings)
        loaded = _tasks(name, settings)
        if settings.split not in (None, loaded.split) and only is None:
            raise UserError(f"{name}: its split is {loaded.split!r}; leave out --llm-split={settings.split}")
        sizes = loaded.sizes()
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
        info = BenchmarkInfo(
            name=name,
            subjects={task: (alias, "") for task, alias in loaded.aliases().items()},
            groups=loaded.members(),
            conditions=EvalConditions(
                mode=loaded.mode,
                split=loaded.split,
                shots=max(loaded.shots().values()),
                prompt_sha256=loaded.prompt_sha256(),
                data_sha256=loaded.data_sha256(),
            ),
            total=sizes,
            planned=0,
            metric="lm-eval",
        )
        notes = () if questions else (f"{name}: --llm-limit={settings.limit} selects no question",)
        return TaskSuite(info, questions, place, loaded), notes

    def fetch(self, name: str, place: Path, settings: Settings) -> str:
        """See ``Source``."""
        questions = sum(_tasks(name, settings).sizes().values())
        return f"{questions:,} questions in the cache of the library datasets"

    def outline(self, name: str, place: Path, settings: Settings) -> tuple[Sequence[str], Sequence[str]]:
        """See ``Source``."""
        loaded = _tasks(name, settings)
        return tuple(loaded.members()), tuple(loaded.tasks)

    def task_scores(self, name: str, settings: Settings, records: Iterable[Record]) -> TaskScores:
        """See ``Source``: computes what the library would report from the metrics of all documents."""
        metrics: dict[str, dict[int, Mapping[str, Mapping[str, Any]]]] = {}
        for record in records:
            if record.metrics:
                number = int(record.id.rpartition("/")[2])
                metrics.setdefault(record.subject, {})[number] = record.metrics
        return scores.aggregate(_tasks(name, settings), metrics)


def _check_options(name: str, settings: Settings) -> None:
    if any(model.system is not None for model in settings.models):
        raise UserError(
            f"{name}: tasks of lm-eval are plain text without a system prompt; leave out --llm-system "
            "(or system in [models.NAME])"
        )
    if (settings.repeats or 1) > 1:
        raise UserError(f"{name}: tasks of lm-eval do not support --llm-repeats; they have their own")
    if settings.circular or settings.shuffle_choices is not None:
        option = "--llm-circular" if settings.circular else "--llm-shuffle-choices"
        raise UserError(f"{name}: tasks of lm-eval do not support {option}; each orders its own choices")


def _tasks(name: str, settings: Settings) -> tasks.Tasks:
    # the shots of a replayed run apply to its other benchmarks only
    return tasks.load(name, settings.lm_eval_path, None if settings.replay else settings.shots)
