"""Prompts of packaged benchmarks are those of the source that each names, byte for byte.

A file in ``tests/data/protocols`` has made-up rows in the layout of the data, and what the source's own
template makes of them: ``{column}`` in a published template stands for the row's column.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.core.benchmark_name import BenchmarkName
from pytest_llmeval.core.types import ChatPrompt, Request, TextPrompt
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.questions import read_table
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


def request(case: Mapping[str, Any]) -> Request:
    name = BenchmarkName.parse(case["benchmark"])
    benchmark = load(packaged()[name.base], variant=name.variant)
    rows = [*case.get("shots", []), case["row"]]
    subject = case.get("subject", benchmark.name)
    raw = "\n".join(json.dumps(row) for row in rows).encode()
    *shots, question = read_table(raw, Path("rows.jsonl"), benchmark, subject, True)
    builder = PromptBuilder(benchmark, case.get("mode", "generate"), {question.subject: shots})
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
    published = case["turns"]
    assert turns == [(turn["role"], filled(turn["content"], case["row"])) for turn in published]


def test_rows_differ() -> None:
    """A case whose columns are all alike could not tell which column a template uses."""
    for name, case in CASES.items():
        cells = [str(cell) for cell in case["row"].values()]
        assert len(set(cells)) == len(cells), name
