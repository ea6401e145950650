"""Finding and reading tables, good and bad. Data files are hostile text."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import DataMissing, UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.data_cache import cache_folder
from pytest_llmeval.suites.questions import FileLayout, Split, load_questions, load_shots, locate, read_table
from pytest_llmeval.suites.spec import Benchmark, parse

HEADER = "id,question,A,B,C,D,answer"
ROW = "0,哪种鸟会游泳？,企鹅,麻雀,燕子,乌鸦,A"
TWO_SUBJECTS = """
split = "val"
shots = 1
[data]
paths = ["{split}/{subject}.csv"]
id = "id"
ids = "number"
unanswered_splits = ["test"]
[subjects]
birds = {zh = "鸟类"}
trees = {zh = "树木"}
"""


def benchmark(text: str = "", folder: Path = Path("/own")) -> Benchmark:
    return parse(tomllib.loads(text), folder / "benchmark.toml")


def read(text: str | bytes, toml: str = "", *, due: bool = True, name: str = "t.csv") -> list[Question]:
    raw = text if isinstance(text, bytes) else text.encode()
    return read_table(raw, Path(name), benchmark(toml), "birds", due)


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def fails(text: str | bytes, toml: str = "", **more: object) -> str:
    with pytest.raises(UserError) as caught:
        read(text, toml, **more)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith("t.csv") and message.isprintable()
    return message


def problem(text: str, toml: str = "", *, due: bool = True) -> str | None:
    (question,) = read(text, toml, due=due)
    return question.problem


def tree(folder: Path, **files: str) -> None:
    """Writes files named as in ``val__birds``."""
    for name, text in files.items():
        place = folder / (name.replace("__", "/") + ".csv")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")


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


# places


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("ceval", "ceval/formal_ceval/val/accountant_val.csv"),
        ("ceval", "data/ceval/formal_ceval/val/accountant_val.csv"),
        ("ceval", "formal_ceval/val/accountant_val.csv"),
        ("ceval", "val/accountant_val.csv"),
        ("ceval", "ceval/val/accountant_val.csv"),
        ("cmmlu", "cmmlu/test/agronomy.csv"),
        ("cmmlu", "data/cmmlu/test/agronomy.csv"),
        ("cmmlu", "test/agronomy.csv"),
    ],
)
def test_layouts(tmp_path: Path, name: str, layout: str) -> None:
    file = tmp_path / "given" / layout
    file.parent.mkdir(parents=True)
    file.write_text("x")
    own = load(packaged()[name])
    subject = file.stem.removesuffix("_val")
    located = locate(own, own.split, tmp_path / "given", tmp_path / "cache")
    assert located.path(own.split, subject) == file
    with pytest.raises(DataMissing):
        locate(own, "dev", tmp_path / "given", tmp_path / "cache")


def test_the_given_folder_comes_before_the_cache(tmp_path: Path) -> None:
    ceval = load(packaged()["ceval"])
    given, cache = tmp_path / "given", tmp_path / "cache"
    cached = cache_folder(ceval, cache)
    for folder in (given, cached):
        (folder / "val").mkdir(parents=True)
        (folder / "val/law_val.csv").write_text("x")
    assert locate(ceval, "val", given, cache).root == given
    assert locate(ceval, "val", None, cache).root == cached
    assert locate(ceval, "val", tmp_path / "nowhere", cache).root == cached


@pytest.mark.parametrize("given", [None, "nowhere", "x" * 5000])
def test_data_that_is_nowhere(tmp_path: Path, given: str | None) -> None:
    ceval = load(packaged()["ceval"])
    data_dir = None if given is None else tmp_path / given
    with pytest.raises(DataMissing) as caught:
        locate(ceval, "val", data_dir, tmp_path / "cache")
    said = str(caught.value)
    assert said.startswith("ceval: no data for split val in ") and said.isprintable()
    assert str(cache_folder(ceval, tmp_path / "cache")) in said and (given is None or str(data_dir) in said)
    assert "--llm-data-dir or LLMEVAL_DATA" in said


def test_data_of_the_benchmarks_own(tmp_path: Path) -> None:
    own = benchmark("[subjects]\nbirds = {}", tmp_path)
    with pytest.raises(UserError) as caught:
        locate(own, "test", tmp_path, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path.name}: no data for split test: expected {tmp_path}/data/test/birds.csv"
    )
    assert not isinstance(caught.value, DataMissing)  # no folder that one could give would help
    for name in ("data", "test", "data__test__birds"):  # each goes before the last
        tree(tmp_path, **{name: lines(HEADER, ROW)})
        located = locate(own, "test", tmp_path / "other", tmp_path)
        assert located.path("test", "birds") == tmp_path / (name.replace("__", "/") + ".csv")


def test_a_folder_with_one_csv(tmp_path: Path) -> None:
    tree(tmp_path, data=lines(HEADER, ROW, ROW))
    own = benchmark("", tmp_path)
    table = load_questions(own, locate(own, "test", None, tmp_path), "test")
    name = tmp_path.name
    assert [question.id for question in table.questions] == [f"{name}/{name}/0", f"{name}/{name}/1"]
    assert table.missing_subjects == ()


# whole benchmarks


def two(folder: Path) -> tuple[Benchmark, FileLayout]:
    own = benchmark(TWO_SUBJECTS, folder)
    return own, locate(own, "val", None, folder)


def table(folder: Path) -> Split:
    own, located = two(folder)
    return load_questions(own, located, "val")


def test_subjects_in_their_order(tmp_path: Path) -> None:
    tree(tmp_path, val__trees=lines(HEADER, ROW), val__birds=lines(HEADER, "5" + ROW[1:], "2" + ROW[1:]))
    assert [f"{q.subject}-{q.key}" for q in table(tmp_path).questions] == ["birds-5", "birds-2", "trees-0"]


def test_an_absent_subject_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, val__trees=lines(HEADER, ROW))
    found = table(tmp_path)
    assert [question.subject for question in found.questions] == ["trees"]
    assert found.missing_subjects == ("birds",)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    tree(tmp_path, val__trees=lines(HEADER, ROW))
    (tmp_path / "val/birds.csv").mkdir()
    assert table(tmp_path).missing_subjects == ("birds",)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, val__trees=lines(HEADER, ROW))

    def refuse(path: Path) -> bytes:  # root may read everything, so chmod would not do
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UserError, match=r"trees\.csv: cannot be read: Permission denied"):
        table(tmp_path)


def test_a_bad_file_is_named_in_full(tmp_path: Path) -> None:
    tree(tmp_path, val__trees=lines(HEADER, ROW), val__birds="")
    with pytest.raises(UserError) as caught:
        table(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/val/birds.csv: no rows")


def test_unanswered_splits(tmp_path: Path) -> None:
    row = ROW.removesuffix("A")
    tree(tmp_path, test__birds=lines(HEADER, row), val__birds=lines(HEADER, row))
    own, located = two(tmp_path)
    assert load_questions(own, located, "test").questions[0].problem is None
    assert load_questions(own, located, "val").questions[0].problem is not None


def test_the_hash_knows_which_file_a_row_is_in(tmp_path: Path) -> None:
    first, second, third = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    tree(first, val__birds=lines(HEADER, ROW))
    tree(second, val__trees=lines(HEADER, ROW))
    tree(third, val__birds=lines(HEADER, ROW))
    assert table(first).sha256 == table(third).sha256 != table(second).sha256
    assert len(table(first).sha256) == 64


# shots


def shots(folder: Path, subjects: Sequence[str], count: int) -> dict[str, tuple[Question, ...]]:
    own, located = two(folder)
    return load_shots(own, located, subjects, count)


def test_the_first_rows_are_the_shots(tmp_path: Path) -> None:
    rows = [f"{n}{ROW[1:]}" for n in (4, 2, 9)]
    tree(tmp_path, val__birds="x", dev__birds=lines(HEADER, *rows), dev__trees=lines(HEADER, *rows))
    found = shots(tmp_path, ["trees", "birds"], 2)
    assert {subject: [q.key for q in rows] for subject, rows in found.items()} == {
        "birds": ["4", "2"],
        "trees": ["4", "2"],
    }
    assert set(shots(tmp_path, ["trees"], 2)) == {"trees"}


def test_missing_shots_for_a_subject_that_is_there(tmp_path: Path) -> None:
    tree(tmp_path, val__birds="x", dev__birds=lines(HEADER, ROW))
    assert set(shots(tmp_path, ["birds"], 1)) == {"birds"}  # trees are not asked about
    with pytest.raises(UserError) as caught:
        shots(tmp_path, ["birds", "trees"], 1)
    assert str(caught.value) == (
        f"{tmp_path.name}: no examples for subject trees: {tmp_path}/dev/trees.csv is missing; "
        "add it, or give --llm-shots=0"
    )


def test_too_few_shots(tmp_path: Path) -> None:
    tree(tmp_path, val__birds="x", dev__birds=lines(HEADER, ROW))
    with pytest.raises(UserError) as caught:
        shots(tmp_path, ["birds"], 2)
    assert str(caught.value) == (
        f"{tmp_path}/dev/birds.csv: 1 examples for subject birds, but 2 are needed; "
        "add some, or give --llm-shots=1"
    )


def test_a_bad_shot(tmp_path: Path) -> None:
    tree(tmp_path, val__birds="x", dev__birds=lines(HEADER, ROW, "1" + ROW[1:-1]))
    assert len(shots(tmp_path, ["birds"], 1)["birds"]) == 1  # only those that are used count
    with pytest.raises(UserError) as caught:
        shots(tmp_path, ["birds"], 2)
    assert str(caught.value) == (
        f"{tmp_path}/dev/birds.csv: an example cannot be used: birds.csv, line 3: the answer is missing"
    )


def test_shots_need_answers_though_the_split_has_none(tmp_path: Path) -> None:
    tree(tmp_path, test__birds=lines(HEADER, ROW), dev__birds=lines(HEADER, ROW[:-1]))
    own = benchmark(TWO_SUBJECTS, tmp_path)
    with pytest.raises(UserError, match="the answer is missing"):
        load_shots(own, locate(own, "test", None, tmp_path), ["birds"], 1)


def test_questions_are_never_their_own_shots(tmp_path: Path) -> None:
    tree(tmp_path, data=lines(HEADER, ROW, ROW))
    own = benchmark("", tmp_path)
    with pytest.raises(UserError) as caught:
        load_shots(own, locate(own, "test", None, tmp_path), [own.name], 1)
    assert str(caught.value) == (
        f"{own.name}: no few-shot examples: {tmp_path}/data.csv holds the questions; "
        "put examples into a separate file, select them with shots_where, or give --llm-shots=0"
    )


def test_shots_of_subjects_in_a_column(tmp_path: Path) -> None:
    header = "subject," + HEADER
    tree(tmp_path, test="x", dev=lines(header, "birds," + ROW, "trees," + ROW, "trees," + ROW))
    own = benchmark("data.subject = 'subject'", tmp_path)
    located = locate(own, "test", None, tmp_path)
    assert {key: len(rows) for key, rows in load_shots(own, located, ["trees"], 2).items()} == {"trees": 2}
    for subject, there in (("birds", 1), ("fish", 0)):
        with pytest.raises(UserError, match=f"{there} examples for subject {subject}, but 2"):
            load_shots(own, located, ["trees", subject], 2)


# what always holds

cells = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
rows = st.lists(st.tuples(cells, cells, cells, cells, cells, cells), min_size=1, max_size=6)


def written(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER.split(","))
    writer.writerows([str(number), *row] for number, row in enumerate(rows))
    return text.getvalue().encode()


def joined(question: str) -> str:
    """The text of a question without a passage: of its parts, blank ones are left out."""
    return question if question.strip() else ""


@given(rows)
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


@given(rows)
def test_json_is_read_as_it_was_written(rows: list[tuple[str, ...]]) -> None:
    names = HEADER.split(",")[1:]
    text = "\n".join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows)
    for question, row in zip(read(text, "data.format = 'jsonl'"), rows, strict=True):
        assert [question.fields[name] for name in names] == [joined(row[0]), *row[1:]]


@given(rows, st.data())
def test_the_hash_changes_with_any_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("hash")
    (folder / "val").mkdir()
    file = folder / "val/birds.csv"
    file.write_bytes(written(rows))
    before = table(folder)
    place = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 5))
    changed = [list(row) for row in rows]
    changed[place[0]][place[1]] += "x"
    file.write_bytes(written(changed))
    assert table(folder).sha256 != before.sha256
    file.write_bytes(written(rows))
    assert table(folder).sha256 == before.sha256


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


# real data, where it is there


def test_real_ceval(real_data: Path, tmp_path: Path) -> None:
    ceval = load(packaged()["ceval"])
    located = locate(ceval, "val", real_data, tmp_path)
    assert locate(ceval, "val", real_data.parent, tmp_path).root == real_data.parent / "data"
    val = load_questions(ceval, located, "val")
    assert (len(val.questions), val.missing_subjects) == (1346, ())
    counts = Counter(question.subject for question in val.questions)
    assert list(counts) == list(ceval.subjects)
    assert all(question.problem is None and question.answer for question in val.questions)
    examples = load_shots(ceval, located, counts, 5)
    assert (len(examples), sum(map(len, examples.values()))) == (52, 260)
    dev = load_questions(ceval, located, "dev")
    assert len(dev.questions) == 260
    test = load_questions(ceval, located, "test")
    there = {"accountant", "college_physics", "logic", "middle_school_history"}
    assert set(test.missing_subjects) == set(ceval.subjects) - there
    assert len(test.questions) == 443 + 176 + 204 + 207
    assert all(question.answer is None and question.problem is None for question in test.questions)


def test_real_cmmlu(real_data: Path, tmp_path: Path) -> None:
    cmmlu = load(packaged()["cmmlu"])
    located = locate(cmmlu, "test", real_data, tmp_path)
    test = load_questions(cmmlu, located, "test")
    counts = Counter(question.subject for question in test.questions)
    assert len(counts) + len(test.missing_subjects) == 67 and len(counts) > 20
    assert counts["agronomy"] == 169
    assert [question.problem for question in test.questions if question.problem] == []
    assert all(len(rows) == 5 for rows in load_shots(cmmlu, located, counts, 5).values())


@pytest.mark.parametrize(
    ("metric", "gold", "other"),
    [("number", "(3|4]", "math"), ("number", "Rome", "exact"), ("json", "{", "exact")],
)
def test_a_gold_answer_of_another_metric_refuses_the_file(metric: str, gold: str, other: str) -> None:
    text = f"question,answer\nHow many?,7\nWhich?,{gold}\n"
    message = fails(text, f"metric = '{metric}'\n[data]\nchoices = []")
    assert message.startswith("t.csv, line 3: answer ") and f'use metric = "{other}"' in message
