"""Read finished runs: the conditions of each model, and the outcome of each question."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from pytest_llmeval.analysis.compare import Answer, Comparison, Side, compare, counterpart
from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.benchmark_info import base_name
from pytest_llmeval.results.question_log import QUESTIONS, read_records
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.run_folder import RESULTS, find_run, read_results, unreadable

_MODEL_SEPARATOR = "::"
#: by model and benchmark: the answers by question
Answers: TypeAlias = Mapping[tuple[str, str], Mapping[str, Answer]]


class NamedResult(Protocol):
    """What names a result of this run or an earlier one; see ``RunResult``."""

    @property
    def model(self) -> str: ...
    @property
    def benchmark(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def test(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class RunResult:
    """One model on one benchmark, from a run's results.json; ``groups`` maps names to subjects.

    ``test`` is the test function, if several asked the benchmark; it is then part of the name ``benchmark``.
    """

    model: str
    identity: str
    benchmark: str
    conditions: EvalConditions
    groups: Mapping[str, tuple[str, ...]]
    subjects: tuple[str, ...]
    test: str | None = None

    @property
    def base(self) -> str:
        """The benchmark's own name."""
        return base_name(self.benchmark, self.test)

    @classmethod
    def from_json(cls, result: Mapping[str, Any]) -> RunResult:
        """A result of results.json. Raises KeyError, TypeError, ValueError or AttributeError if invalid."""
        return cls(
            model=str(result["model"]),
            identity=str(result["identity"]),
            benchmark=str(result["benchmark"]),
            conditions=EvalConditions.from_json(result),
            # groups of early versions did not name their subjects
            groups={
                str(name): tuple(map(str, group.get("subjects", ())))
                for name, group in result["groups"].items()
            },
            subjects=tuple(map(str, result["subjects"])),
            test=None if result.get("test") is None else str(result["test"]),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run without its questions. ``source`` is the run as the user typed it, for messages."""

    source: str
    folder: Path
    complete: bool
    results: tuple[RunResult, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order of the results."""
        return tuple(dict.fromkeys(result.model for result in self.results))

    def results_for(self, benchmark: str) -> tuple[RunResult, ...]:
        """The results of all models and tests on one benchmark."""
        return tuple(result for result in self.results if result.base == benchmark)

    def counterpart(self, model: str) -> str:
        """The model to compare ``model`` with. Raises ``UserError`` if that is ambiguous."""
        models = self.models
        earlier = counterpart(model, models)
        if earlier is None:
            raise UserError(
                f"{self.source}: {self.name} has no model {model!r}; it has {', '.join(models)}; "
                f"choose one: RUN{_MODEL_SEPARATOR}MODEL"
            )
        return earlier

    def result_like(
        self, later: NamedResult, others: Collection[NamedResult], function: str, answers: Answers
    ) -> RunResult | None:
        """The result to compare ``later`` with; None if there is none.

        ``function`` is the test function of ``later``, ``others`` are all results of its run, and ``answers``
        those of this run. A test that shares its benchmark with others is compared with the same test.
        """
        model = self.counterpart(later.model)
        candidates = [result for result in self.results_for(later.base) if result.model == model]
        same_name = [result for result in candidates if result.benchmark == later.benchmark]
        if later.test is not None and same_name:
            return same_name[0]
        same_test = [
            result
            for result in candidates
            if function_of(answers.get((model, result.benchmark), {})) == function
        ]
        if len(same_test) == 1:
            return same_test[0]
        alone = sum(other.model == later.model and other.base == later.base for other in others) == 1
        return candidates[0] if alone and len(candidates) == 1 else None

    def check(self, benchmark: str, conditions: EvalConditions, model: str) -> None:
        """Check that a benchmark that ``model`` is asked under ``conditions`` can be compared with this run.

        Raises ``UserError`` with the differences.
        """
        earlier = self.counterpart(model)
        for result in self.results_for(benchmark):
            if result.model == earlier and result.conditions.differences(conditions):
                raise self._not_comparable(result, conditions, self.name, "--llm-baseline-force")

    def side(self, result: RunResult, answers: Answers) -> Side:
        """One result's answers, for ``compare``."""
        own = answers.get((result.model, result.benchmark), {})
        return Side(self.name, result.model, result.identity, result.conditions, own)

    def _not_comparable(self, result: RunResult, later: EvalConditions, name: str, option: str) -> UserError:
        differences = result.conditions.differences(later)
        hint = ""
        if differences == result.conditions.scoring_differences(later):
            hint = f"--llm-replay={self.name} scores its answers again; "
        return UserError(
            f"{result.benchmark} cannot be compared with {name}: {'; '.join(differences)} "
            f"({hint}{option} compares them anyway)"
        )


def read_run(name: str, reports_dir: Path, start: Path, option: str) -> Run:
    """Read the run ``name``: a folder, its results.json, a run's name or ``latest``.

    ``RUN::MODEL`` selects one of its models. ``option`` is where the user named it, for messages.
    Raises ``UserError`` for a run that is not finished.
    """
    run_name, sign, model = name.partition(_MODEL_SEPARATOR)
    source = f"{option}={one_line(name, 120)}" if option.startswith("-") else one_line(name, 120)
    folder = find_run(run_name, reports_dir, start, source)
    content = read_results(folder, source)
    try:
        results = tuple(map(RunResult.from_json, content["results"]))
        complete = bool(content["run"]["complete"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(folder / RESULTS, source, error) from None
    pairs = [(result.model, result.benchmark) for result in results]
    if twice := [pair for pair in dict.fromkeys(pairs) if pairs.count(pair) > 1]:
        shown_model, benchmark = (one_line(name, 60) for name in twice[0])
        raise UserError(
            f"{source}: {folder / RESULTS} has two results of {shown_model} on {benchmark}; "
            "delete one of them, or choose another run"
        )
    if sign:
        models = dict.fromkeys(result.model for result in results)
        if model not in models:
            raise UserError(f"{source}: {folder} has no model {model!r}; it has {', '.join(models)}")
        results = tuple(result for result in results if result.model == model)
    if not results:
        raise UserError(f"{source}: {folder} has no results")
    return Run(source, folder, complete, results)


def read_answers(run: Run) -> dict[tuple[str, str], dict[str, Answer]]:
    """The answers of a run, by (model, benchmark) and question.

    The key of a question is its id without the test, which other runs may not have. Raises ``UserError``.
    """
    questions: dict[tuple[str, str], dict[str, _Lines]] = {}
    path = run.folder / QUESTIONS
    try:
        for record in read_records(path):
            lines = questions.setdefault((record.model, record.benchmark), {})
            lines.setdefault(record.question_id, _Lines()).add(record)
    except OSError as error:
        raise UserError(f"{run.source}: {path} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{run.source}: {path}: a line is not a record ({type(error).__name__})") from None
    return {
        key: {id: question_lines.answer() for id, question_lines in lines.items()}
        for key, lines in questions.items()
    }


@dataclass(slots=True)
class _Lines:
    """The facts of a question's lines that comparisons need; for each repeat the last line counts."""

    id: str = ""
    subject: str = ""
    nodeid: str = ""
    cluster: str | None = None
    outcomes: dict[int, tuple[Outcome, bool]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        self.id, self.subject = record.id, record.subject
        self.nodeid, self.cluster = record.nodeid, record.cluster
        self.outcomes[record.repeat] = record.outcome, record.gold

    def answer(self) -> Answer:
        return Answer.of(self.id, self.subject, self.nodeid, self.outcomes.values(), self.cluster)


def answers_of(records: Iterable[Record]) -> dict[tuple[str, str], dict[str, Answer]]:
    """The answers of the current run, in the form of ``read_answers``."""
    answers: dict[tuple[str, str], dict[str, Answer]] = {}
    for record in records:
        outcomes = ((outcome, record.gold) for outcome in record.outcomes)
        answer = Answer.of(record.id, record.subject, record.nodeid, outcomes, record.cluster)
        answers.setdefault((record.model, record.benchmark), {})[record.question_id] = answer
    return answers


def function_of(answers: Mapping[str, Answer]) -> str:
    """The name of the test function that got these answers; empty if there are none."""
    nodeid = next((answer.nodeid for answer in answers.values()), "")
    return nodeid.partition("[")[0].rpartition("::")[2]


def compare_runs(before: Run, after: Run, *, force: bool) -> tuple[list[Comparison], list[str]]:
    """The comparisons of two finished runs, and notes on what was left out.

    Raises ``UserError`` if they are not comparable (unless ``force``) or have nothing in common.
    """
    notes = [f"{run.source} is incomplete" for run in (before, after) if not run.complete]
    pairs = []
    old, new = read_answers(before), read_answers(after)
    for result in after.results:
        function = function_of(new.get((result.model, result.benchmark), {}))
        earlier = before.result_like(result, after.results, function, old)
        if earlier is None:
            notes.append(
                f"{before.source} has no result on {result.benchmark} to compare {result.model} with"
            )
            continue
        if earlier.conditions.differences(result.conditions) and not force:
            raise before._not_comparable(earlier, result.conditions, before.source, "--force")
        pairs.append((earlier, result))
    if not pairs:
        raise UserError(f"{before.source} and {after.source} have no benchmark and model in common")
    comparisons = [
        compare(
            result.benchmark,
            before.side(earlier, old),
            after.side(result, new),
            result.groups,
            result.subjects,
        )
        for earlier, result in pairs
    ]
    return comparisons, notes
