"""``--llm-replay``: grades the answers of an earlier run, or of another tool's file, without a model."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmeval.analysis.conditions import EvalConditions, JudgeModel
from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import Settings
from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, UserError, one_line
from pytest_llmeval.core.paths import expanded
from pytest_llmeval.core.types import MODES, Completion, Judgement, Mode, Question
from pytest_llmeval.models.base import Jobs
from pytest_llmeval.results.benchmark_info import BenchmarkInfo, base_name
from pytest_llmeval.results.question_log import QUESTIONS, parse_line
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.run_folder import RESULTS, find_run, read_results, unreadable
from pytest_llmeval.runtime.asker import Asker, Attempt, Key, Response
from pytest_llmeval.runtime.outputs import is_outputs_file, read_outputs
from pytest_llmeval.suites.choice_order import original
from pytest_llmeval.suites.source import source_of

if TYPE_CHECKING:
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge
    from pytest_llmeval.suites.suite import Suite


@dataclass(frozen=True, slots=True)
class Replay:
    """A finished run, or a file of outputs, whose answers are graded again.

    ``models`` maps names to identities, ``conditions`` benchmarks to their conditions. ``answers`` maps each
    model to its records by question id, repeat and rotation. The other fields are settings of the run.
    ``outputs_sha256`` is the hash of a file of outputs, whose prompts are unknown and whose ids may be keys
    of questions; None for a run. ``command`` is the command of the run, ``systems`` maps models to their
    system prompts.
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
    outputs_sha256: str | None = None
    command: str = ""
    systems: Mapping[str, str | None] = field(default_factory=dict)

    def unknown_benchmark(self, error: UserError, names: Iterable[str]) -> UserError:
        """``error``, or how to name the benchmarks again if some of the run's ``names`` are unknown.

        A run has the names of its benchmarks, but not the files of questions that some were read from.
        """
        if not set(names) <= self.conditions.keys():
            return error
        given = _benchmark_options(self.command) or ["--llm-benchmark=PATH"]
        asked = one_line(", ".join(self.conditions), 80)
        return UserError(
            f"--llm-replay: {self.folder.name} asked {asked}; name the files or folders of questions again: "
            f"{one_line(' '.join(given), 300)}"
        )

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all questions that any model was sent."""
        return frozenset(id for records in self.answers.values() for id, *_ in records)

    def judge_of(self, benchmark: str) -> JudgeModel | None:
        """The judge of a benchmark in the earlier run."""
        conditions = self.conditions.get(benchmark)
        return None if conditions is None else conditions.judge

    def with_prompts(self, info: BenchmarkInfo) -> tuple[BenchmarkInfo, tuple[str, ...]]:
        """A copy of ``info`` with the earlier run's prompts and repeats.

        Also notes on what is scored differently now. Raises ``UserError`` if choices had another order then.
        """
        info = replace(info, repeats=self._repeats_of(info.name))
        conditions = self.conditions.get(info.name)
        if conditions is not None and conditions.shuffle_choices != info.conditions.shuffle_choices:
            raise UserError(
                f"--llm-replay: {self.folder.name} asked {info.name} with choices in another order: "
                f"shuffle_choices was {conditions.shuffle_choices}, now {info.conditions.shuffle_choices}"
            )
        if self.outputs_sha256 is not None:
            unknown = replace(info.conditions, prompt_sha256=self.outputs_sha256)
            note = f"{info.name}: prompts and settings of the outputs in {self.folder.name} are unknown"
            return replace(info, conditions=unknown), (note,)
        if conditions is None:
            return info, ()
        current = info.conditions
        differences = list(conditions.scoring_differences(current))
        if conditions.data_sha256 != current.data_sha256:
            differences.append("different data (data_sha256)")
        notes = (
            (f"{info.name}: not scored as in {self.folder.name}: {'; '.join(differences)}",)
            if differences
            else ()
        )
        current = replace(current, prompt_sha256=conditions.prompt_sha256)
        return replace(info, conditions=current), notes

    def _repeats_of(self, benchmark: str) -> int:
        """How often the questions of a benchmark were asked."""
        if self.outputs_sha256 is not None:
            return self.repeats
        keys = itertools.chain.from_iterable(self.answers.values())
        return 1 + max((repeat for id, repeat, _ in keys if id.startswith(f"{benchmark}/")), default=0)

    def check_ids(self, questions: Sequence[Question], benchmark: str) -> tuple[str, ...]:
        """Notes on ids of a file of outputs that are no questions. Raises ``UserError`` if none is one."""
        if self.outputs_sha256 is None:
            return ()
        known = {name for question in questions for name in (question.id, question.key)}
        unknown = sorted(self.ids - known)
        if not unknown:
            return ()
        examples = ", ".join(one_line(id, 40) for id in unknown[:3])
        if len(unknown) == len(self.ids):
            raise UserError(
                f"--llm-replay: no id in {self.folder.name} is that of a question of {benchmark} "
                f"({examples}, ...); give ids or keys as in questions.jsonl"
            )
        return (
            f"{len(unknown)} of {len(self.ids)} ids in {self.folder.name} are not in {benchmark}: {examples}",
        )

    def model(self, name: str) -> ReplayedModel:
        """The backend that stands in for a model of the run."""
        return ReplayedModel(self.models[name])

    def settings(self, settings: Settings, *, paths: bool) -> Settings:
        """``settings`` with the run's conditions, and its benchmarks unless others or ``paths`` are selected.

        Raises ``UserError`` for a model that is not in the run.
        """
        for model in settings.models:
            if model.name not in self.models:
                names = ", ".join(self.models)
                raise UserError(f"--llm-replay: {self.folder} has no model {model.name!r}; it has {names}")
        if self.outputs_sha256 is not None and not (settings.benchmarks or paths):
            raise UserError(
                f"--llm-replay: {self.folder.name} does not say which benchmark its outputs answer; "
                "give --llm-benchmark=NAME"
            )
        models = [model.name for model in settings.models] or list(self.models)
        return replace(
            settings,
            benchmarks=settings.benchmarks or (() if paths else tuple(self.conditions)),
            models=tuple(
                ModelConfig(name=name, backend="replay", system=self.systems.get(name)) for name in models
            ),
            mode=self.mode,
            shots=self.shots,
            split=self.split if self.outputs_sha256 is None else settings.split,
            repeats=None,
            circular=self.circular,
            shuffle_choices=self.shuffle_choices,
            no_cache=settings.no_cache or settings.judge is None,
        )

    def settings_of(self, benchmark: str, settings: Settings) -> Settings:
        """The settings with which the run asked ``benchmark``; ``settings`` if it did not."""
        conditions = self.conditions.get(benchmark)
        if conditions is None or source_of(benchmark).fixes_conditions:
            return settings
        return replace(
            settings,
            mode=_known_mode(conditions.mode),
            shots=conditions.shots,
            split=conditions.split,
            shuffle_choices=conditions.shuffle_choices,
        )

    def asker(
        self,
        config: ModelConfig,
        engine: Engine,
        suites: Mapping[str, Suite],
        report_waiting: Callable[[str], None],
        judge: Callable[[], Judge] | None,
    ) -> Asker:
        """Create the asker that answers a model's questions from the run."""
        return ReplayAsker(config, engine, suites, report_waiting, judge, self.answers.get(config.name, {}))


def _known_mode(mode: str) -> Mode:
    """Raises ``UserError`` for a mode that this version does not know."""
    known = next((name for name in MODES if name == mode), None)
    if known is None:
        raise UserError(f"--llm-replay: the run has an unknown mode {one_line(mode, 40)!r}")
    return known


def _benchmark_options(command: str) -> list[str]:
    """The options of a command that name benchmarks."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    option = "--llm-benchmark"
    pairs = zip(words, [*words[1:], ""], strict=True)
    values = [
        next_word if word == option else word.removeprefix(option + "=")
        for word, next_word in pairs
        if word == option or word.startswith(option + "=")
    ]
    return [f"{option}={shlex.quote(value)}" for value in values]


class ReplayedModel:
    """A stand-in for a model of an earlier run: it has the model's identity, and answers no request."""

    window = 1

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def check(self) -> None:
        """Do nothing: there is nothing to check."""

    def identity(self) -> str:
        """The identity of the model that answered."""
        return self._identity

    def run(self, jobs: Jobs) -> None:
        """Raises ``ModelUnusable``: only a run's own questions can be replayed."""
        raise ModelUnusable("--llm-replay: only the questions of the earlier run have answers")


class ReplayAsker(Asker):
    """Answers questions from an earlier run; sends answers without a judgement to the judge."""

    def __init__(
        self,
        config: ModelConfig,
        engine: Engine,
        suites: Mapping[str, Suite],
        report_waiting: Callable[[str], None],
        judge: Callable[[], Judge] | None,
        answers: Mapping[Key, Record],
    ) -> None:
        super().__init__(config, engine, suites, report_waiting, judge)
        self._answers = answers

    @property
    def window(self) -> int:
        """The number of answers to send to the judge ahead."""
        if self._judge is None or all(suite.judge_prompt is None for suite in self._suites.values()):
            return super().window
        return -(-self._judge().window // self.most_repeats)

    def ask_ahead(self, questions: Sequence[Question], start: Attempt | None = None) -> None:
        """Send answers without a judgement to the judge."""
        start = start or Attempt()
        for question in questions:
            suite = self._suites[question.benchmark]
            case = suite.judge_case(question)
            if case is None or self._judge is None:
                continue
            for repeat in self._repeats_from(question, start):
                key = question.id, repeat, start.rotation
                record = self._record(question, key)
                if record is None or key in self._pending or self._earlier_judgement(question, key):
                    continue
                completion = _completion(record)
                answer = self.answer_to_judge(suite, question, completion)
                if answer is not None and completion.error is None:
                    self._pending[key] = self._judge().submit(case, answer)

    def respond(self, question: Question, attempt: Attempt, *, extract: bool) -> Response:
        """The response of the earlier run; its answer is extracted again. Raises ``RequestFailed``."""
        record = self._record(question, self._key(question, attempt), attempt.test)
        if record is None:
            raise RequestFailed("the earlier run did not ask this question", attempts=0)
        completion = _completion(record)
        if self._suites[question.benchmark].reorders and completion.scores:
            # records have the file's labels: restore the labels that the model saw
            order = self._order(question, attempt)
            labels = {label: shown for shown, label in original(question, order).items()}
            scores = {labels.get(label, label): score for label, score in completion.scores.items()}
            completion = replace(completion, scores=scores)
        return self._make_response(question, attempt, None, completion, extract)

    def _record(self, question: Question, key: Key, test: str | None = None) -> Record | None:
        """The earlier record, of the same test if possible; a file of outputs may have keys for ids."""
        of_test = f"{question.benchmark}/{test}/{question.subject}/{question.key}"
        ids = (of_test, question.id, question.key)
        records = (self._answers.get((id, *key[1:])) for id in ids)
        return next((record for record in records if record is not None), None)

    def _judgement(self, question: Question, attempt: Attempt, response: Response) -> Judgement | None:
        earlier = self._earlier_judgement(question, self._key(question, attempt), attempt.test)
        if earlier is not None or response.answer is None:
            return earlier
        if self._judge is None:
            raise RequestFailed("the earlier run has no judgement of this answer", attempts=0)
        return super()._judgement(question, attempt, response)

    def _earlier_judgement(self, question: Question, key: Key, test: str | None = None) -> Judgement | None:
        """The earlier run's judgement if it is still valid; None for an error that a judge can retry."""
        record = self._record(question, key, test)
        judgement = None if record is None else record.judgement
        if judgement is None or not self._suites[question.benchmark].judged_before:
            return None
        if judgement.error is not None and self._judge is not None:
            return None
        return replace(judgement, cached=True)


def _completion(record: Record) -> Completion:
    """A record's completion, marked as cached."""
    error = record.completion.error
    if record.judgement is not None and record.judgement.error is not None:
        error = None  # the judge failed: the answer itself is valid
    error = error or record.completion.scores_problem  # an earlier version did not make it an error
    return replace(record.completion, cached=True, error=error)


@dataclass(slots=True)
class _Conditions:
    """The conditions of a run, whose benchmarks must not differ in ``circular``.

    ``mixed`` are benchmarks with several conditions, which no run has.
    """

    models: dict[str, str] = field(default_factory=dict)
    systems: dict[str, str | None] = field(default_factory=dict)
    by_benchmark: dict[str, EvalConditions] = field(default_factory=dict)
    protocols: set[tuple[str, int | None, str | None]] = field(default_factory=set)
    circular: set[bool] = field(default_factory=set)
    seeds: set[int | None] = field(default_factory=set)
    mixed: set[str] = field(default_factory=set)

    def add(self, result: Mapping[str, Any]) -> None:
        conditions = EvalConditions.from_json(result)
        test = result.get("test")
        benchmark = base_name(str(result["benchmark"]), None if test is None else str(test))
        self.models[str(result["model"])] = str(result["identity"])
        self.systems[str(result["model"])] = conditions.system
        conditions = replace(conditions, system=None)
        if self.by_benchmark.setdefault(benchmark, conditions) != conditions:
            self.mixed.add(benchmark)
        self.circular.add(conditions.circular)
        self.seeds.add(conditions.shuffle_choices)
        if not source_of(benchmark).fixes_conditions:
            self.protocols.add((conditions.mode, conditions.shots, conditions.split))


def read_replay(name: str, reports_dir: Path, start: Path) -> Replay:
    """Read the run called ``name``: a folder, its results.json, or a run's name in ``reports_dir``.

    ``name`` may also be a JSONL file of outputs (``outputs.py``). Raises ``UserError`` for an unfinished run,
    or one of whose benchmarks only some are circular.
    """
    path = start / expanded(name)
    if is_outputs_file(path) and path.name != QUESTIONS:
        return _replay_outputs(path)
    folder = find_run(name, reports_dir, start, f"--llm-replay={name}")
    conditions = _Conditions()
    try:
        content = read_results(folder, "--llm-replay")
        command = str(content.get("run", {}).get("command", ""))
        for result in content["results"]:
            conditions.add(result)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(folder / RESULTS, "--llm-replay", error) from None
    protocols = conditions.protocols or {(MODES[0], None, None)}
    if conditions.mixed:
        names = one_line(", ".join(sorted(conditions.mixed)), 80)
        raise UserError(
            f"--llm-replay: {folder} asked {names} with different settings, which no run does; "
            "give the folder as the run left it"
        )
    if len(conditions.circular) > 1:
        raise UserError(
            f"--llm-replay: {folder} asked only some of its benchmarks in circular order, "
            "which cannot be replayed in one run"
        )
    # for benchmarks that the run did not ask
    mode, shots, split = next(iter(protocols))
    if len(protocols) > 1:
        shots = split = None
    circular = True in conditions.circular
    seed = next(iter(conditions.seeds)) if len(conditions.seeds) == 1 else None
    known_mode = _known_mode(mode)
    answers = _answers(folder)
    repeats = 1 + max((repeat for records in answers.values() for _, repeat, _ in records), default=0)
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
        command=command,
        systems=conditions.systems,
    )


def _replay_outputs(path: Path) -> Replay:
    records, sha256 = read_outputs(path)
    answers = {
        model: {(record.id, record.repeat, 0): record for record in rows} for model, rows in records.items()
    }
    identities = dict.fromkeys(answers, f"outputs in {path.name}")
    repeats = 1 + max(record.repeat for rows in records.values() for record in rows)
    return Replay(path, MODES[0], 0, None, identities, {}, answers, repeats, outputs_sha256=sha256)


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
            records = answers.setdefault(record.model, {})
            for rotation, rotation_record in enumerate(record.rotations or (record,)):
                # a test of another name, or of another run, takes the answer of any test
                for id in (record.id, record.question_id):
                    records[id, record.repeat, rotation] = rotation_record
    return answers
