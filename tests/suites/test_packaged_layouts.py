"""Packaged benchmarks read made-up files in the layouts of their hub repositories and archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.splits import load_questions, locate


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"canary": "guid", "examples": rows}), encoding="utf-8")
    elif path.suffix == ".tsv":
        path.write_text("".join("\t".join(map(str, row.values())) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def questions(name: str, folder: Path, split: str | None = None) -> list[Question]:
    benchmark = load(packaged()[name])
    split = split or benchmark.split
    layout = locate(benchmark, split, folder, folder / "cache")
    return list(load_questions(benchmark, layout, split).questions)


@pytest.mark.parametrize("path", ["bbh/snarks.json", "BBH/data/snarks.json", "snarks/test.parquet"])
def test_bbh(tmp_path: Path, path: str) -> None:
    write(tmp_path / path, [{"input": "Which?", "target": "(B)"}, {"input": "Close (", "target": ")"}])
    found = questions("bbh", tmp_path)
    assert [(question.subject, question.answer) for question in found] == [("snarks", "B"), ("snarks", ")")]


@pytest.mark.parametrize("folder", ["agieval", "data/v1", "AGIEval/data/v1"])
def test_agieval(tmp_path: Path, folder: str) -> None:
    rows: list[dict[str, object]] = [
        {"passage": None, "question": "?", "options": ["(A)x", "(B)y"], "label": label}
        for label in ("B", ["A", "B"], ["C"])
    ]
    write(tmp_path / folder / "gaokao-physics.jsonl", rows)
    first, second, bad = questions("agieval", tmp_path)
    assert (first.answer, second.answer) == ("B", "AB")
    assert bad.problem is not None
    assert "is not a set of A, B" in bad.problem


@pytest.mark.parametrize("path", ["mgsm/mgsm_sw.tsv", "mgsm_sw.tsv"])
def test_mgsm(tmp_path: Path, path: str) -> None:
    write(tmp_path / path, [{"": 'Mayai "7" mangapi?', " ": "1,450"}, {"": "Ngapi?", " ": 3}])
    first, second = questions("mgsm", tmp_path)
    assert (first.subject, first.fields["question"]) == ("sw", 'Mayai "7" mangapi?')
    assert (first.answer, second.answer) == ("1,450", "3")


def test_mmmlu(tmp_path: Path) -> None:
    file = tmp_path / "test" / "mmlu_JA-JP.csv"
    file.parent.mkdir()
    file.write_text(',Question,A,B,C,D,Answer,Subject\n0,"誰, どこ?",a,b,c,d,D,anatomy\n', encoding="utf-8")
    (question,) = questions("mmmlu", tmp_path)
    assert (question.subject, question.answer, dict(question.choices)["D"]) == ("JA-JP", "D", "d")
    assert question.fields["question"] == "誰, どこ?"


def test_musr(tmp_path: Path) -> None:
    file = tmp_path / "object_placements.csv"
    cells = "narrative,question,choices,answer_index,answer_choice\n"
    file.write_text(
        cells + '"Dark,\nit was.",Where?,"[\'box\', ""Al\'s bag""]",1,Al\'s bag\n', encoding="utf-8"
    )
    (question,) = questions("musr", tmp_path)
    assert (question.answer, dict(question.choices)) == ("B", {"A": "box", "B": "Al's bag"})


def test_drop(tmp_path: Path) -> None:
    row = {"context": "Passage: x\nQuestion: y?\nAnswer:", "completion": " 3", "ref_text": "3|three cows|3"}
    write(tmp_path / "drop_simple_eval" / "dev.jsonl", [row, {**row, "ref_text": "4"}])
    assert [question.answer for question in questions("drop", tmp_path)] == ['["3", "three cows"]', "4"]


@pytest.mark.parametrize(
    "path", ["rc.nocontext/validation-00000-of-00001.parquet", "triviaqa/triviaqa-validation.jsonl"]
)
def test_triviaqa(tmp_path: Path, path: str) -> None:
    aliases = ["Seine", "La Seine"]
    answer = {"aliases": aliases, "normalized_aliases": ["seine"], "value": "Seine"}
    write(tmp_path / path, [{"question": "?", "answer": answer if "parquet" in path else aliases}])
    (question,) = questions("triviaqa", tmp_path)
    assert question.answer == json.dumps(aliases)


def test_hle_without_pictures(tmp_path: Path) -> None:
    row = {"id": "66a", "question": "?", "image": "", "answer": "1", "answer_type": "exactMatch"}
    rows = [
        {**row, "category": "Biology/Medicine"},
        {**row, "id": "66b", "image": "data:;", "category": "Math"},
    ]
    write(tmp_path / "data" / "test-00000-of-00001.parquet", rows)
    (question,) = questions("hle", tmp_path)
    assert (question.subject, question.key, question.answer) == ("biology_medicine", "66a", "1")
