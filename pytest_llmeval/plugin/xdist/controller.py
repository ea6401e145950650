"""The plugin in xdist's controller: assigns GPUs, starts servers, sends slices and handles crashes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmeval.config.specs import UNNAMED
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.models import worker_resources
from pytest_llmeval.plugin.items import ends_question
from pytest_llmeval.plugin.pytest_internals import (
    apply_maxfail,
    call_when_idle,
    node_count,
    node_id,
    reporting_node,
    set_reporting_node,
    worker_index,
)
from pytest_llmeval.plugin.say import make_say
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.plugin.xdist.messages import PlannedQuestion, WorkerActivity, WorkerInput, WorkerMessage
from pytest_llmeval.results.record import Record
from pytest_llmeval.suites.source import source_of

if TYPE_CHECKING:
    from pytest_llmeval.config.models import ModelConfig
    from pytest_llmeval.plugin.current_run import CurrentRun
    from pytest_llmeval.plugin.xdist.scheduler import SliceScheduling
    from pytest_llmeval.plugin.xdist.slices import Key

#: the controller's part of questions.jsonl; its name sorts after the names of the workers' parts
_PART = "questions.gwx.jsonl"
#: how often the controller looks what its workers wait for, and how old what it sees may be, in seconds
_LOOK_EVERY_S = 0.5
_MAX_AGE_S = 3.0


class ControllerSide:
    """Prepares workers, and records the questions that crash them."""

    def __init__(self, config: pytest.Config, run: CurrentRun) -> None:
        self._config = config
        self._session = config.stash[SESSION]
        self._findings = config.stash[FINDINGS]
        self._run = run
        #: URL and log of each server that was started
        self._servers: dict[str, tuple[str, str]] = {}
        self._scheduler: SliceScheduling | None = None
        self._items: Sequence[PlannedQuestion | None] = ()
        #: by worker: the last item that it finished
        self._last_nodeids: dict[str, str] = {}

    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Assign GPUs to workers, and start one server for each served model; all workers share it."""
        models = self._session.settings.models
        try:
            worker_resources.check_dist(models, len(specs), self._config.option.dist)
            self._assign_devices([spec for spec in specs if spec.popen])
            for config in (*models, *self._served_judge()):
                if config.backend == "serve" and config.name not in self._servers:
                    self._servers[config.name] = self._start_server(config)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None

    def _assign_devices(self, specs: Sequence[Any]) -> None:
        """Set each local worker's GPUs in its environment.

        The worker then cannot use another worker's GPUs, whichever module imports torch first. A crashed
        worker's replacement has the same spec, and so the same GPUs.
        """
        models = self._session.settings.models
        if self._session.replay is not None:
            return
        several = worker_resources.use_gpus(models) and len(specs) > 1
        gpus = worker_resources.visible_gpus(os.environ) if several else ()
        worker_resources.check_devices(models, gpus, len(specs))
        if gpus:
            for spec, assigned in zip(specs, worker_resources.split_gpus(gpus, len(specs)), strict=True):
                spec.env[worker_resources.VISIBLE_DEVICES] = ",".join(assigned)

    def _served_judge(self) -> list[ModelConfig]:
        """The judge's model, if it needs a server and a benchmark of ``--llm-benchmark`` needs a judge."""
        settings = self._session.settings
        if settings.judge is None or settings.judge.model.backend != "serve":
            return []
        wanted = settings.metric == "judge" or any(
            source_of(item.name.base).wants_judge(item.name.whole, item.place)
            for item in self._session.requested
        )
        return [settings.judge.model] if wanted else []

    def _start_server(self, config: ModelConfig) -> tuple[str, str]:
        from pytest_llmeval.models.serving.backend import ServedModel

        say = make_say(self._config)

        def report(status: str | None) -> None:
            say(f"llmeval: {config.name}: {status}")

        model = ServedModel(config, lambda: self._run.folder)
        model.check()
        server = model.launch()
        self._config.add_cleanup(server.stop)
        report(model.status)
        model.await_ready(server, report)
        return server.handle.url, str(server.handle.log)

    def _found_names(self) -> dict[str, tuple[str, str]]:
        """The name, and that at the API, of the model that its server named, by its name for workers."""
        settings = self._session.settings
        for spec, model in zip(settings.specs, settings.models, strict=False):
            if spec == f"{UNNAMED}:":
                return {UNNAMED: (model.name, model.target)}
        return {}

    def pytest_configure_node(self, node: Any) -> None:
        """Send a worker its message before it starts."""
        try:
            WorkerInput(
                folder=self._run.folder,
                worker=node_id(node),
                number=worker_index(node),
                workers=node_count(node),
                servers=self._servers,
                names=self._found_names(),
                steals=self._config.option.dist == "worksteal",
                suspects=() if self._scheduler is None else tuple(self._scheduler.assign_suspects(node)),
            ).send(node)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Report what the workers wait for while they report nothing."""
        call_when_idle(self._config, self._report_waiting, _LOOK_EVERY_S)

    def _report_waiting(self) -> None:
        activity = WorkerActivity.read(self._run.folder, _MAX_AGE_S)
        if activity is not None:
            self._session.models.on_wait(activity)

    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Record the order of the items and the plan."""
        self._run.order = {nodeid: index for index, nodeid in enumerate(ids)}
        message = WorkerMessage.read_plan(node, self._run.folder)
        if message is not None:
            self._findings.plan = self._findings.plan or message.findings.plan
            self._run.add_infos(message.infos)
            self._items = self._items or message.items

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> SliceScheduling | None:
        """Provide the scheduler for ``--dist=load``."""
        if config.option.dist != "load":
            return None
        from pytest_llmeval.plugin.xdist.scheduler import SliceScheduling

        self._scheduler = SliceScheduling(
            config, log, self._keys, self._has_reported, self._give_up, self._may_ask
        )
        return self._scheduler

    def _keys(self) -> list[Key | None]:
        return [None if item is None else (item.model, item.benchmark, item.subject) for item in self._items]

    def _may_ask(self, node: Any, model: str) -> bool:
        config = self._session.models.configs[model]
        return worker_index(node) < worker_resources.max_workers(config, node_count(node))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record which item a worker finished last."""
        node = reporting_node(report)
        if node is not None and ends_question(report):
            self._last_nodeids[node_id(node)] = report.nodeid

    def _has_reported(self, node: Any, nodeid: str) -> bool:
        return self._last_nodeids.get(node_id(node)) == nodeid

    def _give_up(self, node: Any, nodeid: str) -> None:
        """Report a question that crashed two workers as an error, as if its request had failed."""
        from pytest_llmeval.results.question_log import QuestionLog

        question = self._items[self._run.order[nodeid]]
        assert question is not None
        message = f"two workers crashed on this question (the second, {node_id(node)}, sent only this one)"
        record = Record(
            id=question.id,
            nodeid=nodeid,
            model=question.model,
            benchmark=question.benchmark,
            subject=question.subject,
            outcome=Outcome.ERROR,
            target=question.target,
            completion=Completion(error=message),
            cluster=question.cluster,
            test=question.test,
        )
        records = [
            replace(record, repeat=question.first_repeat + repeat)
            for repeat in range(self._run.repeats(question.benchmark))
        ]
        with QuestionLog(self._run.folder / _PART) as log:
            for repeat_record in records:
                log.write(repeat_record)
        file, _, name = nodeid.partition("::")
        report = pytest.TestReport(
            nodeid=nodeid,
            location=(file, None, name),
            keywords={},
            outcome="failed",
            longrepr=f"{question.id}: {message}",
            when="call",
            user_properties=Record.of_repeats(records).to_report(),
        )
        set_reporting_node(report, node)
        self._config.hook.pytest_runtest_logreport(report=report)
        apply_maxfail(self._config, report)

    @pytest.hookimpl(tryfirst=True)  # registered after the Controller, which then sees the exit code
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run whose last items were not run because no worker was left."""
        self._config.add_cleanup(partial(WorkerActivity.remove, self._run.folder))  # when workers have ended
        unsent = 0 if self._scheduler is None else self._scheduler.unsent
        if unsent and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self._findings.notes.append(f"{unsent} items were not run: too many workers crashed")
