"""Between a controller and its xdist workers: the run's folder out, what was found back.

Records need nothing of this: each rides its item's report. A worker's texts go to a file of its
own in the run's folder, which the controller merges.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmeval.core.errors import LLMEvalError, UserError
from pytest_llmeval.core.types import Completion, Outcome, Record
from pytest_llmeval.models import worker_resources
from pytest_llmeval.plugin.collect import find_benchmark, model_of, planned, question_of
from pytest_llmeval.plugin.recorder import named, scalars
from pytest_llmeval.plugin.state import STATE, WORKER_NUMBER, State
from pytest_llmeval.results.run_folder import write_text
from pytest_llmeval.runtime.pool import make_say

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.models.serving.process import Running
    from pytest_llmeval.plugin.session import Controller
    from pytest_llmeval.plugin.xdist.scheduler import SliceScheduling
    from pytest_llmeval.plugin.xdist.slices import Key

_KEY = "llmeval"
_SERVERS = "llmeval_servers"
_STEALS = "llmeval_steals"
_SUSPECTS = "llmeval_suspects"
#: the part of questions.jsonl that the controller writes; after those of all workers by name
_PART = "questions.gwx.jsonl"
_FURTHEST = 4096


def run_folder(config: pytest.Config) -> Path:
    """Where a worker writes: the controller said."""
    return Path(getattr(config, "workerinput")[_KEY])  # noqa: B009


def part_name(config: pytest.Config) -> str:
    """The name of this worker's own file of questions."""
    return f"questions.{getattr(config, 'workerinput')['workerid']}.jsonl"  # noqa: B009


def plan_name(worker: str) -> str:
    """The name of the file in which a worker tells, early, what is planned."""
    return f"plan.{worker}.json"


def sent(config: pytest.Config) -> Callable[[], Iterable[pytest.Item]]:
    """What gives the items that this worker was sent, after the next: the queue that xdist fills.

    It gives none under ``--dist=worksteal``, which may take them back.
    """
    plugins = config.pluginmanager.get_plugins()
    interactor: Any = next(one for one in plugins if type(one).__name__ == "WorkerInteractor")
    if getattr(config, "workerinput")[_STEALS]:  # noqa: B009
        return tuple

    def items() -> list[pytest.Item]:
        with interactor.torun.lock() as queue:
            indices = [index for index in islice(queue, _FURTHEST) if isinstance(index, int)]
        return [interactor.session.items[index] for index in indices]

    return items


def suspects(config: pytest.Config) -> frozenset[int]:
    """The places of the items that this worker asks one by one: a worker died that asked them together."""
    return frozenset(getattr(config, "workerinput")[_SUSPECTS])  # noqa: B009


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
            write_text(path, json.dumps({**self._plan(), "items": [*map(self._asks, session.items)]}))

    def _asks(self, item: pytest.Item) -> tuple[str | None, ...] | None:
        """What the controller must know of a question; None for any other item."""
        question = question_of(item)
        if question is None:
            return None
        model = model_of(item, self._state)
        return (
            model,
            question.benchmark,
            question.subject,
            question.id,
            question.answer,
            question.cluster,
        )

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
        self._scheduler: SliceScheduling | None = None
        #: of each item what a worker said it asks
        self._asking: list[list[str] | None] = []
        #: of each worker, by its number: the last item whose end it reported
        self._counted: dict[str, str] = {}

    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Give each worker its GPUs, and start the servers of served models: one for all workers."""
        models = self._state.settings.models
        try:
            worker_resources.check_dist(models, len(specs), self._config.option.dist)
            self._give_devices([spec for spec in specs if spec.popen])
            for config in (*models, *self._judge()):
                if config.backend == "serve" and config.name not in self._servers:
                    self._servers[config.name] = self._start(config)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None

    def _give_devices(self, specs: Sequence[Any]) -> None:
        """In the environment of each worker of this machine: then it begins on no GPU of another's, whatever
        imports torch first, and one in a crashed one's place, which has the same spec, gets the same.
        """
        models = self._state.settings.models
        if self._state.earlier is not None:
            return
        found = (
            worker_resources.visible_gpus(os.environ)
            if worker_resources.use_gpus(models) and len(specs) > 1
            else ()
        )
        worker_resources.check_devices(models, found, len(specs))
        if found:
            for spec, own in zip(specs, worker_resources.split_gpus(found, len(specs)), strict=True):
                spec.env[worker_resources.VISIBLE_DEVICES] = ",".join(own)

    def _judge(self) -> list[ModelConfig]:
        """The judge, where a benchmark that was asked for by name wants it."""
        settings, start = self._state.settings, self._config.invocation_params.dir
        if settings.judge is None or settings.judge.model.backend != "serve":
            return []
        from pytest_llmeval.scoring.metrics.judge import NAME
        from pytest_llmeval.suites import catalog

        places = (find_benchmark(one, start, self._config) for one in settings.benchmarks)
        wanted = any(catalog.load(place).metric.name == NAME for place in places)
        return [settings.judge.model] if wanted else []

    def _start(self, config: ModelConfig) -> tuple[str, str]:
        from pytest_llmeval.models.serving.backend import ServedModel

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
            node.workerinput[_STEALS] = self._config.option.dist == "worksteal"
            node.workerinput[WORKER_NUMBER] = self._number(node)
            node.workerinput[_SUSPECTS] = [] if self._scheduler is None else self._scheduler.adopt(node)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None

    def _number(self, node: Any) -> int:
        """A worker's number, from 0: the place of its spec, which one in a crashed one's place takes over."""
        specs = node.nodemanager.specs
        return next(place for place, spec in enumerate(specs) if spec is node.gateway.spec)

    def _may_ask(self, node: Any, model: str) -> bool:
        config = self._state.models.configs[model]
        return self._number(node) < worker_resources.max_workers(config, len(node.nodemanager.specs))

    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Remember the order of the items, for the merged file, and what is planned."""
        self._controller.order = {nodeid: place for place, nodeid in enumerate(ids)}
        path = self._controller.folder / plan_name(node.gateway.id)
        with contextlib.suppress(OSError, ValueError):
            plan = json.loads(path.read_text("utf-8"))
            self._take_plan(plan)
            self._asking = self._asking or plan["items"]
        path.unlink(missing_ok=True)

    def _take_plan(self, found: dict[str, Any]) -> None:
        from pytest_llmeval.results.judge_usage import info_of
        from pytest_llmeval.results.summary import BenchmarkInfo

        self._state.planned = self._state.planned or found["planned"]
        for name, info in found["infos"].items():
            info["groups"] = {group: tuple(members) for group, members in info["groups"].items()}
            info["subjects"] = {subject: tuple(names) for subject, names in info["subjects"].items()}
            info["judge"] = info_of(info["judge"])
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

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> SliceScheduling | None:
        """Slices of questions, where items are handed out by load."""
        if config.option.dist != "load":
            return None
        from pytest_llmeval.plugin.xdist.scheduler import SliceScheduling

        self._scheduler = SliceScheduling(
            config, log, self._keys, self._has_counted, self._give_up, self._may_ask
        )
        return self._scheduler

    def _keys(self) -> list[Key | None]:
        return [None if asks is None else (asks[0], asks[1], asks[2]) for asks in self._asking]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember how far each worker is."""
        node = getattr(report, "node", None)
        if node is not None and (report.when == "call" or not report.passed):
            self._counted[node.gateway.id] = report.nodeid

    def _has_counted(self, node: Any, nodeid: str) -> bool:
        return self._counted.get(node.gateway.id) == nodeid

    def _give_up(self, node: Any, nodeid: str) -> None:
        """A question that no worker survives is an error, as if its request had failed."""
        from pytest_llmeval.results.question_log import QuestionLog

        asks = self._asking[self._controller.order[nodeid]]
        assert asks is not None
        model, benchmark, subject, id, target, cluster = asks
        message = f"two workers crashed with this question (the second, {node.gateway.id}, asked only it)"
        record = Record(
            id=id,
            nodeid=nodeid,
            model=model,
            benchmark=benchmark,
            subject=subject,
            outcome=Outcome.ERROR,
            answer=None,
            target=target,
            completion=Completion(error=message),
            prompt="",
            cluster=cluster,
        )
        records = [replace(record, repeat=repeat) for repeat in range(self._state.settings.repeats)]
        with QuestionLog(self._controller.folder / _PART) as log:
            for one in records:
                log.write(one)
        file = nodeid.split("::")[0]
        report = pytest.TestReport(
            nodeid=nodeid,
            location=(file, None, nodeid.partition("::")[2]),
            keywords={},
            outcome="failed",
            longrepr=f"{id}: {message}",
            when="call",
            user_properties=named(id, model, benchmark, subject) + scalars(record, records),
        )
        report.node = node  # type: ignore[attr-defined]
        self._config.hook.pytest_runtest_logreport(report=report)
        session: Any = self._config.pluginmanager.get_plugin("dsession")
        session._handlefailures(report)  # -x, --maxfail

    @pytest.hookimpl(tryfirst=True)  # registered after the Controller, which then sees the exit code
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Questions that nobody is left to ask are no success."""
        left = 0 if self._scheduler is None else self._scheduler.unsent
        if left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self._state.notes.append(f"{left} items were not run: too many workers crashed")
