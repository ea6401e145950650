"""Prompts of packaged benchmarks are those of the source that each names, byte for byte.

A file in ``tests/data/protocols`` has made-up rows in the layout of the data, and what the source's own
template makes of them: ``{column}`` in a published template stands for the row's column. Outputs in ``right``
state the row's answer as the source's rules read it; those in ``wrong`` do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_llmeval.core.types import ChatPrompt, TextPrompt
from pytest_llmeval.suites.folder_suite import make_grader
from tests.support.protocol_cases import load_cases, read, request

CASES = load_cases()


def filled(template: str, row: Mapping[str, Any]) -> str:
    for column, cell in row.items():
        template = template.replace("{" + column + "}", str(cell))
    return template


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


def test_rows_differ() -> None:
    """A case whose columns are all alike could not tell which column a template uses."""
    for name, case in CASES.items():
        cells = [str(cell) for cell in case["row"].values()]
        assert len(set(cells)) == len(cells), name
