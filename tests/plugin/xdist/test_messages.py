"""What controller and workers send each other arrives as it was sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_llmeval.analysis.conditions import JudgeModel
from pytest_llmeval.plugin.state import Findings
from pytest_llmeval.plugin.xdist.messages import (
    PlannedQuestion,
    WorkerInput,
    WorkerMessage,
    find_server,
)
from tests.support.made_results import make_info


def worker(**workerinput: Any) -> Any:
    """A worker's config, as far as messages read it."""
    return SimpleNamespace(workerinput={"workerid": "gw1", "workercount": 3, **workerinput})


def test_what_a_worker_is_sent(tmp_path: Path) -> None:
    start = WorkerInput(
        folder=tmp_path,
        worker="gw1",
        number=1,
        workers=3,
        servers={"m": ("http://localhost:1/v1", "server.log")},
        steals=True,
        suspects=(4, 7),
    )
    node = SimpleNamespace(workerinput={})
    start.send(node)
    assert json.dumps(node.workerinput)  # execnet sends plain values only
    config = worker(**node.workerinput)
    assert WorkerInput.of(config) == start
    assert (start.share, start.part_name) == ((1, 3), "questions.gw1.jsonl")
    server = find_server(config, "m")
    assert server is not None and (server.url, server.log) == ("http://localhost:1/v1", Path("server.log"))
    assert find_server(config, "other") is None


def test_a_worker_without_a_model_is_sent_nothing() -> None:
    assert WorkerInput.of(worker()).share == (0, 3)
    assert find_server(SimpleNamespace(), "m") is None  # type: ignore[arg-type]


@pytest.fixture
def message() -> WorkerMessage:
    """Every field has a value of its own."""
    info = make_info(metric="judge", threshold=0.5, circular=True, shuffle_choices=3, scoring={"metric": "x"})
    judge = JudgeModel("j", "identity", "p" * 64, 1.5, None)
    info = replace(info, conditions=replace(info.conditions, judge=judge))
    findings = Findings(["p"], ["l"], ["w"], ["n"], "fatal", {"b": {"m": {"s": 2}}})
    return WorkerMessage(findings, {"b": info}, [None, PlannedQuestion("m", "b", "s", "b/s/0", "A", None)])


def test_what_a_worker_sends_at_its_end(message: WorkerMessage) -> None:
    node = SimpleNamespace(workeroutput={"llmeval": message.to_json()})
    assert WorkerMessage.read(node) == message
    assert WorkerMessage.read(SimpleNamespace()) is None  # it crashed


def test_what_a_worker_sends_after_collection(message: WorkerMessage, tmp_path: Path) -> None:
    message.send_plan(WorkerInput(tmp_path, "gw0"))
    node = SimpleNamespace(gateway=SimpleNamespace(id="gw0"))
    assert WorkerMessage.read_plan(node, tmp_path) == message
    assert not list(tmp_path.iterdir())
    assert WorkerMessage.read_plan(node, tmp_path) is None  # a worker on another machine
    message.send_plan(WorkerInput(tmp_path / "not here", "gw0"))


def test_findings_are_joined_each_line_once() -> None:
    findings = Findings(notes=["a"], plan={})
    findings.merge(Findings(notes=["a", "b"], fatal="broken", plan={"b": {"m": {"s": 1}}}))
    findings.merge(Findings(notes=["b"], fatal="later", plan={"c": {}}))
    assert findings == Findings(notes=["a", "b"], fatal="broken", plan={"b": {"m": {"s": 1}}})
