"""Gold answers of own files that are no labels, in whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions

ECHO = ("--llm-model=echo", "--llm-cache-dir=cache", "--llm-benchmark=q.csv")


def write(folder: Path, *answers: str) -> None:
    rows = [f"city {number}?,Rome,Paris,{answer}\n" for number, answer in enumerate(answers)]
    (folder / "q.csv").write_text("question,A,B,answer\n" + "".join(rows), "utf-8")


@pytest.mark.parametrize("form", ["{lower}", "{label}. {text}", "({label})", "{text}", "{text}."])
def test_one_way_is_taken_with_a_note(pytester: pytest.Pytester, form: str) -> None:
    golds = [("A", "Rome"), ("B", "Paris"), ("A", "Rome")]
    answers = [form.format(lower=label.lower(), label=label, text=text) for label, text in golds]
    write(pytester.path, *answers)
    done = pytester.runpytest(*ECHO)
    assert done.ret == 0
    assert [row["target"] for row in questions(pytester)] == ["A", "B", "A"]
    done.stdout.fnmatch_lines(
        [f"*q: 3 of 3 gold answers are not labels of choices; '{answers[0]}' is taken as A*"]
    )


def test_labels_need_no_note(pytester: pytest.Pytester) -> None:
    write(pytester.path, "A", " B ")
    done = pytester.runpytest(*ECHO)
    assert done.ret == 0
    done.stdout.no_fnmatch_line("*gold answers*")


def test_several_ways_are_told_by_row(pytester: pytest.Pytester) -> None:
    write(pytester.path, "A", "b", "(B)", "A")
    done = pytester.runpytest(*ECHO)
    assert done.ret == 1
    assert [row["outcome"] for row in questions(pytester)] == ["correct", "error", "error", "correct"]
    done.stdout.fnmatch_lines_random(["*line 3: answer 'b' is not one of A, B*", "*line 4: answer '(B)'*"])


@pytest.mark.parametrize("good", [0, 1])
def test_a_file_without_usable_answers_is_one_line(pytester: pytest.Pytester, good: int) -> None:
    write(pytester.path, *["Z"] * 30, *["A"] * good)
    done = pytester.runpytest(*ECHO)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        [f"*q: 30 of {30 + good} rows cannot be used, such as q.csv, line 2: answer 'Z' is not one of A, B"]
    )
    assert not (pytester.path / "reports").exists()


def test_a_file_with_some_bad_rows_is_asked(pytester: pytest.Pytester) -> None:
    write(pytester.path, *["Z"] * 20, *["A"] * 10)
    done = pytester.runpytest(*ECHO)
    assert done.ret == 1
    assert sum(row["outcome"] == "correct" for row in questions(pytester)) == 10
