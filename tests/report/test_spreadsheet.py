"""questions.csv: every answer has a row, and no cell is a formula."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.report.spreadsheet import CELL_CHARACTERS, SHEET, write_sheet
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.run_folder import QUESTIONS
from tests.support.workers import WORKERS

ECHO = ("--llm-model=echo", "--llm-cache-dir=cache", "--llm-questions-csv")


def sheet(folder: Path) -> list[dict[str, str]]:
    raw = (folder / SHEET).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    with (folder / SHEET).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def sheet_of(folder: Path, *records: Record) -> list[dict[str, str]]:
    lines = [json.dumps(record.to_json()) + "\n" for record in records]
    (folder / QUESTIONS).write_text("".join(lines), "utf-8")
    write_sheet(folder)
    return sheet(folder)


def record_of(text: str, **fields: object) -> Record:
    record = Record("b/s/0", "t.py::t[s-0]", "m", "b", "s", Outcome.WRONG, completion=Completion(text=text))
    return Record(**{name: getattr(record, name) for name in record.__slots__} | fields)


@pytest.mark.parametrize("xdist", WORKERS)
def test_all_answers_of_all_models(pytester: pytest.Pytester, xdist: str) -> None:
    rows = "question,A,B,answer\n天空是什么颜色？,蓝,绿,A\n=1+1 is?,-2,3,B\n,a,b,A\n"
    (pytester.path / "q.csv").write_text(rows, "utf-8")
    (pytester.path / "llmeval.toml").write_text("[models.two]\nbackend = 'echo'\n")
    pytester.runpytest(*ECHO, "--llm-model=two", "--llm-benchmark=q.csv", xdist)
    found = {(row["id"], row["model"]): row for row in sheet(pytester.path / "reports/latest")}
    assert set(found) == {(f"q/q/{key}", model) for key in range(3) for model in ("echo", "two")}
    sky = found["q/q/0", "echo"]
    assert (sky["question"], sky["choices"]) == ("天空是什么颜色？", "A. 蓝\nB. 绿")
    assert [sky[key] for key in ("gold", "answer", "outcome", "text")] == ["A", "A", "correct", "A"]
    assert found["q/q/1", "two"]["question"] == "'=1+1 is?"
    assert "the question is empty" in found["q/q/2", "echo"]["error"]


def test_replay_writes_it_for_an_earlier_run(pytester: pytest.Pytester) -> None:
    (pytester.path / "q.csv").write_text("question,A,B,answer\none?,a,b,A\n")
    pytester.runpytest(*ECHO[:2], "--llm-benchmark=q.csv")
    assert not (pytester.path / "reports/latest" / SHEET).exists()
    pytester.runpytest("--llm-replay=latest", "--llm-questions-csv", "--llm-benchmark=q.csv")
    assert [row["question"] for row in sheet(pytester.path / "reports/latest")] == ["one?"]


def test_it_can_be_set_in_llmeval_toml(pytester: pytest.Pytester) -> None:
    (pytester.path / "q.csv").write_text("question,A,B,answer\none?,a,b,A\n")
    (pytester.path / "llmeval.toml").write_text("questions_csv = true\n")
    pytester.runpytest(*ECHO[:2], "--llm-benchmark=q.csv")
    assert len(sheet(pytester.path / "reports/latest")) == 1


def test_a_cell_is_never_longer_than_excel_allows(tmp_path: Path) -> None:
    (row,) = sheet_of(tmp_path, record_of("x" * 40_000))
    assert len(row["text"]) == CELL_CHARACTERS
    assert row["text"].endswith("… (cut; questions.jsonl has all of it)")


def test_a_suite_without_questions_shows_the_prompt(tmp_path: Path) -> None:
    (row,) = sheet_of(tmp_path, record_of("a", prompt="What?"))
    assert row["question"] == "What?"


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_text_is_a_formula_or_ends_its_cell(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        row, last = sheet_of(Path(folder), record_of(text, answer=text), record_of("end"))
    assert not row["text"].lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert not set(map(chr, range(9))) & set(row["text"])
    assert last["text"] == "end"
