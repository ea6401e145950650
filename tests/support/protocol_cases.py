"""The made-up rows of ``tests/data/protocols``, read as the data of the benchmarks that they are for."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from pytest_llmeval.core.benchmark_name import BenchmarkName
from pytest_llmeval.core.types import Question, Request
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.exemplars import load_exemplars
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.questions import read_table
from pytest_llmeval.suites.spec import Benchmark
from tests.support.paths import DATA

Case: TypeAlias = Mapping[str, Any]


def load_cases() -> dict[str, Case]:
    """All cases, by file and number."""
    return {
        f"{file.stem}-{number}": case
        for file in sorted((DATA / "protocols").glob("*.toml"))
        for number, case in enumerate(tomllib.loads(file.read_text("utf-8"))["case"])
    }


def read(case: Case) -> tuple[Benchmark, list[Question]]:
    """The benchmark of a case, its shots, and its question as the last one."""
    name = BenchmarkName.parse(case["benchmark"])
    benchmark = load(packaged()[name.base], variant=name.variant)
    subject = case.get("subject", benchmark.name)
    raw = "\n".join(json.dumps(row) for row in [*case.get("shots", []), case["row"]]).encode()
    on_lines = replace(benchmark, data=replace(benchmark.data, format="jsonl", rows=None))
    return benchmark, read_table(raw, Path("rows.jsonl"), on_lines, subject, benchmark.metric.needs_gold)


def request(case: Case) -> Request:
    """What a model is sent for the question of a case; ``exemplars`` stand in for those of a file."""
    benchmark, (*shots, question) = read(case)
    if "exemplars" in case:
        exemplars = {question.subject: case["exemplars"]}
    else:
        exemplars = load_exemplars(benchmark, [question.subject], ())
    mode = case.get("mode", "generate")
    return PromptBuilder(benchmark, mode, {question.subject: shots}, exemplars).request(question)
