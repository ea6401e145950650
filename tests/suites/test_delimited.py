"""Tables with separators, as spreadsheets and other tools write them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.delimited import delimited_rows

PATH = Path("t.csv")
ROW = {"question": "q?", "A": "x", "B": "y", "answer": "B"}


def read(*lines: str, tabs: bool = False, columns: tuple[str, ...] = ()) -> list[dict[str, object]]:
    rows = delimited_rows("\n".join(lines), PATH, columns, tabs=tabs)
    assert [problem for _, _, problem in rows] == [None] * len(rows)
    return [dict(cells) for _, cells, _ in rows]


def problems(*lines: str) -> list[str | None]:
    return [problem for _, _, problem in delimited_rows("\n".join(lines), PATH)]


def fails(*lines: str) -> str:
    with pytest.raises(UserError) as caught:
        delimited_rows("\n".join(lines), PATH)
    return str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tabs", [False, True])
def test_separators_and_line_ends(separator: str, end: str, tabs: bool) -> None:
    lines = [separator.join(ROW), separator.join(ROW.values()), separator.join(ROW.values()), ""]
    rows = delimited_rows(end.join(lines), PATH, tabs=tabs)
    assert rows == [(2, ROW, None), (3, ROW, None)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_header_alone_tells_the_separator_of_one_row(separator: str) -> None:
    assert read(separator.join(["question", "answer"]), separator.join(["q", "a"])) == [
        {"question": "q", "answer": "a"}
    ]


def test_semicolons_in_the_texts_of_a_file_with_commas() -> None:
    rows = read("question,answer; short", "a; b; c?,x; y", "d; e?,z")
    assert rows[0] == {"question": "a; b; c?", "answer; short": "x; y"}
    assert read("question,answer", "a;b;c\t?,x;y") == [{"question": "a;b;c\t?", "answer": "x;y"}]


def test_commas_in_the_texts_of_a_file_with_semicolons() -> None:
    rows = read("question;price, in EUR;answer", "a, b?;1,50;x", "c?;2,00;y")
    assert rows[0] == {"question": "a, b?", "price, in EUR": "1,50", "answer": "x"}


def test_rows_that_do_not_fit_do_not_change_the_separator() -> None:
    bad = "q, with a comma; and a semicolon?,x,y,B"
    assert problems("question,A,B,answer", bad, "q?,x,y,B", "q?,x,y,A") == [
        "5 cells instead of 4 (a comma without quotes?)", None, None,
    ]  # fmt: skip


def test_one_column() -> None:
    assert read("question", "why; how?") == [{"question": "why; how?"}]


def test_a_table_without_a_header() -> None:
    assert read("q?;a", "r?;b", columns=("question", "answer"))[1] == {"question": "r?", "answer": "b"}


def test_excel_s_separator_line() -> None:
    assert delimited_rows("sep=;\r\nquestion;answer\r\nq, r;a\r\n", PATH) == [
        (3, {"question": "q, r", "answer": "a"}, None)
    ]


def test_excel_s_empty_columns_and_rows() -> None:
    assert read("question,A,B,answer,,", "q?,x,y,B,,", ",,,,,", "q?,x,y,B", "", " , ,,,,") == [ROW, ROW]


def test_a_missing_comma_is_found_beside_empty_columns() -> None:
    assert problems("question,A,B,answer,,", "q, r?,x,y,B,", "q?,x,y,B,,", "q?,x,y") == [
        "5 cells instead of 4 (a comma without quotes?)",
        None,
        "3 cells instead of 4 (a comma without quotes?)",
    ]


def test_columns_without_a_name() -> None:
    assert read(",question,,answer", "0,q,,a", "1,r,,b")[1] == {"": "1", "question": "r", "answer": "b"}
    assert read(",question,,answer", "0,q,n,a") == [
        {"": "0", "question": "q", "Unnamed: 2": "n", "answer": "a"}
    ]


def test_a_header_that_is_repeated() -> None:
    assert read(",".join(ROW), ",".join(ROW.values()), ",".join(ROW), ",".join(ROW.values())) == [ROW, ROW]


def test_blanks_and_byte_order_marks_around_names() -> None:
    assert read("\ufeff question\u00a0,answer ", "q,a") == [{"question": "q", "answer": "a"}]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["question,answer", "q,a", '"r,b', "s,c"],
            "line 3: broken CSV: a quote that opens here is never closed",
        ),
        (["question,answer", '"a\nb",c', '"r" s,b'], "line 4: broken CSV: text follows a closing quote"),
        (["question,question", "q,a"], "two columns have the same name: question, question; rename one"),
    ],
)
def test_what_cannot_be_read(lines: list[str], said: str) -> None:
    assert said in fails(*lines)


def test_a_quote_that_another_row_closes() -> None:
    found = problems("question,A,B,answer", '"q?,x,y,B', "r?,x,y,A", 's?,x",y,B')
    assert found == ["3 cells instead of 4 (a quote that is not closed? the row runs from line 2 to 4)"]


def test_quotes_between_tabs() -> None:
    assert read('question\tanswer', '"Go" he said\ta', 'an inch: 1"\tb', tabs=True) == [
        {"question": '"Go" he said', "answer": "a"}, {"question": 'an inch: 1"', "answer": "b"},
    ]  # fmt: skip
    assert read("question\tanswer", '"q\tr', "s\tt", tabs=True)[0] == {"question": '"q', "answer": "r"}
    assert read("question\tanswer", '"two\nlines"\ta', tabs=True)[0]["question"] == "two\nlines"


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@given(
    separator=st.sampled_from(",;\t|"),
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS.map(lambda text: text + "x")), min_size=1, max_size=8),
)
def test_what_a_tool_writes_is_read(separator: str, rows: list[tuple[str, str, str]]) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([("one", "two", "three"), *rows])
    found = delimited_rows(file.getvalue(), PATH, tabs=separator == "\t")
    assert [tuple(cells.values()) for _, cells, _ in found] == rows
    assert all(problem is None for *_, problem in found)


@given(st.text(max_size=60), st.booleans())
def test_any_text_gives_rows_or_one_line(text: str, tabs: bool) -> None:
    try:
        rows = delimited_rows(text, PATH, tabs=tabs)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert len({tuple(cells) for _, cells, _ in rows}) <= 1
