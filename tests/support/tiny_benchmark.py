"""A benchmark of eight questions, and what a run of it left."""

from __future__ import annotations

import json

import pytest

TOML = """
name = "tiny"
title = "Tiny"
split = "val"
shots = 1

[data]
paths = ["data/{split}/{subject}_{split}.csv"]

[prompts.generate]
user = "{{ question }}\\nA. {{ A }}\\nB. {{ B }}\\nC. {{ C }}\\nD. {{ D }}\\nAnswer:"
assistant = "{{ answer }}"

[subjects]
birds = {name = "Birds", zh = "鸟类", groups = ["nature"]}
logic = {name = "Logic", zh = "逻辑", groups = ["thought", "hard"]}
"""


def results(pytester: pytest.Pytester) -> dict:  # type: ignore[type-arg]
    return json.loads((pytester.path / "reports/latest/results.json").read_text("utf-8"))


def questions(pytester: pytest.Pytester) -> list[dict]:  # type: ignore[type-arg]
    text = (pytester.path / "reports/latest/questions.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]
