"""Rows of JSON files, in whatever arrangement."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.json_rows import json_rows

PATH = Path("t.json")
ROWS = [{"question": f"q{number}?", "answer": "a\nb", "choices": ["x", "y"]} for number in range(3)]
#: ways to write rows, and the line of the last one
WAYS = {
    "lines": ("\n".join(map(json.dumps, ROWS)), 3),
    "lines of an old Mac": ("\r".join(map(json.dumps, ROWS)), 3),
    "a list": (json.dumps(ROWS), 1),
    "an indented list": (json.dumps(ROWS, indent=2), 18),
    "a list, a row a line": ("[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n", 4),
    "indented objects": ("\n".join(json.dumps(row, indent=1) for row in ROWS), 17),
    "objects in one line": (" ".join(map(json.dumps, ROWS)), 1),
}


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_rows(way: str, lines: bool) -> None:
    text, last = WAYS[way]
    rows = json_rows(text, PATH, lines=lines)
    assert [cells for _, cells, _ in rows] == ROWS
    assert [problem for *_, problem in rows] == [None] * 3
    assert rows[-1][0] == last


@pytest.mark.parametrize(
    "content",
    [
        {"version": "1.0", "data": ROWS},
        {"name": "task", "examples": ROWS},
        {key: [row[key] for row in ROWS] for key in ROWS[0]},
        {key: {str(number): row[key] for number, row in enumerate(ROWS)} for key in ROWS[0]},
    ],
)
def test_an_object_with_the_rows(content: object) -> None:
    for indent in (None, 2):
        rows = json_rows(json.dumps(content, indent=indent), PATH, lines=False)
        assert [cells for _, cells, _ in rows] == ROWS


def test_one_object_is_one_row() -> None:
    row = {"messages": [{"role": "user", "content": "?"}], "target": "x"}
    for lines in (False, True):
        assert json_rows(json.dumps(row), PATH, lines=lines) == [(1, row, None)]
    assert json_rows(json.dumps(ROWS[0], indent=1), PATH, lines=True) == [(1, ROWS[0], None)]


def test_a_row_that_is_none() -> None:
    text = json.dumps([ROWS[0], 5, ROWS[1]], indent=1)
    _, bad, _ = json_rows(text, PATH, lines=False)
    assert bad == (10, {}, 'a row must be an object, as in {"question": ...}')


def test_not_a_number_is_missing() -> None:
    assert json_rows('[{"a": NaN}]', PATH, lines=False) == [(1, {"a": None}, None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(ROWS, indent=2)[:-40], "t.json, line 21: not JSON: "),
        (json.dumps(ROWS, indent=2)[:-2], "t.json, line 25: the list of rows does not end (']' is missing)"),
        (json.dumps(ROWS, indent=2) + "x", "t.json, line 26: not JSON: text follows the list of rows"),
        ('[\n{"a": 1}\n{"a": 2}\n]', "t.json, line 3: not JSON: ',' or ']' is missing after a row"),
        ("[1, 2, 3]", "t.json, line 1: a row must be an object"),
        ("question,answer\nq,a", "t.json, line 1: not JSON: "),
        ("[" * 100_000, "t.json, line 1: not JSON: "),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        json_rows(text, PATH, lines=False)
    assert str(caught.value).startswith(said)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(
    st.lists(st.dictionaries(st.text(max_size=4), VALUES, min_size=1), min_size=2), st.sampled_from([None, 1])
)
def test_a_list_of_objects_and_lines_of_objects_are_the_same(
    rows: list[dict[str, object]], indent: int | None
) -> None:
    listed = json_rows(json.dumps(rows, indent=indent), PATH, lines=False)
    in_lines = json_rows("\n".join(map(json.dumps, rows)), PATH, lines=True)
    assert [cells for _, cells, _ in listed] == [cells for _, cells, _ in in_lines] == rows


@given(st.text(alphabet='[]{}",:1a\n ', max_size=40), st.booleans())
def test_any_text_gives_rows_or_one_line(text: str, lines: bool) -> None:
    try:
        rows = json_rows(text, PATH, lines=lines)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert all(line >= 1 for line, *_ in rows)
