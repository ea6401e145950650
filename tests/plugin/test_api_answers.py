"""A run against a server: what its answers teach is told once, with the options to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.api_server import Reply, Server, completion, error
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

#: what the server answers, by the length of the prompt
ANSWERS = [
    completion("答案：B"),
    completion("", "length", reasoning_content="so"),
    completion("", "sensitive"),
    completion(None, reasoning_content="so"),
]


def answer(body: dict[str, Any]) -> Reply:
    """Refuse a temperature; else answer as another model."""
    if "temperature" in body:
        return error(400, "Unsupported parameter: 'temperature' is not supported with this model.")
    return Reply({**ANSWERS[len(str(body["messages"])) % len(ANSWERS)], "model": "m-2026-01-01"})


@pytest.mark.parametrize("xdist", WORKERS)
def test_reasons_models_and_lessons(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    with Server(check=answer) as server:
        done = pytester.runpytest(
            "--llm-model=openai:m", f"--llm-base-url={server.url}", "--llm-benchmark=tiny", xdist
        )
    (result,) = results(pytester)["results"]
    rows = list(questions(pytester))
    reasons = [row["finish_reason"] for row in rows if row["outcome"] == "unparsed"]
    counts = {
        "cut_off": reasons.count("length"),
        "filtered": reasons.count("content_filter"),
        "all_reasoning": reasons.count("stop"),
    }
    assert sum(counts.values()) == result["counts"]["unparsed"] and any(counts.values())
    assert result["unparsed"] == {name: count for name, count in counts.items() if count}
    assert result["served_models"] == {"m-2026-01-01": len(rows)}
    assert {row["served_model"] for row in rows} == {"m-2026-01-01"}
    assert {tuple(row["notes"]) for row in rows} == {("temperature not sent: the model refuses it",)}
    output = " ".join(done.stdout.str().split())
    assert "unparsed answers: " in output
    assert f"names another model: m-2026-01-01 in {len(rows)}, of {len(rows)} answers" in output
    assert output.count("model m: the model refuses the parameter temperature") == 1
    [summary] = pytester.path.glob("reports/2*/summary.md")
    assert "- unparsed answers: " in summary.read_text("utf-8")
