"""Columns by their usual names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.suites.columns import (
    ANSWER,
    QUESTION,
    canonical,
    choice_columns,
    distractor_columns,
    find_column,
    find_columns,
)


@pytest.mark.parametrize(
    "name", ["Option_A", "option-a", "OPTION A", " optionA ", "ｏｐｔｉｏｎＡ", "option.a"]
)
def test_one_name_in_many_spellings(name: str) -> None:
    assert canonical(name) == "optiona"


def test_names_are_in_the_order_of_preference() -> None:
    columns = ["label", "Target", "ANSWER", "Question"]
    assert find_columns(ANSWER, columns) == ["ANSWER", "Target"]
    assert find_column(QUESTION, columns) == "Question"
    assert find_column(QUESTION, ["answer"]) is None


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["b", "a", "c"], ["a", "b", "c"]),
        (["A", "C"], []),
        (["A", "B", "D"], ["A", "B"]),
        (["answer0", "answer1", "answer2"], []),
        (["option0", "option1"], ["option0", "option1"]),
        (["option1", "option2"], ["option1", "option2"]),
        (["0", "1", "2"], []),
        (["1", "2"], ["1", "2"]),
        (["sentence1", "sentence2"], []),
        (["ctx_a", "ctx_b"], []),
        (["option_a"], []),
        ([f"option{number}" for number in range(1, 13)], [f"option{number}" for number in range(1, 13)]),
    ],
)
def test_series_of_choices(columns: list[str], found: list[str]) -> None:
    assert choice_columns(columns, answers=False) == found


def test_series_of_answers() -> None:
    assert choice_columns(["answer", "answer0", "answer1"], answers=True) == ["answer0", "answer1"]


def test_wrong_choices() -> None:
    columns = [
        "distractor3",
        "Distractor 1",
        "Incorrect Answers",
        "wrong_option_b",
        "错误答案1",
        "wrongly",
        "answer",
    ]
    assert distractor_columns(columns) == columns[:5]


@given(st.lists(st.text()))
def test_found_columns_are_columns(columns: list[str]) -> None:
    assert set(choice_columns(columns, answers=True)) <= set(columns)
    assert set(find_columns((*QUESTION, *ANSWER), columns)) <= set(columns)
