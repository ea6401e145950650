"""The messages between the controller and its xdist workers, one type for each direction.

Records are not sent here: each is part of its item's report.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_llmeval.core.errors import LLMEvalError
from pytest_llmeval.plugin.items import asked_question
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
from pytest_llmeval.results.activity import Activity
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.run_folder import write_text

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.models.serving.process import ServerHandle

_KEY = "llmeval"


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """The message from the controller to a worker, sent before the worker starts.

    ``folder`` is the run's folder; the worker writes its part of questions.jsonl there. ``servers`` maps
    each served model to the URL and log of the server that the controller started. ``number`` (from 0) is
    the worker's index among ``workers``. ``steals`` is whether xdist may take queued items back.
    ``names`` maps models to the name in results, and that at the API, which the controller asked for.
    ``suspects`` are the indices of items that this worker sends one at a time, because another worker
    crashed while it had them.
    """

    folder: Path
    worker: str = ""
    number: int = 0
    workers: int = 1
    servers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    steals: bool = False
    suspects: tuple[int, ...] = ()

    @property
    def share(self) -> tuple[int, int]:
        """This worker's number, and the number of workers."""
        return self.number, self.workers

    def named(self, model: ModelConfig) -> ModelConfig:
        """``model`` with the name that the controller found for it, if any."""
        name, target = self.names.get(model.name, (model.name, model.target))
        return replace(model, name=name, target=target)

    @property
    def part_name(self) -> str:
        """The name of this worker's part of questions.jsonl."""
        return f"questions.{self.worker}.jsonl"

    def send(self, node: Any) -> None:
        """Store this message in the values that xdist passes to the worker at its start."""
        node_input(node)[_KEY] = json.dumps(asdict(self), default=str)

    @classmethod
    def of(cls, config: pytest.Config) -> WorkerInput:
        """Read this worker's message; the controller sends none if the session has no model."""
        values = worker_input(config)
        if _KEY not in values:
            return cls(Path(), worker_id(config), workers=worker_count(config))
        content = json.loads(values[_KEY])
        servers = {model: (url, log) for model, (url, log) in content["servers"].items()}
        suspects = tuple(content["suspects"])
        return cls(**{**content, "folder": Path(content["folder"]), "servers": servers, "suspects": suspects})


def find_server(config: pytest.Config, model: str) -> ServerHandle | None:
    """In a worker: the server that the controller started for ``model``; None if there is none."""
    server = WorkerInput.of(config).servers.get(model) if is_worker(config) else None
    if server is None:
        return None
    from pytest_llmeval.models.serving.process import ServerHandle

    return ServerHandle(server[0], Path(server[1]))


class PlannedQuestion(NamedTuple):
    """The facts that the controller needs about an item that asks a question."""

    model: str
    benchmark: str
    subject: str
    id: str
    target: str | None
    cluster: str | None
    test: str | None = None
    first_repeat: int = 0


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    """The message from a worker to the controller, sent after collection and at the worker's end.

    ``items`` has an entry for every item in order (None: an ordinary test); it is empty at the worker's end.
    """

    findings: Findings
    infos: Mapping[str, BenchmarkInfo]
    items: Sequence[PlannedQuestion | None] = ()

    @classmethod
    def of(cls, config: pytest.Config, items: Sequence[pytest.Item] = ()) -> WorkerMessage:
        """Create the message from this worker's session."""
        session = config.stash[SESSION]
        infos = session.names.infos(session.suites)
        return cls(config.stash[FINDINGS], infos, [_planned_question(item, config) for item in items])

    def to_json(self) -> str:
        """Encode the message."""
        infos = {name: info.to_json() for name, info in self.infos.items()}
        return json.dumps({"findings": asdict(self.findings), "infos": infos, "items": self.items})

    @classmethod
    def from_json(cls, text: str) -> WorkerMessage:
        """Decode a message. Raises ValueError, KeyError or TypeError for other content."""
        content = json.loads(text)
        return cls(
            Findings(**content["findings"]),
            {name: BenchmarkInfo.from_json(info) for name, info in content["infos"].items()},
            [None if item is None else PlannedQuestion(*item) for item in content["items"]],
        )

    def send_plan(self, start: WorkerInput) -> None:
        """Send the message before any item runs, as a file: xdist has no channel for this.

        A worker on another machine cannot write the file. The controller then receives the plan when the
        worker ends.
        """
        with contextlib.suppress(LLMEvalError):
            write_text(_plan_file(start.folder, start.worker), self.to_json())

    def send(self, config: pytest.Config) -> None:
        """Send the message when the worker ends."""
        worker_output(config)[_KEY] = self.to_json()

    @classmethod
    def read_plan(cls, node: Any, folder: Path) -> WorkerMessage | None:
        """Read the message that a worker sent after collection; None if there is none."""
        file = _plan_file(folder, node_id(node))
        try:
            return cls.from_json(file.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        finally:
            file.unlink(missing_ok=True)

    @classmethod
    def read(cls, node: Any) -> WorkerMessage | None:
        """Read the message that a worker sent at its end; None if the worker crashed."""
        text = node_output(node).get(_KEY)
        return None if text is None else cls.from_json(text)


class WorkerActivity:
    """What a worker's model is doing, sent while the worker's test waits for it.

    The message is a file in the run's folder, as the plan is. A worker on another machine cannot write it, so
    the controller does not know what that worker waits for.
    """

    @staticmethod
    def send(activity: Activity, start: WorkerInput) -> None:
        """Replace the worker's message by this one."""
        with contextlib.suppress(LLMEvalError):
            write_text(_activity_file(start.folder, start.worker), json.dumps(asdict(activity)))

    @staticmethod
    def read(folder: Path, max_age_s: float) -> Activity | None:
        """The activity of all workers whose message is not older; None if there are none."""
        activities = []
        for file in sorted(folder.glob(_activity_file(folder, "*").name)):
            with contextlib.suppress(OSError, ValueError, TypeError):
                if time.time() - file.stat().st_mtime <= max_age_s:
                    activities.append(Activity(**json.loads(file.read_text("utf-8"))))
        return Activity.of_processes(activities)

    @staticmethod
    def remove(folder: Path) -> None:
        """Remove all messages."""
        for file in folder.glob(_activity_file(folder, "*").name):
            file.unlink(missing_ok=True)


def _activity_file(folder: Path, worker: str) -> Path:
    return folder / f"activity.{worker}.json"


def _plan_file(folder: Path, worker: str) -> Path:
    return folder / f"plan.{worker}.json"


def _planned_question(item: pytest.Item, config: pytest.Config) -> PlannedQuestion | None:
    asked = asked_question(item, config.stash[SESSION])
    if asked is None:
        return None
    question = asked.question
    return PlannedQuestion(
        model=asked.model,
        benchmark=asked.result.name,
        subject=question.subject,
        id=asked.id,
        target=question.answer,
        cluster=question.cluster,
        test=asked.test,
        first_repeat=asked.first_repeat,
    )
