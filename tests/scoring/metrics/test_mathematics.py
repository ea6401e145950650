"""The metric ``math`` as benchmarks use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.mathematics import prover
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.suites.infer import complete


def score(answer: str, gold: str, **options: object) -> float:
    return METRICS["math"].make(options, "here")(answer, Question("b", "s", "0", {}, {}, gold))


@pytest.fixture(autouse=True)
def _library() -> None:
    pytest.importorskip("math_verify")


def test_golds_may_be_boxed_or_several() -> None:
    assert score("7", r"We get $\boxed{7}$.") == 1
    assert score("b+a", json.dumps(["a-b", "a+b"])) == 1


def test_a_relative_tolerance() -> None:
    assert score("3.14", r"\pi", relative_tolerance=0.01) == 1
    assert score("3.2", r"\pi", relative_tolerance=0.01) == 0
    assert score("4.9e-3", "5e-3", relative_tolerance=0.05) == 1


def test_a_slow_comparison_is_wrong_and_says_so() -> None:
    result = score("9^{9^{9}}", r"\sqrt{2}", seconds=0.5)
    assert result == 0
    assert "more than 0.5 s" in result.reason  # type: ignore[attr-defined]


def test_a_missing_library_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prover, "is_installed", lambda: False)
    with pytest.raises(UserError, match=r'math needs .* pip install "pytest-llmeval-harness\[metrics\]"'):
        METRICS["math"].make({}, "here")


def test_wrong_options_are_errors() -> None:
    with pytest.raises(UserError, match="seconds"):
        METRICS["math"].make({"seconds": 0.0}, "here")
    with pytest.raises(UserError, match="relative_tolerance"):
        METRICS["math"].make({"relative_tolerance": 1.0}, "here")


def test_golds_that_are_no_answers() -> None:
    assert METRICS["math"].gold_problem(r"\frac{1}{2}") is None
    assert "empty" in (METRICS["math"].gold_problem(" ") or "")
    assert "judge" in (METRICS["math"].gold_problem("proof " * 1000) or "")


@pytest.mark.parametrize(
    ("rows", "metric", "answer"),
    [
        ([{"problem": "p", "answer": r"\frac{1}{3}", "solution": "s"}], "math", "answer"),
        (
            [{"problem": "p", "answer": str(at)} for at in range(15)]
            + [{"problem": "p", "answer": r"\sqrt{5}"}],
            "math",
            "answer",
        ),
        ([{"problem": "p", "solution": r"so \boxed{4}"}], "math", "solution"),
        ([{"question": "p", "final_answer": ["$x^{2}$"]}], "math", "final_answer"),
        ([{"question": "p", "answer": "17"}], "number", "answer"),
        ([{"question": "p", "answer": "Paris"}, {"question": "p", "answer": r"C:\temp"}], "exact", "answer"),
        ([{"question": "p", "answer": "it costs $5 or $6"}], "exact", "answer"),
    ],
)
def test_files_of_mathematics_are_recognised(
    tmp_path: Path, rows: list[dict[str, object]], metric: str, answer: str
) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    spec = complete({}, [path])
    assert spec["metric"] == metric
    assert spec["data"]["answer"] == answer
    if metric == "math":
        assert r"\boxed{}" in spec["prompts"]["generate"]["user"]
