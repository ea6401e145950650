"""Reading the rows of tables, good and bad. Data files are hostile text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.questions import read_table
from tests.support.question_files import HEADER, ROW, ROWS, benchmark, lines, written


def read(text: str | bytes, toml: str = "", *, due: bool = True, name: str = "t.csv") -> list[Question]:
    raw = text if isinstance(text, bytes) else text.encode()
    return read_table(raw, Path(name), benchmark(toml), "birds", due)


def fails(text: str | bytes, toml: str = "", **more: object) -> str:
    with pytest.raises(UserError) as caught:
        read(text, toml, **more)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith("t.csv") and message.isprintable()
    return message


def problem(text: str, toml: str = "", *, due: bool = True) -> str | None:
    (question,) = read(text, toml, due=due)
    return question.problem


def test_a_csv() -> None:
    (question,) = read(lines(HEADER, ROW))
    assert question.id == "own/birds/0"
    assert (question.benchmark, question.subject, question.key) == ("own", "birds", "0")
    assert question.choices == {"A": "企鹅", "B": "麻雀", "C": "燕子", "D": "乌鸦"}
    assert list(question.choices) == ["A", "B", "C", "D"]
    assert (question.answer, question.problem) == ("A", None)
    assert question.fields["question"] == "哪种鸟会游泳？"
    assert question.fields["id"] == "0"


def test_ids_are_places_unless_a_column_has_them() -> None:
    text = lines(HEADER, "7" + ROW[1:], "3" + ROW[1:])
    assert [question.key for question in read(text)] == ["0", "1"]
    assert [question.key for question in read(text, "data.id = 'id'")] == ["7", "3"]


def test_columns_by_other_names() -> None:
    toml = "[data]\nid = ''\nquestion = 'Question'\nanswer = 'Answer'"
    (question,) = read(lines(",Question,A,B,C,D,Answer", ROW.replace(",A", ", B ")), toml)
    assert question.fields["question"] == "哪种鸟会游泳？"
    assert (question.key, question.answer) == ("0", "B")


def test_open_questions_have_any_answer() -> None:
    (question,) = read(lines("question,answer", "2+2?, #### 4 "), "data.choices = []")
    assert (question.answer, dict(question.choices), question.problem) == ("#### 4", {}, None)


def test_rows_name_their_subject() -> None:
    text = lines("subject,question,answer", "birds,q?,4", "trees,q?,5", "birds,r?,6")
    questions = read(text, "[data]\nchoices = []\nsubject = 'subject'")
    assert [question.id for question in questions] == ["own/birds/0", "own/trees/1", "own/birds/2"]


def test_jsonl() -> None:
    rows = [
        {"question": "几？\n", "A": 1, "B": 2.5, "C": True, "D": ["x", "树"], "answer": "B", "id": "k-1"},
        {"question": "q", "A": "a", "B": "b", "C": "c", "D": "d", "answer": "D", "id": "k-2", "more": None},
    ]
    text = "\n\n".join(json.dumps(row) for row in rows) + "\r\n"
    first, second = read(text, "[data]\nformat = 'jsonl'\nid = 'id'")
    assert first.choices == {"A": "1", "B": "2.5", "C": "true", "D": '["x", "树"]'}
    assert (first.key, first.answer, first.fields["question"]) == ("k-1", "B", "几？\n")
    assert (second.key, second.answer, second.problem) == ("k-2", "D", None)


def test_json_null_is_a_cell_without_text() -> None:
    text = '{"question": "q", "answer": null}\n{"question": "r", "answer": "4"}'
    first, second = read(text, "[data]\nformat = 'jsonl'\nchoices = []")
    assert first.problem == "t.csv, line 1: the answer is missing"
    assert (second.answer, second.problem) == ("4", None)


def test_half_a_surrogate_pair_harms_its_row_only() -> None:
    text = '{"question": "q\\ud83d", "answer": "4"}\n{"question": "\\ud83d\\ude00", "answer": "4"}'
    first, second = read(text, "[data]\nformat = 'jsonl'\nchoices = []")
    assert first.problem == "t.csv, line 1: a character is broken (half a surrogate pair)"
    assert first.fields["question"].encode() == b"q?"
    assert (second.problem, second.fields["question"]) == (None, "😀")


def test_quoted_cells() -> None:
    text = 'id,question,A,B,C,D,answer\r\n0,"一,二\n三 ""四""","a\r\nb",",",c,d,A\r\n'
    (question,) = read(text)
    assert question.fields["question"] == '一,二\n三 "四"'
    assert question.choices == {"A": "a\r\nb", "B": ",", "C": "c", "D": "d"}
    assert question.problem is None


def test_cells_are_kept_as_they_are() -> None:
    text = lines(HEADER, "0, {{ 7*7 }} <b>{% raw %}&amp;\\n ,=1+1,B,C,D,A")
    (question,) = read(text)
    assert question.fields["question"] == " {{ 7*7 }} <b>{% raw %}&amp;\\n "
    assert question.choices["A"] == "=1+1"


def test_very_long_cells() -> None:
    long = "长" * 200_000
    (question,) = read(lines(HEADER, f"0,{long},A,B,C,D,A"))
    assert question.fields["question"] == long


def test_a_byte_order_mark_is_no_mistake() -> None:
    (question,) = read(("﻿" + lines(HEADER, ROW)).encode(), "data.id = 'id'")
    assert (question.key, question.problem) == ("0", None)


def test_blank_lines_and_blanks_in_the_header() -> None:
    questions = read("\n id ,question, A ,B,C,D,answer\n\n" + ROW + "\n\n", "data.id = 'id'")
    assert [question.key for question in questions] == ["0"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    assert len(read(end.join([HEADER, ROW, ROW]))) == 2


# files that are no tables


@pytest.mark.parametrize("column", HEADER.split(",")[1:])
def test_a_missing_column(column: str) -> None:
    header = HEADER.replace(f",{column}", ",Z")
    said = fails(lines(header, ROW))
    assert f"t.csv: column '{column}' is missing; the columns are 'id', " in said and "'Z'" in said


def test_a_missing_column_of_the_benchmarks_own() -> None:
    assert "column 'no' is missing" in fails(lines(HEADER, ROW), "data.id = 'no'")
    assert "column 'hint' is missing" in fails(lines(HEADER, ROW), "data.columns = ['hint']")
    assert "column 'topic' is missing" in fails(lines(HEADER, ROW), "data.subject = 'topic'")


def test_hostile_column_names_stay_on_one_line() -> None:
    header = ",".join(f'"x\n\x1b[31m{n}{"y" * 100}"' for n in range(30))
    assert len(fails(lines(header, ROW))) < 250
    assert len(fails(lines(header + "," + header, ROW))) < 250


@pytest.mark.parametrize("text", ["", "\n", "\n\n\n", "﻿", HEADER, HEADER + "\n\n"])
def test_no_rows(text: str) -> None:
    assert fails(text) == "t.csv: no rows; the file is empty or has only a header"
    assert fails("\n", "data.format = 'jsonl'") == "t.csv: no rows; the file is empty or has only a header"


def test_gbk() -> None:
    said = fails(lines(HEADER, ROW).encode("gbk"))
    assert (
        said == "t.csv, line 2: not UTF-8; it looks like GBK: convert it with iconv -f GB18030 -t UTF-8 t.csv"
    )


def test_neither_utf8_nor_gbk() -> None:
    assert fails(lines(HEADER, ROW).encode() + b"\n\xff\xff") == "t.csv, line 4: not UTF-8; save it as UTF-8"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (['0,"q,A,B,C,D,A'], 2),
        (["0,q,A,B,C,D,A", '1,"q"r,A,B,C,D,A'], 3),
        (['0,"q\n\nq",A,B,C,D,A', '1,"q,A,B,C,D,A', "2,q,A,B,C,D,A"], 5),
    ],
)
def test_broken_quoting(rows: Sequence[str], line: int) -> None:
    said = fails(lines(HEADER, *rows))
    assert said.startswith(f"t.csv, line {line}: broken CSV: ") and said.endswith("; check the quotes")


def test_nul() -> None:
    said = fails(lines(HEADER, ROW, "1,q\0,A,B,C,D,A"))
    assert said == "t.csv, line 3: not a text file (a NUL character); remove it from the file"


def test_two_columns_of_one_name() -> None:
    said = fails(lines(HEADER.replace("B", "A"), ROW))
    assert said == "t.csv: two columns have the same name: id,question,A,A,C,D,answer".replace(",", ", ") + (
        "; rename one of them"
    )


def test_an_id_twice() -> None:
    text = lines(HEADER, ROW, "1" + ROW[1:], ROW)
    said = fails(text, "data.id = 'id'")
    assert said == "t.csv, line 4: id 0 occurs twice (first in line 2); each id must be unique"


def test_the_same_id_in_two_subjects() -> None:
    text = lines("subject,id,question,answer", "birds,1,q?,4", "trees,1,q?,5")
    toml = "[data]\nchoices = []\nsubject = 'subject'\nid = 'id'"
    assert [question.id for question in read(text, toml)] == ["own/birds/1", "own/trees/1"]
    assert "line 4: id 1 occurs twice (first in line 2)" in fails(text + "birds,1,q?,4\n", toml)


@pytest.mark.parametrize("key", ["", "x", "-1", "1.0", "一", "٣", "1234567890", "[0]"])
def test_ids_that_are_no_numbers(key: str) -> None:
    said = fails(lines(HEADER, key + ROW[1:]), "[data]\nid = 'id'\nids = 'number'")
    assert said.startswith("t.csv, line 2: id ") and said.endswith("must be a whole number")


@pytest.mark.parametrize("key", ["", "a b", "题", "a/b", "a::b", "[a]", "x" * 81])
def test_ids_that_are_no_names(key: str) -> None:
    said = fails(lines(HEADER, key + ROW[1:]), "data.id = 'id'")
    assert said.startswith("t.csv, line 2: id ") and said.endswith(
        "must be 1 to 80 ASCII letters, digits, . _ or -"
    )


def test_subjects_in_words_get_keys() -> None:
    toml = "[data]\nchoices = []\nsubject = 's'\n[subjects]\nlaw = { name = 'Law and Order', zh = '法律' }"
    found = read(
        lines("s,question,answer", *(f"{s},q,4" for s in ("Cell Biology", "鸟类", "法律", "law"))), toml
    )
    assert [one.subject for one in found] == ["cell_biology", "subject_d54233", "law", "law"]


def test_aliases_of_columns() -> None:
    toml = (
        "[data]\nchoices = []\nquestion = 'problem'\n[data.aliases]\nproblem = ['q', 'task']\nanswer = 'gold'"
    )
    for header in ("problem,answer", "task,gold", "q,answer"):
        (one,) = read(lines(header, "1+1?,2"), toml)
        assert (one.fields["question"], one.answer) == ("1+1?", "2")
    assert "column 'problem' is missing" in fails(lines("x,answer", "1+1?,2"), toml)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "t.csv, line 1: not JSON: "),
        ('{"question": "q", "answer": "4"}\nquestion\nanswer', "t.csv, line 2: not JSON: "),
        ('{"question": "q", "answer": "4"}\n[1]\n2', "t.csv, line 2: a row must be an object"),
        ('[\n  {"question": "q", "answer": "4"} 5\n]', "t.csv, line 2: not JSON: "),
        ('[\n  {"question": "q", "answer": "4"}\n', "t.csv, line 3: the list of rows does not end"),
        ("[" * 100_000, "t.csv, line 1: not JSON: "),
        ("1" * 5000, "t.csv, line 1: not JSON: "),
        (
            '{"qestion": "q", "answer": "4"}',
            "t.csv: column 'question' is missing; the columns are 'qestion', 'answer'",
        ),
    ],
)
def test_bad_jsonl(text: str, said: str) -> None:
    assert fails(text, "[data]\nformat = 'jsonl'\nchoices = []").startswith(said)


# single bad rows are their items' errors


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question": "q", "answer": ', "not JSON: Expecting value (column 2"),
        ("question: q", "not JSON: Expecting value (column 1)"),
        ("[" * 100_000, "not JSON: "),
        ("1" * 5000, "not JSON: "),
        ('["q", "4"]', "a row must be an object, as in"),
        ("null", "a row must be an object, as in"),
    ],
)
@pytest.mark.parametrize("ids", ["", "id = 'id'\nids = 'number'"])
def test_a_broken_line_of_jsonl_is_one_question_s_problem(line: str, said: str, ids: str) -> None:
    fine = ['{"question": "q", "answer": "4", "id": 0}', '{"question": "r", "answer": "4", "id": 1}']
    toml = f"[data]\nformat = 'jsonl'\nchoices = []\n{ids}"
    for place in range(3):
        found = read("\n".join([*fine[:place], line, *fine[place:]]), toml)
        assert [one.problem is None for one in found] == [at != place for at in range(3)]
        bad = found.pop(place)
        assert bad.problem is not None and bad.problem.startswith(f"t.csv, line {place + 1}: {said}")
        assert (bad.subject, bad.answer) == ("birds", None) and len(bad.problem) < 200
        # its row number, unless another row has that for its id
        assert bad.key == (str(place) if place == 2 or not ids else str(place + 3))
        assert [one.answer for one in found] == ["4", "4"]


def test_columns_are_those_of_all_rows() -> None:
    text = 'nothing\n{"question": "q"}\n{"question": "r", "answer": "4"}'
    none, first, second = read(text, "[data]\nformat = 'jsonl'\nchoices = []")
    assert none.problem is not None and first.problem == "t.csv, line 2: the answer is missing"
    assert second.problem is None


def test_a_row_with_a_problem_has_its_own_id_and_subject_where_they_can_be_believed() -> None:
    toml = "[data]\nchoices = []\nsubject = 's'\nid = 'id'"
    rows = ["a,1,q,4", "b,2,q,4", "b,3,q", "a,1,q,4,5", "x,7,q", ",8,q,4", "a,é,q,4", "b,4,q,4", "a,5,q,4"]
    found = read(lines("s,id,question,answer", *rows), toml)
    assert [one.id for one in found] == [
        *("own/a/1", "own/b/2", "own/b/3", "own/a/3", "own/birds/7", "own/birds/8", "own/a/6"),
        *("own/b/4", "own/a/5"),
    ]
    assert [one.problem is None for one in found] == [True] * 2 + [False] * 5 + [True] * 2
    assert found[5].problem == "t.csv, line 7: subject '' must be 1 to 80 ASCII letters, digits, . _ or -"
    assert found[6].problem is not None and "line 8: id 'é' must be" in found[6].problem


def test_null_in_parquet_is_one_question_s_problem(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "q.parquet"
    columns = {
        "id": ["0", None, "2", "3", "4"],
        "question": ["q", "q", None, "q", "q"],
        "A": ["a", "a", "a", None, "a"],
        "B": ["b"] * 5,
        "answer": ["A", "A", "A", "A", None],
    }
    parquet.write_table(pyarrow.table(columns), path)
    toml = "[data]\nformat = 'parquet'\nchoices = ['A', 'B']\nid = 'id'"
    found = read_table(path.read_bytes(), path, benchmark(toml), "birds", True)
    assert [one.key for one in found] == ["0", "1", "2", "3", "4"]
    assert [one.problem for one in found] == [
        None,
        "q.parquet, line 2: id '' must be 1 to 80 ASCII letters, digits, . _ or -",
        "q.parquet, line 3: the question is empty",
        "q.parquet, line 4: choice A is empty",
        "q.parquet, line 5: the answer is missing",
    ]


@given(
    st.lists(st.sampled_from(["fine", "{", "[]", "twice"]), min_size=1, max_size=12),
    st.lists(st.integers(0, 30), min_size=12, max_size=12, unique=True),
)
def test_no_row_is_lost_and_no_id_is_there_twice(kinds: list[str], numbers: list[int]) -> None:
    rows = [json.dumps({"question": "q", "answer": "4", "id": number}) for number in numbers]
    text = "\n".join(row if kind == "fine" else kind for kind, row in zip(kinds, rows, strict=False))
    toml = "[data]\nformat = 'jsonl'\nchoices = []\nid = 'id'\nids = 'number'"
    fine = kinds.count("fine")
    if fine * 2 < len(kinds):
        fails(text, toml)
        return
    found = read(text, toml)
    assert [one.problem is None for one in found] == [kind == "fine" for kind in kinds]
    assert len({one.id for one in found}) == len(kinds)
    own = [str(number) for kind, number in zip(kinds, numbers, strict=False) if kind == "fine"]
    assert [one.key for one in found if one.problem is None] == own


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0,q,a,b,c,d,", "the answer is missing"),
        ("0,q,a,b,c,d,  ", "the answer is missing"),
        ("0,q,a,b,c,d,E", "answer 'E' is not one of A, B, C, D"),
        ("0,q,a,b,c,d,a", "answer 'a' is not one of A, B, C, D"),
        ("0,q,a,b,c,d,AB", "answer 'AB' is not one of A, B, C, D"),
        ('0,q,a,b,c,d,"x\n\x1b[1m' + "y" * 99 + '"', "answer 'x\\n\\x1b[1myyy"),
        ("0, ,a,b,c,d,A", "the question is empty"),
        ("0,q,a,,c,d,A", "choice B is empty"),
        ("0,q,a,b,c,d", "6 cells instead of 7 (a comma without quotes?)"),
        ("0,q,q,a,b,c,d,A", "8 cells instead of 7 (a comma without quotes?)"),
    ],
)
def test_bad_rows(row: str, said: str) -> None:
    good = ROW.replace("0,", "1,", 1)
    bad, fine = read(lines(HEADER, row, good))
    assert bad.problem is not None
    assert bad.problem.startswith(f"t.csv, line 2: {said}")
    assert bad.problem.isprintable() and len(bad.problem) < 120
    assert bad.answer is None or "cells" in said or "empty" in said
    assert (fine.problem, fine.answer) == (None, "A")


def test_the_line_is_where_the_row_begins() -> None:
    text = lines(HEADER, '0,"q\nq\nq",a,b,c,d,A', "", "1,q,a,b,c,d,X")
    assert read(text)[1].problem == "t.csv, line 6: answer 'X' is not one of A, B, C, D"


def test_a_split_without_answers() -> None:
    header, row = HEADER.removesuffix(",answer"), ROW.removesuffix(",A")
    (question,) = read(lines(header, row), due=False)
    assert (question.answer, question.problem) == (None, None)
    (question,) = read(lines(HEADER, row + ","), due=False)
    assert (question.answer, question.problem) == (None, None)
    assert problem(lines(HEADER, row + ",X"), due=False) is not None
    assert "column 'answer' is missing" in fails(lines(header, row))


# what always holds


def joined(question: str) -> str:
    """The text of a question without a passage: of its parts, blank ones are left out."""
    return question if question.strip() else ""


@given(ROWS)
def test_what_is_written_is_read(rows: list[tuple[str, ...]]) -> None:
    questions = read(written(rows), "data.id = 'id'")
    assert [question.key for question in questions] == [str(number) for number in range(len(rows))]
    for question, row in zip(questions, rows, strict=True):
        cells = [joined(row[0]), *row[1:5]]
        while len(cells) > 3 and not cells[-1].strip():
            del cells[-1]  # fewer choices than columns
        assert [question.fields["question"], *question.choices.values()] == cells
        assert question.fields["answer"] == row[5]
        blank = not all(cell.strip() for cell in cells)
        gold = row[5].strip()
        named = gold in question.choices or [cell.strip() for cell in cells[1:]].count(gold) == 1
        styled = question.answer is not None  # written in another way than the labels, throughout the file
        assert (question.problem is None) == (not blank and (named or styled))


@given(ROWS)
def test_json_is_read_as_it_was_written(rows: list[tuple[str, ...]]) -> None:
    names = HEADER.split(",")[1:]
    text = "\n".join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows)
    for question, row in zip(read(text, "data.format = 'jsonl'"), rows, strict=True):
        assert [question.fields[name] for name in names] == [joined(row[0]), *row[1:]]


@given(st.binary(max_size=300), st.sampled_from(["csv", "jsonl"]))
def test_no_file_is_a_traceback(raw: bytes, kind: str) -> None:
    try:
        read(raw, f"data.format = '{kind}'")
    except UserError as error:
        assert str(error).isprintable()


@given(st.text('id,question,A,B,C,D,answer\n"\r{}[]:\\u😀0', max_size=80), st.sampled_from(["csv", "jsonl"]))
def test_no_text_is_a_traceback(text: str, kind: str) -> None:
    try:
        questions = read(text if kind == "jsonl" else HEADER + "\n" + text, f"data.format = '{kind}'")
    except UserError as error:
        assert str(error).isprintable()
    else:
        assert questions and all(q.answer in (None, *q.choices) for q in questions)


@pytest.mark.parametrize(
    ("metric", "gold", "other"),
    [("number", "(3|4]", "math"), ("number", "Rome", "exact"), ("json", "{", "exact")],
)
def test_a_gold_answer_of_another_metric_refuses_the_file(metric: str, gold: str, other: str) -> None:
    text = f"question,answer\nHow many?,7\nWhich?,{gold}\n"
    message = fails(text, f"metric = '{metric}'\n[data]\nchoices = []")
    assert message.startswith("t.csv, line 3: answer ") and f'use metric = "{other}"' in message


FIXED = '[data]\nfixed_choices = { B = "No", A = "Yes" }\nanswer_index = 0\n'


def test_choices_of_every_row() -> None:
    rows = lines("question,answer", "q,0", "q,true", "q,False", "q,B", "q,Yes", "q,maybe", "q,2")
    questions = read(rows, FIXED)
    assert all(question.choices == {"B": "No", "A": "Yes"} for question in questions)
    assert [question.answer for question in questions[:5]] == ["B", "A", "B", "B", "A"]
    assert ["is not one of B, A" in (question.problem or "") for question in questions[5:]] == [True, True]


@pytest.mark.parametrize("value", ['"Yes"', '["Yes", "No"]', "{ A = 1 }"])
def test_fixed_choices_are_labels_and_texts(value: str) -> None:
    with pytest.raises(UserError, match="not a table of labels and texts"):
        benchmark(f"[data]\nfixed_choices = {value}")


def test_a_list_is_one_gold_answer_for_metrics_with_whole_gold() -> None:
    row = json.dumps({"question": "1. ... 2. ...", "answer": ["B", "A", "B"]})
    toml = '[metric]\nname = "{}"\n[data]\nformat = "jsonl"\nchoices = []'
    (whole,) = read(row, toml.format("choice_list"), name="t.jsonl")
    assert (whole.answer, whole.problem) == ('["B", "A", "B"]', None)
    (alternatives,) = read(row, toml.format("exact"), name="t.jsonl")
    assert alternatives.answer == '["B", "A"]'
