"""The choices of a row, and the gold answer among them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.suites.row_choices import gold_problem, listed_choices, named_choices

TEXTS = st.lists(st.from_regex(r"[a-z\u4e00-\u9fff][\w ]{0,4}", fullmatch=True), min_size=2, max_size=26)


@pytest.mark.parametrize(
    ("cell", "choices"),
    [
        ('["Yes", "No"]', {"A": "Yes", "B": "No"}),
        ("[2, 2.5, true]", {"A": "2", "B": "2.5", "C": "true"}),
        ('{"label": ["1", "2"], "text": ["red", "blue"]}', {"A": "red", "B": "blue"}),
        ('{"label": [0, 2], "text": ["red", "blue"]}', {"0": "red", "2": "blue"}),
        ('{"1": "red", "2": "blue"}', {"A": "red", "B": "blue"}),
        ('{"A": "red", "B": "blue"}', {"A": "red", "B": "blue"}),
        ('[{"label": "A", "text": "red"}, {"label": "C", "text": "blue"}]', {"A": "red", "C": "blue"}),
        ('[{"text": "red"}, {"text": "blue"}]', {"A": "red", "B": "blue"}),
        ('[{"key": "A", "value": "red"}, {"key": "B", "value": "blue"}]', {"A": "red", "B": "blue"}),
        ('{"choices": ["red", "blue"], "labels": [0, 1]}', {"A": "red", "B": "blue"}),
        ('["red", "blue", null, ""]', {"A": "red", "B": "blue"}),
        ('["red", "blue", NaN]', {"A": "red", "B": "blue"}),
        ("['red', 'blue']", {"A": "red", "B": "blue"}),
        ('["A. red", "B. blue"]', {"A": "red", "B": "blue"}),
        ('["(a)19", "(b)20"]', {"A": "19", "B": "20"}),
        ('["A.D. 1", "B.C. 1"]', {"A": "A.D. 1", "B": "B.C. 1"}),
        ('["A) red", "blue"]', {"A": "A) red", "B": "blue"}),
        ("A. red\nB. blue", {"A": "red", "B": "blue"}),
        ("(A) red; (B) blue; (C) green", {"A": "red", "B": "blue", "C": "green"}),
        ("a ) 38 , b ) 27.675 , c ) none", {"A": "38", "B": "27.675", "C": "none"}),
    ],
)
def test_lists(cell: str, choices: dict[str, str]) -> None:
    assert listed_choices(cell, "options") == choices


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("red, blue", "must be a JSON list"),
        ("A. red", "must be a JSON list"),
        ("A. red\nC. blue", "must be a JSON list"),
        ("A. red\nB. blue\nA. green", "must be a JSON list"),
        ("", "must be a JSON list"),
        ("[" * 100_000, "must be a JSON list"),
        ('"red"', "at least 2 choices"),
        ('["red"]', "at least 2 choices"),
        ('{"label": 1, "text": 2}', "at least 2 choices"),
        ('[["red"], ["blue"]]', "must be a text"),
        ('["red", null]', "must be a text"),
        ('[{"label": "A", "text": "red"}, {"label": "A", "text": "blue"}]', "must differ"),
        ('[{"label": "", "text": "red"}, {"label": "B", "text": "blue"}]', "must differ"),
        ('{"label": ["A"], "text": ["red", "blue"]}', "2 choices, but 1 labels"),
        (json.dumps(["x"] * 27), "27 choices, but 26 labels"),
    ],
)
def test_broken_lists(cell: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        listed_choices(cell, "options")


@given(TEXTS)
def test_a_list_keeps_its_texts(texts: list[str]) -> None:
    assert list(listed_choices(json.dumps(texts), "options").values()) == texts


@given(
    st.text(max_size=60)
    | st.builds(json.dumps, st.recursive(st.none() | st.integers() | st.text(), st.lists))
)
def test_a_cell_is_a_list_or_an_error(cell: str) -> None:
    try:
        assert len(listed_choices(cell, "options")) >= 2
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("answer", "sets", "named"),
    [
        ("B", False, "B"),
        ("blue", False, "B"),
        ("b", False, None),
        ("green", False, None),
        ("AB", False, None),
        ("AB", True, "AB"),
        ("B, A", True, "AB"),
        ('["B"]', True, "B"),
        ("blue", True, "B"),
        ("AD", True, None),
    ],
)
def test_gold_answers(answer: str, sets: bool, named: str | None) -> None:
    choices = {"A": "red", "B": "blue", "C": "red"}
    assert named_choices(answer, choices, sets=sets) == named
    if named is None:
        assert answer in gold_problem(answer, choices, sets=sets)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("0", "; if answers are positions, set answer_index to 0 or 1 under [data]"),
        ("2", "; if answers are positions, set answer_index to 0 or 1 under [data]"),
        ("3", ""),
        ("²", ""),
        ("-1", "; it marks rows without a gold answer: use another split, or name it in unanswered_splits"),
        ("AB", '; for questions with several right choices, set metric = "choices"'),
        ("Z", ""),
    ],
)
def test_advice_on_gold_answers(answer: str, advice: str) -> None:
    problem = gold_problem(answer, {"A": "red", "B": "blue"}, sets=False)
    assert problem == f"answer {answer!r} is not one of A, B{advice}"


def test_equal_texts_name_no_choice() -> None:
    assert named_choices("red", {"A": "red", "B": "red"}, sets=False) is None
