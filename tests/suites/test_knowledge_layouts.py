"""The packaged knowledge benchmarks read files as the Hugging Face hub has them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.core.types import Mode
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.splits import load_questions, load_shots, locate

_FOUR = {"text": ["one", "two", "three", "four"], "label": ["A", "B", "C", "D"]}
_THREE = {"text": ["one", "two", "three"], "label": ["1", "2", "3"]}
_ARC = [
    {"id": "Mercury_1", "question": "Why?", "choices": _FOUR, "answerKey": "C"},
    {"id": "NYSEDREGENTS_2", "question": "Who?", "choices": _THREE, "answerKey": "2"},
]
_GPQA = {
    "Record ID": "rec06pnAkLOr2t2mp",
    "Question": 'Which, "if" any?\nSay.',
    "Correct Answer": "right\n",
    "Incorrect Answer 1": "w1",
    "Incorrect Answer 2": "w2",
    "Incorrect Answer 3": "w3",
    "High-level domain": "Physics",
    "Subdomain": "Optics",
}
_PRO = {
    "question": "Which?",
    "options": ["one", "two", "three"],
    "answer": "B",
    "answer_index": 1,
    "cot_content": "",
    "category": "computer science",
    "src": "x",
}
_REDUX = {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 3, "correct_answer": None}
_HELLASWAG = {
    "ind": 4,
    "activity_label": "Roof",
    "ctx_a": "A man.",
    "ctx_b": "he",
    "ctx": "A man. he",
    "endings": ["a", "b", "c", "d"],
}
#: by benchmark: the file in the hub's repository or the cache, its rows, the gold answers, and subjects
FILES: Mapping[str, tuple[str, Sequence[Mapping[str, Any]], Sequence[str], Sequence[str]]] = {
    "mmlu_pro": (
        "data/test-00000-of-00001.parquet",
        [{**_PRO, "question_id": 70}, {**_PRO, "question_id": 71, "options": ["two"], "answer": "A"}],
        ["B", "A"],
        ["computer_science"],
    ),
    "mmlu_redux": (
        "anatomy/test.parquet",
        [{**_REDUX, "error_type": "ok"}, {**_REDUX, "error_type": "wrong_groundtruth"}],
        ["D"],
        ["anatomy"],
    ),
    "supergpqa": (
        "SuperGPQA-all.jsonl",
        [
            {
                "uuid": "0f0a1b",
                "question": "Which?",
                "options": list("pqrstuvwxy"),
                "answer": "y",
                "answer_letter": "J",
                "discipline": "Management",
                "field": "Library, Information and Archival Management",
                "subfield": "Archival Science",
                "difficulty": "hard",
                "is_calculation": False,
            }
        ],
        ["J"],
        ["library_information_and_archival_management"],
    ),
    "arc_easy": ("ARC-Easy/test-00000-of-00001.parquet", _ARC, ["C", "B"], ["arc_easy"]),
    "arc_challenge": ("ARC-Challenge/test-00000-of-00001.parquet", _ARC, ["C", "B"], ["arc_challenge"]),
    "openbookqa": (
        "main/test-00000-of-00001.parquet",
        [{"id": "8-376", "question_stem": "A dog is", "choices": _FOUR, "answerKey": "D"}],
        ["D"],
        ["openbookqa"],
    ),
    "piqa": (
        "default/validation.parquet",
        [{"goal": "Go", "sol1": "a", "sol2": "b", "label": label} for label in (0, 1)],
        ["A", "B"],
        ["piqa"],
    ),
    "winogrande": (
        "winogrande_xl/validation-00000-of-00001.parquet",
        [{"sentence": "He saw _ go.", "option1": "a", "option2": "b", "answer": n} for n in "12"],
        ["A", "B"],
        ["winogrande"],
    ),
    "hellaswag": (
        "data/validation-00000-of-00001.parquet",
        [{**_HELLASWAG, "label": "0"}, {**_HELLASWAG, "label": "3"}],
        ["A", "D"],
        ["hellaswag"],
    ),
    "boolq": (
        "boolq/validation-00000-of-00001.parquet",
        [{"question": "is it", "passage": "Text.", "idx": label, "label": label} for label in (0, 1)],
        ["B", "A"],
        ["boolq"],
    ),
    "truthfulqa_mc1": (
        "multiple_choice/validation-00000-of-00001.parquet",
        [{"question": "What?", "mc1_targets": {"choices": ["a", "b", "c"], "labels": [1, 0, 0]}}],
        ["A"],
        ["truthfulqa_mc1"],
    ),
    "truthfulqa_mc2": (
        "multiple_choice/validation-00000-of-00001.parquet",
        [{"question": "What?", "mc2_targets": {"choices": ["a", "b", "c"], "labels": [1, 1, 0]}}],
        ["AB"],
        ["truthfulqa_mc2"],
    ),
}


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)


@pytest.mark.parametrize("name", FILES)
def test_layout_of_the_hub(name: str, tmp_path: Path) -> None:
    file, rows, answers, subjects = FILES[name]
    benchmark = load(packaged()[name])
    write(tmp_path / file, rows)
    layout = locate(benchmark, benchmark.split, tmp_path, tmp_path / "cache")
    questions = load_questions(benchmark, layout, benchmark.split).questions
    assert [(question.problem, question.answer) for question in questions] == [(None, a) for a in answers]
    assert list(dict.fromkeys(question.subject for question in questions)) == subjects
    modes: tuple[Mode, ...] = ("generate", "logprob")
    for mode in modes:
        for question in questions:
            assert PromptBuilder(benchmark, mode, {}).request(question).prompt


@pytest.mark.parametrize("variant", [None, "main", "extended"])
def test_gpqa(variant: str | None, tmp_path: Path) -> None:
    benchmark = load(packaged()["gpqa"], variant=variant)
    with (tmp_path / f"gpqa_{variant or 'diamond'}.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(_GPQA))
        writer.writeheader()
        writer.writerow(_GPQA)
    layout = locate(benchmark, "train", tmp_path, tmp_path / "cache")
    (question,) = load_questions(benchmark, layout, "train").questions
    assert question.problem is None and question.answer is not None
    assert (question.choices[question.answer], question.subject) == ("right", "physics")
    assert question.key == "rec06pnAkLOr2t2mp"


@pytest.mark.parametrize(
    ("name", "split"), [("arc_easy", "train"), ("openbookqa", "train"), ("mmlu_pro", "validation")]
)
def test_few_shot_examples(name: str, split: str, tmp_path: Path) -> None:
    file, rows, answers, subjects = FILES[name]
    benchmark = load(packaged()[name])
    write(tmp_path / file, rows)
    write(tmp_path / file.replace("test", split), rows)
    layout = locate(benchmark, benchmark.split, tmp_path, tmp_path / "cache")
    shots = load_shots(benchmark, layout, subjects, 1)
    assert [[shot.answer for shot in of] for of in shots.values()] == [[answers[0]]]
