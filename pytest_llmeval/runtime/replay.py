"""An earlier run's answers, read and graded again without its models (``--llm-replay``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmeval.analysis.conditions import EvalConditions, JudgeModel
from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import Settings
from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, UserError
from pytest_llmeval.core.types import MODES, Completion, Judgement, Mode, Question
from pytest_llmeval.models.base import Jobs
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.question_log import QUESTIONS, parse_line
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.run_folder import RESULTS, find_run
from pytest_llmeval.runtime.asker import Asker, Attempt, Key, Response, judged_answer
from pytest_llmeval.suites.choice_order import original
from pytest_llmeval.suites.source import source_of

if TYPE_CHECKING:
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge
    from pytest_llmeval.suites.suite import Suite


@dataclass(frozen=True, slots=True)
class Replay:
    """A finished run to be graded again: how it asked, each model's identity, and what they answered.

    ``answers`` are by model, and then by question id, repeat and rotation; ``conditions`` are by benchmark.
    """

    folder: Path
    mode: Mode
    shots: int | None
    split: str | None
    models: Mapping[str, str]
    conditions: Mapping[str, EvalConditions]
    answers: Mapping[str, Mapping[Key, Record]]
    repeats: int = 1
    circular: bool = False
    shuffle_choices: int | None = None

    @property
    def ids(self) -> frozenset[str]:
        """The questions that were asked of any model."""
        return frozenset(id for of_model in self.answers.values() for id, *_ in of_model)

    def judge_of(self, benchmark: str) -> JudgeModel | None:
        """The judge of a benchmark's answers."""
        conditions = self.conditions.get(benchmark)
        return None if conditions is None else conditions.judge

    def with_prompts(self, info: BenchmarkInfo) -> tuple[BenchmarkInfo, tuple[str, ...]]:
        """``info`` with the prompts that were answered, and notes on what is scored differently now."""
        conditions = self.conditions.get(info.name)
        if conditions is None:
            return info, ()
        now = info.conditions
        words = list(conditions.scoring_differences(now))
        if conditions.data_sha256 != now.data_sha256:
            words.append("different data (data_sha256)")
        notes = (f"{info.name}: not scored as in {self.folder.name}: {'; '.join(words)}",) if words else ()
        now = replace(now, prompt_sha256=conditions.prompt_sha256)
        return replace(info, conditions=now), notes

    def model(self, name: str) -> ReplayedModel:
        """What stands in the place of one of the run's models."""
        return ReplayedModel(self.models[name])

    def settings(self, settings: Settings, *, paths: bool) -> Settings:
        """``settings`` for asking as the run asked; its benchmarks, unless others or ``paths`` are given.

        Raises ``UserError`` for a model that the run did not have.
        """
        for model in settings.models:
            if model.name not in self.models:
                had = ", ".join(self.models)
                raise UserError(f"--llm-replay: {self.folder} has no model {model.name!r}; it has {had}")
        names = [model.name for model in settings.models] or list(self.models)
        return replace(
            settings,
            benchmarks=settings.benchmarks or (() if paths else tuple(self.conditions)),
            models=tuple(ModelConfig(name=name, backend="replay") for name in names),
            mode=self.mode,
            shots=self.shots,
            split=self.split,
            repeats=self.repeats,
            circular=self.circular,
            shuffle_choices=self.shuffle_choices,
            no_cache=settings.no_cache or settings.judge is None,
        )

    def asker(
        self,
        config: ModelConfig,
        engine: Engine,
        suites: Mapping[str, Suite],
        say: Callable[[str], None],
        repeats: int,
        judge: Callable[[], Judge] | None,
    ) -> Asker:
        """What answers a model's questions from the run."""
        return ReplayAsker(config, engine, suites, say, repeats, judge, self.answers.get(config.name, {}))


class ReplayedModel:
    """In the place of a model: it has its identity, and cannot be asked anything."""

    window = 1

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def check(self) -> None:
        """See ``Model``; there is nothing to check."""

    def identity(self) -> str:
        """The identity of the model that answered."""
        return self._identity

    def run(self, jobs: Jobs) -> None:
        """Raises ``ModelUnusable``: only a run's own questions can be replayed."""
        raise ModelUnusable("--llm-replay: only the questions of the earlier run have answers")


class ReplayAsker(Asker):
    """Answers questions from an earlier run; only a judge is asked, where it has not judged these answers."""

    def __init__(
        self,
        config: ModelConfig,
        engine: Engine,
        suites: Mapping[str, Suite],
        say: Callable[[str], None],
        repeats: int,
        judge: Callable[[], Judge] | None,
        answers: Mapping[Key, Record],
    ) -> None:
        super().__init__(config, engine, suites, say, repeats, judge)
        self._answers = answers

    @property
    def window(self) -> int:
        """How many answers are worth judging ahead."""
        if self._judge is None or all(suite.judge_prompt is None for suite in self._suites.values()):
            return super().window
        return -(-self._judge().window // self.repeats)

    def ask_ahead(self, questions: Sequence[Question], since: Attempt | None = None) -> None:
        """Have the judge judge answers that it has not judged before."""
        since = since or Attempt()
        for question in questions:
            suite = self._suites[question.benchmark]
            case = suite.judge_case(question)
            if case is None or self._judge is None:
                continue
            for repeat in range(since.repeat, self.repeats):
                key = question.id, repeat, since.rotation
                if key not in self._answers or key in self._judging or self._earlier(question, key):
                    continue
                completion = _completion(self._answers[key])
                answer = judged_answer(suite, question, completion)
                if answer is not None and completion.error is None:
                    self._judging[key] = self._judge().submit(case, answer)

    def respond(self, question: Question, attempt: Attempt, *, extract: bool) -> Response:
        """The response of the earlier run, read again. Raises ``RequestFailed``."""
        key = self._key(question, attempt)
        if key not in self._answers:
            raise RequestFailed("the earlier run did not ask this question", attempts=0)
        completion = _completion(self._answers[key])
        if self._suites[question.benchmark].reorders and completion.scores:
            # recorded scores have the file's labels: back to those that were shown
            order = self._order(question, attempt)
            labels = {label: shown for shown, label in original(question, order).items()}
            scores = {labels.get(label, label): score for label, score in completion.scores.items()}
            completion = replace(completion, scores=scores)
        return self._received(question, attempt, None, completion, extract)

    def _judgement(self, question: Question, attempt: Attempt, response: Response) -> Judgement | None:
        earlier = self._earlier(question, self._key(question, attempt))
        if earlier is not None or response.answer is None:
            return earlier
        if self._judge is None:
            raise RequestFailed("the earlier run has no judgement of this answer", attempts=0)
        return super()._judgement(question, attempt, response)

    def _earlier(self, question: Question, key: Key) -> Judgement | None:
        """The earlier judgement, if it still holds; where it failed, a judge is asked again."""
        record = self._answers.get(key)
        judgement = None if record is None else record.judgement
        if judgement is None or not self._suites[question.benchmark].judged_before:
            return None
        if judgement.error is not None and self._judge is not None:
            return None
        return replace(judgement, cached=True)


def _completion(record: Record) -> Completion:
    """A record's completion as if from the store."""
    error = record.completion.error
    if record.judgement is not None and record.judgement.error is not None:
        error = None  # the judge's: the answer is there, to be judged again
    return replace(record.completion, cached=True, error=error)


@dataclass(slots=True)
class _Conditions:
    """How a run asked its benchmarks, which must be the same for all of them."""

    models: dict[str, str] = field(default_factory=dict)
    by_benchmark: dict[str, EvalConditions] = field(default_factory=dict)
    asked: set[tuple[str, int | None, str | None]] = field(default_factory=set)
    orders: set[tuple[bool, int | None]] = field(default_factory=set)

    def add(self, result: Mapping[str, Any]) -> None:
        conditions = EvalConditions.from_json(result)
        benchmark = str(result["benchmark"])
        self.models[str(result["model"])] = str(result["identity"])
        self.by_benchmark[benchmark] = conditions
        self.orders.add((conditions.circular, conditions.shuffle_choices))
        if not source_of(benchmark).fixes_conditions:
            self.asked.add((conditions.mode, conditions.shots, conditions.split))


def read_replay(name: str, reports_dir: Path, start: Path) -> Replay:
    """The run that ``name`` means: a folder, its results.json, or the name of a run in ``reports_dir``.

    Raises ``UserError`` for a run that is not finished, or asked its benchmarks in different modes.
    """
    folder = find_run(name, reports_dir, start, f"--llm-replay={name}")
    conditions = _Conditions()
    try:
        for result in json.loads((folder / RESULTS).read_text("utf-8"))["results"]:
            conditions.add(result)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"--llm-replay: {folder / RESULTS} cannot be read ({type(error).__name__}); is it a finished run?"
        ) from None
    asked = conditions.asked or {(MODES[0], None, None)}
    if len(asked) != 1 or len(conditions.orders) != 1:
        raise UserError(
            f"--llm-replay: {folder} asked its benchmarks in different ways; "
            "that cannot be replayed in one run"
        )
    ((mode, shots, split),) = asked
    ((circular, seed),) = conditions.orders
    known_mode = next((known for known in MODES if known == mode), None)
    if known_mode is None:
        raise UserError(f"--llm-replay: {folder / RESULTS} has an unknown mode")
    answers = _answers(folder)
    repeats = 1 + max((repeat for of_model in answers.values() for _, repeat, _ in of_model), default=0)
    return Replay(
        folder,
        known_mode,
        shots,
        split,
        conditions.models,
        conditions.by_benchmark,
        answers,
        repeats,
        circular,
        seed,
    )


def _answers(folder: Path) -> dict[str, dict[Key, Record]]:
    answers: dict[str, dict[Key, Record]] = {}
    with (folder / QUESTIONS).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if (row := parse_line(line)) is None:
                continue
            try:
                record = Record.from_json(row)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise UserError(
                    f"--llm-replay: {folder / QUESTIONS}, line {number}: not a record of a question"
                ) from None
            of_model = answers.setdefault(record.model, {})
            for rotation, single in enumerate(record.rotations or (record,)):
                of_model[record.id, record.repeat, rotation] = single
    return answers
