"""Conditions that select rows, of questions and of examples."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.spec import Benchmark, parse, scoring
from pytest_llmeval.suites.splits import load_questions, load_shots, locate
from pytest_llmeval.suites.where import WHERE

TOML = """
metric = "exact"
shots = 0
[data]
format = "jsonl"
paths = ["rows.jsonl"]
choices = []
"""


@pytest.mark.parametrize(
    ("conditions", "cell", "holds"),
    [
        (">=2024-08-01", "2024-08-01T00:00:00", True),
        (">=2024-08-01", "2024-07-31 23:59:59", False),
        ("<=2024-08-01", "2024-08-01T00:00:01", False),
        ("< 2024-08-01T12:00", "2024-08-01", True),
        ([">=11", "<=510"], "11", True),
        ([">=11", "<=510"], "511", False),
        ([">=11", "<=510"], "9", False),  # not as texts
        ([2, 3, 4], "3", True),
        ([2, 3, 4], "3.0", True),
        ([2, 3, 4], "23", False),
        ("easy", " easy ", True),
        ("== easy", "Easy", False),
        ("!=easy", "hard", True),
        (["easy", "hard"], "medium", False),
        ([1, 2, ">1"], "1", False),
        (True, "true", True),
        ("", "", True),
    ],
)
def test_conditions(conditions: object, cell: str, holds: bool) -> None:
    assert WHERE.convert({"c": conditions}).holds({"c": cell}) is holds


@pytest.mark.parametrize(
    ("conditions", "cell", "problem"),
    [
        (">=2024-08-01", "soon", "c: 'soon' is not a date"),
        (">=2024-08-01", "", "c: '' is not a date"),
        ("<3", "few", "c: 'few' is not a number"),
    ],
)
def test_cells_that_cannot_be_compared(conditions: object, cell: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        WHERE.convert({"c": conditions}).holds({"c": cell})


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "a table of columns"),
        ("c > 3", "a table of columns"),
        ({"c": {}}, "c needs a text, a number"),
        ({"c": []}, "c needs a text, a number"),
        ({"c": ">=soon"}, "'?>=soon'? compares neither a number nor a date"),
        ({"c": "<2024-13-01"}, "c: '2024-13-01' is not a date"),
    ],
)
def test_wrong_conditions(value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        WHERE.convert(value)


@given(
    st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.lists(st.text() | st.floats())),
    st.text(),
)
def test_any_conditions_hold_or_say_why_not(value: dict[str, object], cell: str) -> None:
    try:
        WHERE.convert(value).holds(dict.fromkeys(value, cell))
    except ValueError as error:
        assert str(error)


def made(folder: Path, keys: str, rows: list[dict[str, object]]) -> Benchmark:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return parse(tomllib.loads(TOML + keys), folder / "benchmark.toml")


ROWS: list[dict[str, object]] = [
    {"question": f"q{n}", "answer": str(n), "n": n, "date": f"2024-0{n + 1}-01"} for n in range(6)
]


def test_questions_keep_their_ids(tmp_path: Path) -> None:
    benchmark = made(tmp_path, 'where = { date = [">=2024-03-01", "<2024-06-01"], n = "!=3" }', ROWS)
    layout = locate(benchmark, "test", None, tmp_path)
    questions = load_questions(benchmark, layout, "test").questions
    assert [(question.key, question.answer) for question in questions] == [("2", "2"), ("4", "4")]
    assert scoring(benchmark, "generate")["data.where"] == "date >=2024-03-01, date <2024-06-01, n !=3"


def test_a_cell_that_cannot_be_read_is_no_silent_loss(tmp_path: Path) -> None:
    benchmark = made(tmp_path, "where = { n = '>=4' }", [*ROWS, {**ROWS[0], "n": "many"}])
    questions = load_questions(benchmark, locate(benchmark, "test", None, tmp_path), "test").questions
    assert [question.problem for question in questions] == [
        None,
        None,
        "rows.jsonl, line 7: n: 'many' is not a number",
    ]


def test_no_row_and_no_column(tmp_path: Path) -> None:
    none = made(tmp_path, "where = { n = '>99' }", ROWS)
    with pytest.raises(UserError, match=r"no row of .*rows.jsonl satisfies where \(n >99\)"):
        load_questions(none, locate(none, "test", None, tmp_path), "test")
    missing = made(tmp_path, "where = { m = 1 }", ROWS)
    with pytest.raises(UserError, match="column 'm' is missing"):
        load_questions(missing, locate(missing, "test", None, tmp_path), "test")


def test_examples_of_the_same_file(tmp_path: Path) -> None:
    benchmark = made(tmp_path, "where = { n = '<5' }\nshots_where = { n = [1, 2] }", ROWS)
    layout = locate(benchmark, "test", None, tmp_path)
    questions = load_questions(benchmark, layout, "test").questions
    assert [question.key for question in questions] == ["0", "3", "4"]
    shots = load_shots(benchmark, layout, {questions[0].subject}, 2)
    assert [shot.answer for shot in shots[questions[0].subject]] == ["1", "2"]
    with pytest.raises(UserError, match="2 examples for subject"):
        load_shots(benchmark, layout, {questions[0].subject}, 3)
