"""Packaged benchmarks read rows in the layouts in which their data is published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.splits import load_questions, locate

DIALOGUE = {"id": 4, "context": ["男：你好。", "女：吃了吗？"]}
C3 = [
    {**DIALOGUE, "question": "他们在做什么？", "choice": ["吃饭", "打招呼"], "answer": "打招呼"},
    {**DIALOGUE, "question": "有几个人？", "choice": ["一个", "两个", "三个", "四个"], "answer": "两个"},
    {
        "id": 5,
        "context": ["天黑了。"],
        "question": "天怎么了？",
        "choice": ["亮了", "黑了", "下雨"],
        "answer": "黑了",
    },
]
PASSAGE = {"year": "2011", "category": "（新课标）", "analysis": "【答案】 B", "score": 4}
GAOKAO = {
    "keywords": "2010-2022_Geography_MCQs",
    "example": [
        {**PASSAGE, "index": 0, "question": "据此完成 1～3 题．\n1．……", "answer": ["B", "A", "B"]},
        {**PASSAGE, "index": 1, "question": "4．……", "answer": ["C"], "score": 0},
    ],
}


def read(name: str, data: Path) -> Sequence[Question]:
    benchmark = load(packaged()[name])
    layout = locate(benchmark, benchmark.split, data, data / "cache")
    return load_questions(benchmark, layout, benchmark.split).questions


@pytest.mark.parametrize("file", ["c3/validation-00000-of-00001.parquet", "c3/validation.parquet"])
def test_c3(tmp_path: Path, file: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    (tmp_path / file).parent.mkdir(parents=True)
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(C3), tmp_path / file)
    questions = read("c3", tmp_path)
    assert [(q.answer, len(q.choices), q.cluster, q.problem) for q in questions] == [
        ("B", 2, "c3/4", None),
        ("B", 4, "c3/4", None),
        ("B", 3, "c3/5", None),
    ]


@pytest.mark.parametrize("folder", ["gaokao", "Data/Objective_Questions", "data/gaokao", "."])
def test_gaokao(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "2010-2022_Geography_MCQs.json").write_text(json.dumps(GAOKAO), encoding="utf-8")
    passage, bad = read("gaokao", tmp_path)
    assert (passage.answer, passage.problem) == ('["B", "A", "B"]', None)
    assert bad.problem is not None and "score must be a number of points above 0, not '0'" in bad.problem
