"""A run of a benchmark that names its official rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS


@pytest.mark.parametrize("xdist", WORKERS)
def test_differences_are_reported(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    toml = tiny / "benchmark.toml"
    toml.write_text('official = "simple_evals"\n' + toml.read_text("utf-8"), "utf-8")
    assert pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny").ret == 0
    ids = [row["id"] for row in questions(pytester)]
    texts = ["The answer is B."] * 2 + ["Answer: C"] * (len(ids) - 2)
    with (pytester.path / "theirs.jsonl").open("w") as file:
        for id, text in zip(ids, texts, strict=True):
            file.write(json.dumps({"id": id, "text": text}) + "\n")
    done = pytester.runpytest("--llm-replay=theirs.jsonl", "--llm-benchmark=tiny", xdist)
    assert done.ret == 0
    (result,) = results(pytester)["results"]
    assert result["official"]["rule"] == "simple_evals"
    assert sorted(result["official"]["differences"]) == sorted(ids[:2])
    done.stdout.fnmatch_lines(["official rule simple_evals: another answer to 2 of the questions*"])
    page = (pytester.path / "reports/latest/report.html").read_text("utf-8")
    assert "official rule simple_evals: another answer to 2 of the questions" in page
