"""Files of questions under names and in places that pytest or a cache make difficult."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

ECHO = ("--llm-model=echo", "--llm-cache-dir=cache")
CSV = "question,A,B,answer\none?,a,b,A\ntwo?,a,b,B\n"


def write(path: Path, content: str = CSV) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")


def names(pytester: pytest.Pytester) -> list[str]:
    return [result["benchmark"] for result in results(pytester)["results"]]


def test_a_link_into_a_cache_keeps_its_name(pytester: pytest.Pytester) -> None:
    write(pytester.path / "hub/blobs/4f1a9c")
    (pytester.path / "hub/quiz.csv").symlink_to("blobs/4f1a9c")
    assert pytester.runpytest(*ECHO, "--llm-benchmark=hub/quiz.csv").ret == 0
    assert names(pytester) == ["quiz"]
    assert pytester.runpytest(*ECHO, "--llm-benchmark=hub").ret == 0
    assert names(pytester) == ["quiz"]


@pytest.mark.parametrize(
    ("place", "xdist"),
    [
        ("我的 [数据]/考 试[1].csv", WORKERS[0]),
        ("我的 [数据]/考 试[2].csv", WORKERS[1].values[0]),
        ("q{1}.csv", WORKERS[0]),
        ("x::y/[z]/b.csv", WORKERS[0]),
        ("test_[x].csv", WORKERS[0]),
    ],
)
def test_any_path(pytester: pytest.Pytester, place: str, xdist: str) -> None:
    write(pytester.path / place)
    write(pytester.path / "test_other.py", "def test_other(): raise SystemExit('not asked for')\n")
    write(pytester.path / "deeper/test_other.py", "raise SystemExit('not asked for')\n")
    done = pytester.runpytest(*ECHO, f"--llm-benchmark={place}", xdist)
    assert done.ret == 0
    done.assert_outcomes()
    assert [row["outcome"] for row in questions(pytester)] == ["correct", "wrong"]


def test_a_path_beside_one_with_brackets(pytester: pytest.Pytester) -> None:
    write(pytester.path / "a[1].csv")
    write(pytester.path / "b.csv")
    write(pytester.path / "mine/test_mine.py", "def test_mine(): pass\n")
    write(pytester.path / "other/test_other.py", "def test_other(): pass\n")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=a[1].csv", "--llm-benchmark=b.csv", "mine", "-v")
    assert done.ret == 0
    assert sorted(names(pytester)) == ["a_1", "b"]
    done.stdout.fnmatch_lines_random(["mine/test_mine.py::test_mine PASSED*"])
    done.stdout.no_fnmatch_line("*test_other*")


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_several_files_are_subjects(pytester: pytest.Pytester, form: str, xdist: str) -> None:
    write(pytester.path / "set/b.csv")
    write(pytester.path / "set/语文.tsv", "question\tA\tB\tC\tanswer\nthree?\ta\tb\tc\tA\n")
    place = "set"
    if form == "archive":
        place = "set.zip"
        with zipfile.ZipFile(pytester.path / place, "w") as file:
            for path in (pytester.path / "set").iterdir():
                file.write(path, path.name)
    done = pytester.runpytest(*ECHO, f"--llm-benchmark={place}", xdist, "--llm-fail-under=set:b=0.4",
                              "--llm-inconclusive=pass")  # fmt: skip
    assert done.ret == 0
    (result,) = results(pytester)["results"]
    assert (result["benchmark"], result["shots"]) == ("set", 0)
    assert {key: part["counts"]["requested"] for key, part in result["subjects"].items()} == {
        "b": 2, "file_2": 1,
    }  # fmt: skip
    done.stdout.fnmatch_lines(["file_2 语文 * 1 * 100.0%*"])


def test_a_row_of_one_of_several_files_is_named_with_its_file(pytester: pytest.Pytester) -> None:
    write(pytester.path / "set/a.csv")
    write(pytester.path / "set/b.csv", CSV + "three?,a,b,X\n")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=set")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*b.csv, line 4: answer 'X' is not one of A, B*"])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("empty", "*empty: the folder has neither a benchmark.toml nor a file of questions (.csv, *"),
        ("book.xlsx", "*book.xlsx: not a file of questions (.csv, .tsv, *; save it as CSV (UTF-8)"),
        ("none.json", "*--llm-benchmark=none.json: no such file*"),
        ("splits", "*splits: the files are the splits of a benchmark (test, train); name one of them"),
    ],
)
def test_what_is_none(pytester: pytest.Pytester, place: str, said: str) -> None:
    (pytester.path / "empty").mkdir()
    write(pytester.path / "book.xlsx")
    write(pytester.path / "splits/test.csv")
    write(pytester.path / "splits/train.csv")
    done = pytester.runpytest(*ECHO, f"--llm-benchmark={place}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([said])
