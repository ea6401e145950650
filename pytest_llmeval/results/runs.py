"""Finished runs, read again: how each model was asked, and what became of each question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llmeval.analysis.compare import Answer, Comparison, Side, Way, compare, counterpart
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.judge_usage import info_of
from pytest_llmeval.results.question_log import QUESTIONS, read_questions
from pytest_llmeval.results.run_folder import RESULTS, find_run
from pytest_llmeval.results.summary import BenchmarkInfo, Entry

_MODEL_SIGN = "::"


@dataclass(frozen=True, slots=True)
class Asked:
    """One model on one benchmark, as a run's results.json has it; ``groups`` map names to subjects."""

    model: str
    identity: str
    benchmark: str
    way: Way
    groups: Mapping[str, tuple[str, ...]]
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run without its questions. ``told`` is how the user named it, for messages."""

    told: str
    folder: Path
    complete: bool
    asked: tuple[Asked, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order of the results."""
        return tuple(dict.fromkeys(one.model for one in self.asked))

    def of(self, benchmark: str) -> tuple[Asked, ...]:
        """All models on one benchmark."""
        return tuple(one for one in self.asked if one.benchmark == benchmark)

    def counterpart(self, model: str, benchmark: str | None = None) -> str | None:
        """The model that ``model`` is to be compared with; None where it did not answer the benchmark.

        Raises ``UserError`` where it is not clear which.
        """
        models = self.models
        found = counterpart(model, models)
        if found is None:
            raise UserError(
                f"{self.told}: {self.name} has no model {model!r}, but {', '.join(models)}; "
                f"say which: RUN{_MODEL_SIGN}MODEL"
            )
        has = benchmark is None or any(one.model == found for one in self.of(benchmark))
        return found if has else None

    def check(self, benchmark: str, way: Way) -> None:
        """Look whether what is asked of a benchmark ``way`` can be compared with this run.

        Raises ``UserError`` with what is not the same.
        """
        for one in self.of(benchmark):
            if one.way.differences(way):
                raise _not_comparable(benchmark, self, self.name, (one.way, way), "--llm-baseline-force")

    def side(self, model: str, benchmark: str, answers: Mapping[str, Answer]) -> Side:
        """One model's answers, for ``compare``."""
        (asked,) = (one for one in self.of(benchmark) if one.model == model)
        return Side(self.name, model, asked.identity, asked.way, answers)


def _not_comparable(benchmark: str, run: Run, told: str, ways: tuple[Way, Way], option: str) -> UserError:
    """That ``run`` asked or scored a benchmark otherwise, as one line; ``ways`` are its and the later one."""
    was, now = ways
    differences = was.differences(now)
    scored = differences == was.scored_otherwise(now)
    anew = f"--llm-replay={run.name} scores its answers anew; " if scored else ""
    return UserError(
        f"{benchmark} cannot be compared with {told}: {'; '.join(differences)} "
        f"({anew}{option} does it all the same)"
    )


def read_run(given: str, reports_dir: Path, start: Path, option: str) -> Run:
    """The run that ``given`` names: a folder, its results.json, a run's name or ``latest``.

    ``RUN::MODEL`` leaves only that model of it. ``option`` is how the user gave it, for messages.
    Raises ``UserError`` for what is no finished run.
    """
    name, sign, model = given.partition(_MODEL_SIGN)
    told = f"{option}={one_line(given, 120)}" if option.startswith("-") else one_line(given, 120)
    folder = find_run(name, reports_dir, start, told)
    try:
        content = json.loads((folder / RESULTS).read_text("utf-8"))
        asked = tuple(_asked(result) for result in content["results"])
        complete = bool(content["run"]["complete"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{told}: {folder / RESULTS} cannot be read ({type(error).__name__}); is it a finished run?"
        ) from None
    if sign:
        models = dict.fromkeys(one.model for one in asked)
        if model not in models:
            raise UserError(f"{told}: {folder} has no model {model!r}; it has {', '.join(models)}")
        asked = tuple(one for one in asked if one.model == model)
    if not asked:
        raise UserError(f"{told}: {folder} has no results")
    return Run(told, folder, complete, asked)


def _asked(result: Mapping[str, Any]) -> Asked:
    return Asked(
        model=str(result["model"]),
        identity=str(result["identity"]),
        benchmark=str(result["benchmark"]),
        way=read_way(result),
        # runs of before groups named their subjects have none to compare by
        groups={
            str(name): tuple(map(str, group.get("subjects", ()))) for name, group in result["groups"].items()
        },
        subjects=tuple(map(str, result["subjects"])),
    )


def read_way(result: Mapping[str, Any]) -> Way:
    """How a result of results.json was asked. Raises what wrong content does: KeyError, TypeError, ..."""
    scoring = result.get("scoring")
    return Way(
        mode=str(result["mode"]),
        split=str(result["split"]),
        shots=int(result["shots"]),
        prompt_sha256=str(result["prompt_sha256"]),
        data_sha256=str(result["data_sha256"]),
        judge=_judge(result),
        scoring=None if scoring is None else dict(scoring.items()),
        circular=result.get("circular") is not None,
        shuffle=result.get("shuffle_choices"),
    )


def _judge(result: Mapping[str, Any]) -> str | None:
    judge = info_of(result.get("judge"))
    return None if judge is None else judge.way


def read_answers(run: Run) -> dict[tuple[str, str], dict[str, Answer]]:
    """What became of each question, by (model, benchmark) and id. Raises ``UserError``."""
    rows: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    path = run.folder / QUESTIONS
    try:
        for row in read_questions(path):
            wanted = ("outcome", "target", "subject", "nodeid", "cluster", "repeat")
            kept = {name: row.get(name) for name in wanted}
            of = rows.setdefault((str(row["model"]), str(row["benchmark"])), {})
            of.setdefault(str(row["id"]), []).append(kept)
        return {key: {id: _answer(id, times) for id, times in found.items()} for key, found in rows.items()}
    except OSError as error:
        raise UserError(f"{run.told}: {path} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{run.told}: {path}: a line is no answer to a question ({type(error).__name__})"
        ) from None


def _answer(id: str, lines: list[dict[str, Any]]) -> Answer:
    # of several lines for the same time the last holds, as in the results
    times = {line["repeat"] or 0: line for line in lines}
    last = lines[-1]
    cluster = last["cluster"]
    return Answer.of(
        id,
        str(last["subject"]),
        str(last["nodeid"]),
        ((Outcome(line["outcome"]), line["target"] is not None) for line in times.values()),
        None if cluster is None else str(cluster),
    )


def answers_of(entries: Iterable[Entry]) -> dict[tuple[str, str], dict[str, Answer]]:
    """What became of the questions of the run that is going on, as ``read_answers`` has it."""
    found: dict[tuple[str, str], dict[str, Answer]] = {}
    for entry in entries:
        outcomes = ((outcome, entry.gold) for outcome in entry.times)
        answer = Answer.of(entry.id, entry.subject, entry.nodeid, outcomes, entry.cluster)
        found.setdefault((entry.model, entry.benchmark), {})[entry.id] = answer
    return found


def way_of(info: BenchmarkInfo) -> Way:
    """How a benchmark is asked."""
    return Way(
        info.mode,
        info.split,
        info.shots,
        info.prompt_sha256,
        info.data_sha256,
        info.scoring,
        info.circular,
        info.shuffle_choices,
        None if info.judge is None else info.judge.way,
    )


def compare_runs(before: Run, after: Run, *, force: bool) -> tuple[list[Comparison], list[str]]:
    """The comparisons of two finished runs, and what is to be said about what was left out.

    Raises ``UserError`` where they are not comparable (unless ``force``) or have nothing in common.
    """
    notes = [f"{run.told} is an incomplete run" for run in (before, after) if not run.complete]
    wanted = []
    for asked in after.asked:
        model = before.counterpart(asked.model, asked.benchmark)
        if model is None:
            notes.append(f"{before.told} has no {asked.benchmark} of a model to compare {asked.model} with")
            continue
        (was,) = (one for one in before.of(asked.benchmark) if one.model == model)
        if was.way.differences(asked.way) and not force:
            raise _not_comparable(asked.benchmark, before, before.told, (was.way, asked.way), "--force")
        wanted.append((was, asked))
    if not wanted:
        raise UserError(f"{before.told} and {after.told} have no benchmark and model in common")
    old, new = read_answers(before), read_answers(after)
    found = [
        compare(
            asked.benchmark,
            before.side(was.model, asked.benchmark, old.get((was.model, asked.benchmark), {})),
            after.side(asked.model, asked.benchmark, new.get((asked.model, asked.benchmark), {})),
            asked.groups,
            asked.subjects,
        )
        for was, asked in wanted
    ]
    return found, notes
