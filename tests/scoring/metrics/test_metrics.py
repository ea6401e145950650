"""Metrics: scores of answers, and errors for wrong options."""

from __future__ import annotations

import sys

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.scoring.metrics.base import Misfit


def score(metric: str, answer: str, gold: str, **options: object) -> float:
    question = Question("b", "s", "0", {}, {}, gold)
    return METRICS[metric].make(options, "here")(answer, question)


@pytest.mark.parametrize(
    ("metric", "answer", "gold", "options", "expected"),
    [
        ("exact", " Paris. ", "paris", {}, 1),
        ("exact", "Paris", "London", {}, 0),
        ("exact", "Paris", "paris", {"ignore_case": False}, 0),
        ("exact", "3.5", "35", {}, 0),
        ("exact", "-5", "5", {}, 0),
        ("exact", "the cat", "cat", {"ignore_articles": True}, 1),
        ("exact", "b, a", "b a", {"ignore_pattern": ","}, 1),
        ("exact", "a, b", "a; b", {"ignore_pattern": "[,;]"}, 1),
        ("exact", "b,a", "ba", {"ignore_pattern": ","}, 0),
        ("exact", "ＡＢ", "ab", {}, 1),
        ("exact", "yes", '["no", "Yes"]', {}, 1),
        ("exact", "x: 1, x: 2", "2", {"pattern": r"x: (\d)"}, 1),
        ("exact", "Answer: Rome", "rome", {}, 1),
        ("exact", "Answer: Rome", "rome", {"ignore_label": False}, 0),
        ("exact", "Answer: Rome or Bern", "rome", {}, 0),
        ("exact", "\\boxed{\\text{Rome}}", "rome", {}, 1),
        ("exact", "\u22127", "-7", {}, 1),
        ("exact", "12,500", "12500", {}, 1),
        ("exact", "1,25", "125", {}, 0),
        ("contains", "It is not Rome but Bern.", "Rome", {}, 0),
        ("contains", "It is not Rome but Bern.", "Rome", {"count_denied": True}, 1),
        ("contains", "It costs 7,500", "500", {}, 0),
        ("number", "1000", "$1,000.00", {}, 1),
        ("number", "3.14", "3.1416", {"tolerance": 0.01}, 1),
        ("number", "3.14", "3.1416", {}, 0),
        ("regex", "it is red", "re+d", {}, 1),
        ("regex", "it is red", "re+d", {"whole": True}, 0),
        ("contains", "It is 15 km", "5", {}, 0),
        ("contains", "It is 15 km", "5", {"whole_words": False}, 1),
        ("contains", "首都是巴黎。", "巴黎", {}, 1),
        ("json", '{"a": 1, "b": [2.0]}', '{"b": [2], "a": 1}', {}, 1),
        ("json", "[1]", "[true]", {}, 0),
        ("json", "[" * 100_000, "[]", {}, 0),
    ],
)
def test_metrics_of_0_and_1(
    metric: str, answer: str, gold: str, options: dict[str, object], expected: float
) -> None:
    assert score(metric, answer, gold, **options) == expected


def test_rouge_l() -> None:
    pytest.importorskip("rouge_score")
    assert score("rouge_l", "the cat sat", "the cat sat") == 1
    assert score("rouge_l", "the cat sat", "the dog sat") == pytest.approx(2 / 3)
    assert score("rouge_l", "今天下雨", "今天下雪") == pytest.approx(3 / 4)


def test_bleu() -> None:
    pytest.importorskip("sacrebleu")
    assert score("bleu", "the cat sat on the mat", "the cat sat on the mat") == pytest.approx(1)
    assert 0 < score("bleu", "the cat sat on a mat", "the cat sat on the mat") < 1


@pytest.mark.parametrize(
    ("metric", "module"), [("rouge_l", "rouge_score.rouge_scorer"), ("bleu", "sacrebleu.metrics.bleu")]
)
def test_a_missing_library_is_a_one_line_error(
    monkeypatch: pytest.MonkeyPatch, metric: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=r'pip install "pytest-llmeval-harness\[metrics\]"'):
        METRICS[metric].make({}, "here")


def test_wrong_options_suggest_the_right_ones() -> None:
    with pytest.raises(UserError, match="did you mean 'tolerance'"):
        METRICS["number"].make({"tolerence": 1.0}, "here")
    with pytest.raises(UserError, match="must be as in ignore_case = true"):
        METRICS["exact"].make({"ignore_case": 1}, "here")
    with pytest.raises(UserError, match="not a regular expression"):
        METRICS["exact"].make({"pattern": "("}, "here")


@pytest.mark.parametrize(
    ("metric", "gold", "other"),
    [
        ("number", r"\sqrt{51}", "math"),
        ("number", "(3,4]", "math"),
        ("number", "4t", "math"),
        ("number", "Rome", "exact"),
        ("json", "{", "exact"),
    ],
)
def test_a_gold_answer_of_another_metric(metric: str, gold: str, other: str) -> None:
    with pytest.raises(Misfit, match=f'use metric = "{other}"'):
        METRICS[metric].gold_problem(gold)


@pytest.mark.parametrize("gold", ["18", "$1,250.50", r"\frac{3}{4}", "70 km/h", "-3", "25%"])
def test_gold_numbers(gold: str) -> None:
    assert METRICS["number"].gold_problem(gold) is None
