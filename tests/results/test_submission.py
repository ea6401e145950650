"""submission.json, as the official site takes it."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.submission import write_submission, write_submissions
from tests.support.made_results import make_record, written


def answered(key: object, answer: str | None, subject: str = "accountant", model: str = "m") -> Record:
    return make_record(key, model, subject=subject, outcome=Outcome.ANSWERED, answer=answer, target=None)


def test_a_submission_has_the_official_form(tmp_path: Path) -> None:
    written(
        tmp_path / "questions.jsonl",
        answered(0, "A"),
        answered(1, "D"),
        answered(10, "B"),
        make_record(2, subject="accountant", outcome=Outcome.UNPARSED, answer=None, target=None),
        make_record(3, subject="accountant", outcome=Outcome.ERROR, answer=None, error="timeout"),
        answered(4, None),
        answered(0, "C", "physician"),
        make_record(1, subject="physician", outcome=Outcome.WRONG, answer="A", target="B"),
    )
    (path,) = write_submissions(tmp_path)
    assert path == tmp_path / "submission.json"
    assert json.loads(path.read_text("utf-8")) == {
        "accountant": {"0": "A", "1": "D", "10": "B"},
        "physician": {"0": "C"},
    }


def test_a_run_with_gold_answers_submits_nothing(tmp_path: Path) -> None:
    written(tmp_path / "questions.jsonl", make_record(0), make_record(1, outcome=Outcome.UNPARSED))
    assert write_submissions(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["questions.jsonl"]


def test_models_submit_apart(tmp_path: Path) -> None:
    written(
        tmp_path / "questions.jsonl",
        *(
            answered(0, letter, model=model)
            for letter, model in zip("ABC", ("a/b", "a:b", "../x"), strict=True)
        ),
    )
    paths = write_submissions(tmp_path)
    # two names that come to the same, and one that would leave the folder
    found = {path.name: json.loads(path.read_text())["accountant"]["0"] for path in paths}
    assert found == {"submission-a-b.json": "A", "submission-a-b-2.json": "B", "submission-x.json": "C"}
    assert all(path.parent == tmp_path for path in paths)


def test_benchmarks_submit_apart(tmp_path: Path) -> None:
    taken = [("m", "ceval"), ("m", "own set"), ("n", "ceval")]
    name = write_submission(tmp_path, "m", "own set", {"s": {"0": "A"}}, known_pairs=taken).name
    assert name == "submission-own-set-m.json"


def test_of_repeats_the_first_that_could_be_read_is_submitted(tmp_path: Path) -> None:
    repeats = [answered(0, letter) for letter in ("B", "A", "A")]
    unread = make_record(1, subject="accountant", outcome=Outcome.UNPARSED, answer=None, target=None)
    written(tmp_path / "questions.jsonl", *repeats, unread, answered(1, "C"))
    (path,) = write_submissions(tmp_path)
    assert json.loads(path.read_text("utf-8")) == {"accountant": {"0": "B", "1": "C"}}


def test_a_key_with_slashes_keeps_them(tmp_path: Path) -> None:
    written(tmp_path / "questions.jsonl", answered("part/7", "A"))
    (path,) = write_submissions(tmp_path)
    assert json.loads(path.read_text("utf-8")) == {"accountant": {"part/7": "A"}}
