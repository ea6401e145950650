"""The metric ``choice_list``: several questions about one passage, with points."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics import METRICS, Scores
from pytest_llmeval.scoring.metrics.base import numbers_of

POINTS: Mapping[str, object] = {"columns": {"points": "score"}}


def scored(
    answer: str, gold: Sequence[str], points: str = "1", options: Mapping[str, object] = POINTS
) -> Scores:
    question = Question("b", "s", "0", {"score": points}, {}, json.dumps(gold))
    score = METRICS["choice_list"].make(options, "t.toml [metric]")(answer, question)
    assert isinstance(score, Scores)
    return score


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("B, A, D", ["B", "A", "D"], 1),
        ("B, A, B", ["B", "A", "B"], 1),  # labels may repeat
        ("A, B, D", ["B", "A", "D"], 1 / 3),
        ("BAD", ["B", "A", "D"], 1),
        ("B, -, D", ["B", "A", "D"], 2 / 3),
        ("B, A", ["B", "A", "D"], 0),
        ("AC", ["AC"], 1),
        ("CA", ["AC"], 1),
        ("A", ["AC"], 0.5),
        ("AD", ["AC"], 0),
        ("ACD", ["AC"], 0),
        ("AB", ["A"], 0),
        ("A, C", ["C"], 1),  # the last of several statements
        ("", ["C"], 0),
        ("-", ["C"], 0),
    ],
)
def test_score(answer: str, gold: list[str], score: float) -> None:
    assert scored(answer, gold) == pytest.approx(score)


def test_numbers_are_points_and_questions() -> None:
    numbers = scored("B, C, AC", ["B", "A", "ACD"], "4").numbers
    assert numbers == {"scoring_rate": (6, 12), "questions": (1, 3)}


def test_without_points_each_question_has_one() -> None:
    assert scored("B, C", ["B", "A"], options={}).numbers["scoring_rate"] == (1, 2)


def test_nothing_read_counts_with_all_points() -> None:
    assert METRICS["choice_list"].scores_unparsed
    assert scored("", ["B", "A"], "1.5").numbers == {"scoring_rate": (0, 3), "questions": (0, 2)}


def test_reason_for_another_number_of_answers() -> None:
    assert scored("B, A", ["B", "A", "D"]).reason == "2 answers to 3 questions"
    assert scored("", ["B", "A"]).reason == ""


@pytest.mark.parametrize("points", ["", "six", "0", "-1", "inf", "nan"])
def test_bad_points_are_a_problem_of_the_row(points: str) -> None:
    problem = METRICS["choice_list"].row_problem(POINTS, {"score": points})
    assert problem == f"score must be a number of points above 0, not {points!r}"


@pytest.mark.parametrize(("options", "fields"), [(POINTS, {"score": "1.5"}), ({}, {}), ({"columns": {}}, {})])
def test_good_points(options: Mapping[str, object], fields: Mapping[str, str]) -> None:
    assert METRICS["choice_list"].row_problem(options, fields) is None


@pytest.mark.parametrize("gold", ["", "A", "{}", '["A", 1]', '["A", ""]', "[]", "[" * 10_000])
def test_other_gold_answers_are_a_problem(gold: str) -> None:
    assert METRICS["choice_list"].gold_problem(gold) == 'it must be a list of labels, as in ["B", "AC"]'


@pytest.mark.parametrize("options", [{"credit": "half"}, {"columns": "score"}, {"columns": {"score": "a"}}])
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"t\.toml"):
        METRICS["choice_list"].make(options, "t.toml [metric]")


@given(
    st.text("ABCD, -", max_size=40),
    st.lists(st.text("ABCD", min_size=1, max_size=3), min_size=1, max_size=20),
)
def test_any_answer_has_a_score(answer: str, gold: list[str]) -> None:
    score = scored(answer, gold, "2")
    earned, possible = numbers_of(score)["scoring_rate"]  # type: ignore[misc]
    assert 0 <= score <= 1 and earned == pytest.approx(score * possible)
