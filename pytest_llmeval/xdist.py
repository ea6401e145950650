"""Between a controller and its xdist workers: the run's folder out, what was found back.

Records need nothing of this: each rides its item's report. A worker's texts go to a file of its
own in the run's folder, which the controller merges.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmeval.collect import planned
from pytest_llmeval.errors import LLMEvalError, UserError
from pytest_llmeval.fixtures import make_say
from pytest_llmeval.report.folder import write_text
from pytest_llmeval.state import STATE, State

if TYPE_CHECKING:
    from pytest_llmeval.models.serving.process import Running
    from pytest_llmeval.session import Controller
    from pytest_llmeval.types import ModelConfig

_KEY = "llmeval"
_SERVERS = "llmeval_servers"


def run_folder(config: pytest.Config) -> Path:
    """Where a worker writes: the controller said."""
    return Path(getattr(config, "workerinput")[_KEY])  # noqa: B009


def part_name(config: pytest.Config) -> str:
    """The name of this worker's own file of questions."""
    return f"questions.{getattr(config, 'workerinput')['workerid']}.jsonl"  # noqa: B009


def plan_name(worker: str) -> str:
    """The name of the file in which a worker tells, early, what is planned."""
    return f"plan.{worker}.json"


def started_server(config: pytest.Config, model: str) -> Running | None:
    """The server that the controller started for a worker's model, if it did."""
    told = getattr(config, "workerinput", {}).get(_SERVERS, {}).get(model)
    if told is None:
        return None
    from pytest_llmeval.models.serving.process import Running

    return Running(told[0], Path(told[1]))


class ToController:
    """The worker's side."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._state: State = config.stash[STATE]

    @pytest.hookimpl(tryfirst=True)  # before xdist tells the controller that it may look
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is planned (all workers collect the same), also for who tells how far the run is."""
        self._state.planned = planned(session.items, self._state)
        path = run_folder(self._config) / plan_name(self._config.workerinput["workerid"])  # type: ignore[attr-defined]
        with contextlib.suppress(LLMEvalError):  # the folder is on another machine
            write_text(path, json.dumps(self._plan()))

    def _plan(self) -> dict[str, Any]:
        infos = {name: asdict(suite.info) for name, suite in self._state.suites.items()}
        return {"planned": self._state.planned, "infos": infos}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Leave what this worker knows, now that its models are closed, where xdist sends it on."""
        state = self._state
        found = {
            **self._plan(),
            "problems": state.problems,
            "left_out": state.left_out,
            "notes": state.notes,
            "fatal": state.fatal,
        }
        getattr(self._config, "workeroutput")[_KEY] = json.dumps(found)  # noqa: B009


class FromWorkers:
    """The controller's side."""

    def __init__(self, config: pytest.Config, controller: Controller) -> None:
        self._config = config
        self._state: State = config.stash[STATE]
        self._controller = controller
        self._servers: dict[str, tuple[str, str]] = {}

    def pytest_xdist_setupnodes(self) -> None:
        """Start the servers of served models: one for all workers."""
        try:
            for config in self._state.settings.models:
                if config.backend == "serve":
                    self._servers[config.name] = self._start(config)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None

    def _start(self, config: ModelConfig) -> tuple[str, str]:
        from pytest_llmeval.models.served import ServedModel

        def tell(line: str | None) -> None:
            say(f"llmeval: {config.name}: {line}")

        say = make_say(self._config)
        model = ServedModel(config, lambda: self._controller.folder)
        model.check()
        server = model.launch()
        self._config.add_cleanup(server.stop)
        tell(model.status)
        model.await_ready(server, tell)
        return server.running.url, str(server.running.log)

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker, before it starts, where to write."""
        try:
            node.workerinput[_KEY] = str(self._controller.folder)
            node.workerinput[_SERVERS] = self._servers
        except UserError as error:
            raise pytest.UsageError(str(error)) from None

    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Remember the order of the items, for the merged file, and what is planned."""
        self._controller.order = {nodeid: place for place, nodeid in enumerate(ids)}
        path = self._controller.folder / plan_name(node.gateway.id)
        with contextlib.suppress(OSError, ValueError):
            self._take_plan(json.loads(path.read_text("utf-8")))
        path.unlink(missing_ok=True)

    def _take_plan(self, found: dict[str, Any]) -> None:
        from pytest_llmeval.report.summary import BenchmarkInfo

        self._state.planned = self._state.planned or found["planned"]
        for name, info in found["infos"].items():
            info["groups"] = {group: tuple(members) for group, members in info["groups"].items()}
            info["subjects"] = {subject: tuple(names) for subject, names in info["subjects"].items()}
            self._controller.infos.setdefault(name, BenchmarkInfo(**info))

    @pytest.hookimpl(tryfirst=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a finished worker found; a crashed one leaves nothing."""
        sent = getattr(node, "workeroutput", {}).get(_KEY)
        if sent is None:
            return
        found = json.loads(sent)
        state = self._state
        self._take_plan(found)
        for own, theirs in (
            (state.problems, "problems"),
            (state.left_out, "left_out"),
            (state.notes, "notes"),
        ):
            own.extend(line for line in found[theirs] if line not in own)
        state.fatal = state.fatal or found["fatal"]
