"""Finding a benchmark's files, and loading its questions and few-shot examples."""

from __future__ import annotations

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
from pytest_llmeval.suites.spec import Benchmark
from pytest_llmeval.suites.splits import FileLayout, Split, load_questions, load_shots, locate
from tests.support.question_files import HEADER, ROW, ROWS, benchmark, lines, tree, written

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


@given(ROWS, st.data())
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
