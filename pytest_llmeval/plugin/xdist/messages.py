"""What a controller and its xdist workers send each other: one message each way.

Records need none of this: each rides its item's report.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_llmeval.core.errors import LLMEvalError
from pytest_llmeval.plugin.items import model_of, question_of
from pytest_llmeval.plugin.pytest_internals import (
    is_worker,
    node_id,
    node_input,
    node_output,
    worker_count,
    worker_id,
    worker_input,
    worker_output,
)
from pytest_llmeval.plugin.state import FINDINGS, SESSION, Findings
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.run_folder import write_text

if TYPE_CHECKING:
    from pytest_llmeval.models.serving.process import Running

_KEY = "llmeval"


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """What the controller sends a worker before it starts.

    ``folder`` is the run's folder, in which the worker writes its part of questions.jsonl; ``servers`` are
    the URL and log of each served model, which the controller has started. ``number`` is the worker's own,
    from 0, of ``workers``. ``steals`` is whether xdist may take queued items back. ``suspects`` are the
    indices of items that this worker asks one by one: a worker died that asked them together.
    """

    folder: Path
    worker: str = ""
    number: int = 0
    workers: int = 1
    servers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    steals: bool = False
    suspects: tuple[int, ...] = ()

    @property
    def share(self) -> tuple[int, int]:
        """This worker's number and how many there are."""
        return self.number, self.workers

    @property
    def part_name(self) -> str:
        """The name of this worker's part of questions.jsonl."""
        return f"questions.{self.worker}.jsonl"

    def send(self, node: Any) -> None:
        """Leave it where xdist takes it from when it starts the worker."""
        node_input(node)[_KEY] = json.dumps(asdict(self), default=str)

    @classmethod
    def of(cls, config: pytest.Config) -> WorkerInput:
        """What this worker was sent; without a model to ask, the controller sends nothing."""
        values = worker_input(config)
        if _KEY not in values:
            return cls(Path(), worker_id(config), workers=worker_count(config))
        content = json.loads(values[_KEY])
        servers = {model: (url, log) for model, (url, log) in content["servers"].items()}
        suspects = tuple(content["suspects"])
        return cls(**{**content, "folder": Path(content["folder"]), "servers": servers, "suspects": suspects})


def started_server(config: pytest.Config, model: str) -> Running | None:
    """The server that the controller started for a worker's model, if it did."""
    server = WorkerInput.of(config).servers.get(model) if is_worker(config) else None
    if server is None:
        return None
    from pytest_llmeval.models.serving.process import Running

    return Running(server[0], Path(server[1]))


class PlannedQuestion(NamedTuple):
    """What the controller must know of an item that asks a question."""

    model: str
    benchmark: str
    subject: str
    id: str
    target: str | None
    cluster: str | None


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    """What a worker sends the controller: after collection, and once more at its end.

    ``items`` are all items in order, None for those that are no questions; only after collection.
    """

    findings: Findings
    infos: Mapping[str, BenchmarkInfo]
    items: Sequence[PlannedQuestion | None] = ()

    @classmethod
    def of(cls, config: pytest.Config, items: Sequence[pytest.Item] = ()) -> WorkerMessage:
        """What this worker knows now."""
        session = config.stash[SESSION]
        infos = {name: suite.info for name, suite in session.suites.items()}
        return cls(config.stash[FINDINGS], infos, [_planned(item, config) for item in items])

    def to_json(self) -> str:
        """As it is sent."""
        infos = {name: info.to_json() for name, info in self.infos.items()}
        return json.dumps({"findings": asdict(self.findings), "infos": infos, "items": self.items})

    @classmethod
    def from_json(cls, text: str) -> WorkerMessage:
        """As it was sent. Raises ValueError, KeyError or TypeError for other content."""
        content = json.loads(text)
        return cls(
            Findings(**content["findings"]),
            {name: BenchmarkInfo.from_json(info) for name, info in content["infos"].items()},
            [None if item is None else PlannedQuestion(*item) for item in content["items"]],
        )

    def send_plan(self, start: WorkerInput) -> None:
        """Send it before any item runs: as a file, for xdist has no channel for that.

        A worker on another machine cannot write the file; the controller then has the plan at its end.
        """
        with contextlib.suppress(LLMEvalError):
            write_text(_plan_file(start.folder, start.worker), self.to_json())

    def send(self, config: pytest.Config) -> None:
        """Send it at the worker's end."""
        worker_output(config)[_KEY] = self.to_json()

    @classmethod
    def received_plan(cls, node: Any, folder: Path) -> WorkerMessage | None:
        """What a worker sent after collection."""
        file = _plan_file(folder, node_id(node))
        try:
            return cls.from_json(file.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        finally:
            file.unlink(missing_ok=True)

    @classmethod
    def received(cls, node: Any) -> WorkerMessage | None:
        """What a worker sent at its end; None of one that crashed."""
        text = node_output(node).get(_KEY)
        return None if text is None else cls.from_json(text)


def _plan_file(folder: Path, worker: str) -> Path:
    return folder / f"plan.{worker}.json"


def _planned(item: pytest.Item, config: pytest.Config) -> PlannedQuestion | None:
    question = question_of(item)
    if question is None:
        return None
    model = model_of(item, config.stash[SESSION])
    return PlannedQuestion(
        model, question.benchmark, question.subject, question.id, question.answer, question.cluster
    )
