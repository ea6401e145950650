"""What real models wrote: read as a careful person would read it."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.scoring.extract import choice, choice_list
from tests.support.paths import REAL_DATA

OUTPUTS = sorted((REAL_DATA / "outputs/mmlu_pro").glob("*.jsonl.gz"))
CASES = REAL_DATA / "cases/scoring.jsonl"
FOLDER = REAL_DATA / "outputs/gaokao_gpt4"
GAOKAO = sorted(FOLDER.glob("*_MCQs.jsonl.gz"))
PASSAGES = [path for path in GAOKAO if "Geography" in path.name] + sorted(
    path for kind in ("Fill_in_Blanks", "Reading_Comp", "Modern_Lit") for path in FOLDER.glob(f"*{kind}*")
)
FIRST = re.compile(r"【答案】\s*[:：]*\s*[A-Z]")
PLAIN = re.compile(r"answer is \(?([A-J])\)?\.?\s*$")
FINAL = re.compile(r"【答案】\s*:?\s*([A-D])\s*(?:<eoa>)?\s*$")

pytestmark = pytest.mark.skipif(not OUTPUTS, reason="needs the outputs of real models")


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.name)
def test_plain_final_statements_are_read(path: Path) -> None:
    read: Counter[str] = Counter()
    for row in rows(path):
        if plain := PLAIN.search(row["text"]):
            answer = choice(row["text"], dict(zip("ABCDEFGHIJ", row["options"], strict=False)))
            read["unread" if answer is None else "right" if answer == plain[1] else "another"] += 1
    assert read["another"] == 0
    assert read["unread"] <= 0.001 * read.total()


@pytest.mark.parametrize("path", GAOKAO, ids=lambda path: path.name)
def test_chinese_finals_after_an_analysis_are_read(path: Path) -> None:
    for row in rows(path):
        final = FINAL.search(row["model_output"])
        if final and len(row["model_answer"]) == 1:
            assert choice(row["model_output"], dict.fromkeys("ABCD", "")) == final[1]


@pytest.mark.parametrize("path", PASSAGES, ids=lambda path: path.name)
def test_answers_to_passages_are_read_as_published(path: Path) -> None:
    read: Counter[bool] = Counter()
    for row in rows(path):
        if len(FIRST.findall(row["model_output"])) == len(row["standard_answer"]):
            read[choice_list(row["model_output"]) == ", ".join(row["model_answer"])] += 1
    assert read[True] >= 0.95 * read.total() > 0


def test_labelled_choices() -> None:
    read: dict[str, Counter[bool]] = {}
    for line in CASES.read_text("utf-8").splitlines():
        case = json.loads(line)
        if case["family"].startswith("choice"):
            answer = choice(case["text"], case["choices"])
            read.setdefault(case["family"], Counter())[answer == case["want"]] += 1
            if case["want"] is None:
                assert answer is None, case["text"]
    for family, counts in read.items():
        assert counts[True] >= 0.95 * counts.total(), family
