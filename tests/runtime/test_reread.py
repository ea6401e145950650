"""The texts of a run, read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.__main__ import main
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.results.reread import Reading, ReadingKind, Reread
from pytest_llmeval.runtime.reread import reread
from tests.support.tiny_benchmark import questions

TEXTS = ["The answer is B.", "A? No. I take C", "Answer: D", "I cannot say"]


@pytest.fixture
def run(pytester: pytest.Pytester, tiny: Path) -> Path:
    """A finished run of four texts from elsewhere."""
    assert pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny").ret == 0
    rows = questions(pytester)[: len(TEXTS)]
    with (pytester.path / "theirs.jsonl").open("w") as file:
        for row, text in zip(rows, TEXTS, strict=True):
            file.write(json.dumps({"id": row["id"], "text": text}) + "\n")
    assert pytester.runpytest("--llm-replay=theirs.jsonl", "--llm-benchmark=tiny").ret == 0
    return pytester.path


def test_another_extractor(run: Path) -> None:
    (again,) = reread("latest", "simple_evals", [], {}, run)
    assert (again.model, again.extractor, len(again.readings)) == ("theirs", "simple_evals", 4)
    assert {reading.after for reading in again.readings} == {None, "D"}
    assert {reading.before for reading in again.of_kind(ReadingKind.LOST)} == {"B", "C"}


def test_the_same_extractor_changes_nothing(run: Path) -> None:
    (again,) = reread("latest", None, [], {}, run)
    assert len(again.of_kind(ReadingKind.SAME)) == 4
    assert again.accuracies is not None and again.accuracies[0] == again.accuracies[1]


def test_the_command(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(run)
    assert main(["reread", "latest", "--extractor=first_capital", "--most=1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("tiny: theirs, 4 texts read again by first_capital\n  accuracy ")
    assert "another answer: " in out or "no answer now: " in out
    assert main(["reread", "latest", "--extractor=first_captal"]) == 4
    assert "did you mean 'first_capital'?" in capsys.readouterr().err


def test_a_run_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^reread missing: not a run"):
        reread("missing", None, [], {}, tmp_path)


def test_kinds_and_accuracies() -> None:
    readings = [
        Reading("1", "", "A", "A", "A", True, True),
        Reading("2", "", "A", None, "A", False, True),
        Reading("3", "", "A", "A", None, True, False),
        Reading("4", "", None, "A", "B", False, False),
    ]
    again = Reread("b", "m", "choice", readings)
    assert [reading.kind for reading in readings] == list(ReadingKind)
    assert again.accuracies == (2 / 3, 2 / 3)
    assert Reread("b", "m", "choice", readings[3:]).accuracies is None
