"""An earlier run's completions, to be read and judged again without any model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pytest_llmeval.analysis.compare import Way
from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import Settings
from pytest_llmeval.core.errors import ModelUnusable, UserError
from pytest_llmeval.core.types import MODES, Completion, Judgement, Mode
from pytest_llmeval.lm_eval.names import is_task
from pytest_llmeval.models.base import Jobs
from pytest_llmeval.results.judge_usage import JudgeInfo, info_of
from pytest_llmeval.results.question_log import QUESTIONS, read_questions
from pytest_llmeval.results.run_folder import RESULTS, find_run
from pytest_llmeval.results.runs import read_way, way_of
from pytest_llmeval.results.summary import BenchmarkInfo

_AGAIN = (
    *("text", "reasoning", "finish_reason", "prompt_tokens", "completion_tokens", "shared_tokens"),
    *("latency_s", "queue_s", "batch_s", "first_token_s", "attempts", "dropped_shots", "prompt", "error"),
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run as it was: how it asked, the identity of each model, and what came back.

    ``completions`` are by model, and then by question id, repeat and rotation; so are ``judgements``.
    ``ways`` and ``judges`` are by benchmark.
    """

    folder: Path
    mode: Mode
    shots: int | None
    split: str | None
    benchmarks: tuple[str, ...]
    models: Mapping[str, str]
    completions: Mapping[str, Mapping[tuple[str, int, int], Completion]]
    repeats: int = 1
    ways: Mapping[str, Way] = field(default_factory=dict)
    circular: bool = False
    shuffle_choices: int | None = None
    judges: Mapping[str, JudgeInfo] = field(default_factory=dict)
    judgements: Mapping[str, Mapping[tuple[str, int, int], Judgement]] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[str]:
        """The questions that were asked of any model."""
        return frozenset(id for of_model in self.completions.values() for id, *_ in of_model)

    def asked_as(self, info: BenchmarkInfo) -> tuple[BenchmarkInfo, tuple[str, ...]]:
        """``info`` with the prompts that the answers are to, and what is said of other scoring or data."""
        way = self.ways.get(info.name)
        if way is None:
            return info, ()
        now = way_of(info)
        told = list(way.scored_otherwise(now))
        if way.data_sha256 != now.data_sha256:
            told.append("other data (data_sha256)")
        said = (f"{info.name}: not scored as in {self.folder.name}: {'; '.join(told)}",) if told else ()
        return replace(info, prompt_sha256=way.prompt_sha256), said

    def model(self, name: str) -> ReplayedModel:
        """What stands in the place of one of the run's models."""
        return ReplayedModel(self.models[name])

    def settings(self, given: Settings, *, paths: bool) -> Settings:
        """``given``, asking as the run asked; and what it asked, unless benchmarks or ``paths`` are given.

        Raises ``UserError`` for a model that the run did not have.
        """
        for model in given.models:
            if model.name not in self.models:
                had = ", ".join(self.models)
                raise UserError(f"--llm-replay: {self.folder} has no model {model.name!r}; it has {had}")
        names = [model.name for model in given.models] or list(self.models)
        return replace(
            given,
            benchmarks=given.benchmarks or (() if paths else self.benchmarks),
            models=tuple(ModelConfig(name=name, backend="replay") for name in names),
            mode=self.mode,
            shots=self.shots,
            split=self.split,
            repeats=self.repeats,
            circular=self.circular,
            shuffle_choices=self.shuffle_choices,
            no_cache=given.no_cache or given.judge is None,
        )


class ReplayedModel:
    """In the place of a model: it says who it was, and can be asked nothing."""

    window = 1

    def __init__(self, was: str) -> None:
        self._was = was

    def check(self) -> None:
        """Nothing can be wrong with it."""

    def identity(self) -> str:
        """That of the model that answered."""
        return self._was

    def run(self, jobs: Jobs) -> None:
        """Raises ``ModelUnusable``: only a run's own questions can be replayed."""
        raise ModelUnusable("--llm-replay: only the questions of the earlier run have answers")


def read(given: str, reports_dir: Path, start: Path) -> Earlier:
    """The run that ``given`` names: a folder, its results.json, or the name of one in ``reports_dir``.

    Raises ``UserError`` for what is no finished run of one mode.
    """
    folder = find_run(given, reports_dir, start, f"--llm-replay={given}")
    try:
        results = json.loads((folder / RESULTS).read_text("utf-8"))["results"]
        # how a task is asked is its own affair
        ways = {
            (result["mode"], result["shots"], result["split"])
            for result in results
            if not is_task(result["benchmark"])
        } or {(MODES[0], None, None)}
        models = {str(result["model"]): str(result["identity"]) for result in results}
        orders = {(result.get("circular") is not None, result.get("shuffle_choices")) for result in results}
        judges = {
            str(result["benchmark"]): judge
            for result in results
            if (judge := info_of(result.get("judge"))) is not None
        }
        benchmarks = {str(result["benchmark"]): read_way(result) for result in results}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"--llm-replay: {folder / RESULTS} cannot be read ({type(error).__name__}); is it a finished run?"
        ) from None
    if len({way[:2] for way in ways}) != 1 or len({way[2] for way in ways}) != 1 or len(orders) != 1:
        raise UserError(
            f"--llm-replay: {folder} asked its benchmarks in different ways; "
            "that cannot be replayed in one run"
        )
    ((mode, shots, split),) = ways
    ((circular, seed),) = orders
    if mode not in MODES:
        raise UserError(f"--llm-replay: {folder / RESULTS} has an unknown mode")
    completions = _completions(folder)
    repeats = 1 + max((repeat for of in completions.values() for _, repeat, _ in of), default=0)
    return Earlier(
        folder,
        mode,
        shots,
        split,
        tuple(benchmarks),
        models,
        completions,
        repeats,
        benchmarks,
        circular,
        seed,
        judges,
        _judgements(folder),
    )


def _completions(folder: Path) -> dict[str, dict[tuple[str, int, int], Completion]]:
    found: dict[str, dict[tuple[str, int, int], Completion]] = {}
    for row in read_questions(folder / QUESTIONS):
        try:
            of_model = found.setdefault(str(row["model"]), {})
            for rotation, asked in enumerate(row.get("rotations") or (row,)):
                of_model[str(row["id"]), int(row.get("repeat", 0)), rotation] = _completion(asked)
        except (TypeError, ValueError, AttributeError):
            raise UserError(
                f"--llm-replay: {folder / QUESTIONS}: the line of {row['id']!r} is no answer"
            ) from None
    return found


def _judgements(folder: Path) -> dict[str, dict[tuple[str, int, int], Judgement]]:
    """What the run's judge said of each answer."""
    found: dict[str, dict[tuple[str, int, int], Judgement]] = {}
    names = {one.name for one in fields(Judgement)}
    for row in read_questions(folder / QUESTIONS):
        told = row.get("judgement")
        if isinstance(told, dict):
            kept = {name: value for name, value in told.items() if name in names}
            try:
                judgement = Judgement(**{**kept, "cached": True})
            except TypeError:
                raise UserError(
                    f"--llm-replay: {folder / QUESTIONS}: the line of {row['id']!r} has no judgement"
                ) from None
            of_model = found.setdefault(str(row["model"]), {})
            of_model[str(row["id"]), int(row.get("repeat", 0)), 0] = (
                judgement  # never asked in several orders
            )
    return found


def _completion(row: Mapping[str, Any]) -> Completion:
    """What came back, as the line has it; a score that JSON could not hold was minus infinity."""
    scores = {
        str(label): -math.inf if score is None else float(score)
        for label, score in (row.get("scores") or {}).items()
    }
    told = {name: row[name] for name in _AGAIN if row.get(name) is not None}
    if (row.get("judgement") or {}).get("error") is not None:
        told.pop("error", None)  # the judge's: the answer is there, to be judged again
    return Completion(
        **told,
        scores=scores,
        greedy=dict(row.get("greedy") or {}),
        notes=tuple(row.get("notes") or ()),
        cached=True,
        parts=tuple(map(_completion, row.get("parts") or ())),
    )
