"""The questions of ``mini`` and ``mini_en`` keep what a benchmark promises; each check is shown a bad set."""

from __future__ import annotations

import csv
import difflib
import itertools
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.paths import BENCHMARKS

NAMES = ("mini", "mini_en")
LABELS = ("A", "B", "C", "D")
COLUMNS = {
    "dev": ["id", "question", *LABELS, "answer", "explanation"],
    "val": ["id", "question", *LABELS, "answer"],
}
GROUPS = {"stem", "social-science", "humanities", "other"}


@dataclass(frozen=True)
class Row:
    subject: str
    split: str
    cells: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.subject}/{self.split}/{self.cells['id']}"

    @property
    def right(self) -> str:
        return self.cells[self.cells["answer"]]


def read(file: Path, split: str, name: str) -> list[Row]:
    text = file.read_bytes().decode("utf-8")
    assert not text.startswith("\ufeff"), f"{file}: BOM"
    subject = file.stem.removesuffix(f"_{split}")
    lines = text.splitlines(keepends=True)
    if name == "mini_en":  # without a header, as MMLU has it
        rows = enumerate(csv.reader(lines, strict=True))
        header = ("question", *LABELS, "answer")
        return [
            Row(subject, split, {"id": str(number), **dict(zip(header, row, strict=True))})
            for number, row in rows
        ]
    table = csv.DictReader(lines, strict=True)
    found = [Row(subject, split, cells) for cells in table]
    assert table.fieldnames == COLUMNS[split], file
    return found


def all_rows(name: str) -> list[Row]:
    return [
        row
        for split in COLUMNS
        for file in sorted((BENCHMARKS / name).glob(f"data/{split}/*.csv"))
        for row in read(file, split, name)
    ]


ROWS = {name: all_rows(name) for name in NAMES}
SUBJECTS = {
    name: tomllib.loads((BENCHMARKS / name / "benchmark.toml").read_text("utf-8"))["subjects"]
    for name in NAMES
}


def sizes(rows: Sequence[Row]) -> list[str]:
    """Five worked examples and at least twelve questions of each subject, with running ids."""
    found = []
    for subject in {row.subject: None for row in rows}:
        for split, least, most in (("dev", 5, 5), ("val", 12, 99)):
            ids = [row.cells["id"] for row in rows if (row.subject, row.split) == (subject, split)]
            if not least <= len(ids) <= most or ids != [str(number) for number in range(len(ids))]:
                found.append(f"{subject}/{split}: {ids}")
    return found


def cells(rows: Sequence[Row]) -> list[str]:
    """Nothing empty, no stray blanks, choices that differ, an answer that is one, an explanation in dev."""
    found = []
    for row in rows:
        values = list(row.cells.values())
        choices = [row.cells[label] for label in LABELS]
        bad = any(not value or value != value.strip() or "\n" in value for value in values)
        if bad or len(set(choices)) < 4 or row.cells["answer"] not in LABELS:
            found.append(row.name)
    return found


def spread(rows: Sequence[Row]) -> list[str]:
    """Each letter is right about as often as the others."""
    found = []
    for subject in {row.subject for row in rows}:
        answers = Counter(
            row.cells["answer"] for row in rows if row.subject == subject and row.split == "val"
        )
        if any(abs(answers[label] / answers.total() - 0.25) > 0.1 for label in LABELS):
            found.append(f"{subject}: {dict(answers)}")
        shown = {row.cells["answer"] for row in rows if row.subject == subject and row.split == "dev"}
        if shown != set(LABELS):
            found.append(f"{subject}: the examples show only {sorted(shown)}")
    return found


def twins(rows: Sequence[Row]) -> list[str]:
    """No two questions with their answers alike, also not without numbers (and in Chinese Latin names)."""
    found = []
    chinese = any(ord(character) > 0x4E00 for row in rows for character in row.cells["question"])
    changing = re.compile(r"[0-9A-Za-z.]+" if chinese else r"[0-9.]+")
    for one, other in itertools.combinations(rows, 2):
        texts = [changing.sub("#", f"{row.cells['question']} {row.right}") for row in (one, other)]
        matcher = difflib.SequenceMatcher(None, *texts, autojunk=False)
        if matcher.quick_ratio() > 0.8 and matcher.ratio() > 0.8:
            found.append(f"{one.name} and {other.name}")
    return found


def telling_lengths(rows: Sequence[Row]) -> list[str]:
    """The right choice is not the longest much more often than chance has it."""
    longest = [
        row
        for row in rows
        if len(row.right) > max(len(row.cells[label]) for label in LABELS if label != row.cells["answer"])
    ]
    return [f"{len(longest)} of {len(rows)}"] if len(longest) > 0.4 * len(rows) else []


CHECKS = [sizes, cells, spread, twins, telling_lengths]


def changed(row: Row, **cells: str) -> Row:
    return replace(row, cells={**row.cells, **cells})


SPOILT: dict[Callable[[Sequence[Row]], list[str]], Callable[[list[Row]], list[Row]]] = {
    sizes: lambda rows: rows[1:],
    cells: lambda rows: [changed(rows[0], A=rows[0].cells["B"]), *rows[1:]],
    spread: lambda rows: [changed(row, answer="A") for row in rows],
    twins: lambda rows: [*rows, changed(rows[0], question=rows[0].cells["question"] + "2")],
    telling_lengths: lambda rows: [changed(row, **{row.cells["answer"]: row.right * 9}) for row in rows],
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_questions_pass(check: Callable[[Sequence[Row]], list[str]], name: str) -> None:
    assert check(ROWS[name]) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_spoilt_set_is_caught(check: Callable[[Sequence[Row]], list[str]], name: str) -> None:
    assert check(SPOILT[check](ROWS[name]))


@pytest.mark.parametrize("name", NAMES)
def test_subjects_and_groups(name: str) -> None:
    subjects = SUBJECTS[name]
    assert len(subjects) >= 8
    assert {group for subject in subjects.values() for group in subject["groups"]} == GROUPS
    assert {row.subject for row in ROWS[name]} == set(subjects)
    assert all(subject["name"] and (name != "mini" or subject["zh"]) for subject in subjects.values())
