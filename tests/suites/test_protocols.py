"""Prompts of packaged benchmarks are those of the source that each names, byte for byte.

A file in ``tests/data/protocols`` has made-up rows in the layout of the data, and what the source's own
template makes of them: ``{column}`` in a published template stands for the row's column. Outputs in ``right``
state the row's answer as the source's rules read it; those in ``wrong`` do not.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.benchmark_name import BenchmarkName
from pytest_llmeval.core.types import ChatPrompt, Question, Request, TextPrompt
from pytest_llmeval.scoring.metrics.judge import make_judge
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.folder_suite import make_grader
from pytest_llmeval.suites.prompts import PromptBuilder, judge_text
from pytest_llmeval.suites.questions import read_table
from pytest_llmeval.suites.spec import Benchmark
from tests.support.paths import DATA

CASES = {
    f"{file.stem}-{number}": case
    for file in sorted((DATA / "protocols").glob("*.toml"))
    for number, case in enumerate(tomllib.loads(file.read_text("utf-8"))["case"])
}


def filled(template: str, row: Mapping[str, Any]) -> str:
    for column, cell in row.items():
        template = template.replace("{" + column + "}", str(cell))
    return template


def read(case: Mapping[str, Any]) -> tuple[Benchmark, list[Question]]:
    """The benchmark, and the shots and the question of a case."""
    name = BenchmarkName.parse(case["benchmark"])
    benchmark = load(packaged()[name.base], variant=name.variant)
    rows = [*case.get("shots", []), case["row"]]
    raw = "\n".join(json.dumps(row) for row in rows).encode()
    on_lines = replace(benchmark, data=replace(benchmark.data, format="jsonl", rows=None))
    subject = case.get("subject", benchmark.name)
    return benchmark, read_table(raw, Path("rows.jsonl"), on_lines, subject, True)


def request(case: Mapping[str, Any]) -> Request:
    benchmark, (*shots, question) = read(case)
    exemplars = {question.subject: case["exemplars"]} if "exemplars" in case else {}
    builder = PromptBuilder(benchmark, case.get("mode", "generate"), {question.subject: shots}, exemplars)
    return builder.request(question)


@pytest.mark.parametrize("name", CASES)
def test_prompt(name: str) -> None:
    case = CASES[name]
    made = request(case)
    if isinstance(made.prompt, TextPrompt):
        assert made.prompt.text == filled(case["text"], case["row"])
        assert dict(made.choices) == case["choices"]
        return
    assert isinstance(made.prompt, ChatPrompt)
    turns = [(turn.role, turn.content) for turn in made.prompt.messages]
    cells = {**case["row"], "exemplars": case.get("exemplars", "")}
    assert turns == [(turn["role"], filled(turn["content"], cells)) for turn in case["turns"]]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if {"right", "wrong"} & case.keys()])
def test_outputs(name: str) -> None:
    case = CASES[name]
    benchmark, (*_, question) = read(case)
    assert question.problem is None
    grader = make_grader(benchmark)
    for output in (*case.get("right", ()), *case.get("wrong", ())):
        answer = grader.extract(output, question.choices)
        grade = grader.grade(question, answer, None)
        assert grade.correct == (output in case.get("right", ())), (output, answer, question.answer)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "judge" in case])
def test_judge_prompt(name: str) -> None:
    case = CASES[name]
    benchmark, (*_, question) = read(case)
    judge = make_judge(benchmark.metric.options, name)
    asked = judge.request(question, judge_text(benchmark, question), "It is so.", ModelConfig("j", "echo"))
    assert isinstance(asked.prompt, ChatPrompt)
    (turn,) = asked.prompt.messages
    assert turn.content == filled(case["judge"], {**case["row"], "response": "It is so."})


def test_rows_differ() -> None:
    """A case whose columns are all alike could not tell which column a template uses."""
    for name, case in CASES.items():
        cells = [str(cell) for cell in case["row"].values()]
        assert len(set(cells)) == len(cells), name
