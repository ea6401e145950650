"""questions.jsonl: a line a question, whatever happens; and its parts merged."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.results.question_log import merge, read_records
from pytest_llmeval.results.record import Record
from tests.support.made_results import HOSTILE, make_record, written


def lines_of(path: Path) -> list[dict[str, Any]]:
    """As any other program reads it, strictly."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text("utf-8").split("\n")[:-1]]


def test_a_line_has_the_keys_of_the_design(tmp_path: Path) -> None:
    record = make_record(
        text="答案是 B",
        answer="B",
        target="C",
        outcome=Outcome.WRONG,
        reasoning="想",
        scores={"A": -1.5, "B": -0.25},
        finish_reason="stop",
        prompt_tokens=100,
        completion_tokens=7,
        latency_s=0.1234567,
        queue_s=2.0,
        attempts=3,
        cached=True,
        dropped_shots=2,
        notes=("2 shots dropped",),
    )
    (line,) = lines_of(written(tmp_path / "questions.jsonl", record))
    assert line == {
        "id": "b/law/0",
        "nodeid": "test_b.py::test_b[b/law/0]",
        "model": "m",
        "benchmark": "b",
        "subject": "law",
        "outcome": "wrong",
        "answer": "B",
        "target": "C",
        "text": "答案是 B",
        "reasoning": "想",
        "finish_reason": "stop",
        "prompt": "题目",
        "scores": {"A": -1.5, "B": -0.25},
        "latency_s": 0.123457,
        "queue_s": 2.0,
        "batch_s": None,
        "first_token_s": None,
        "prompt_tokens": 100,
        "shared_tokens": None,
        "completion_tokens": 7,
        "attempts": 3,
        "cached": True,
        "dropped_shots": 2,
        "notes": ["2 shots dropped"],
        "error": None,
    }
    assert "答案是 B" in (tmp_path / "questions.jsonl").read_text("utf-8")


def test_the_prompt_is_the_one_that_was_sent() -> None:
    assert make_record(prompt="asked").to_json()["prompt"] == "asked"
    sent = Record("i", "n", "m", "b", "s", Outcome.CORRECT, "A", "A", Completion(prompt=""), "asked")
    assert sent.to_json()["prompt"] == ""


def test_numbers_that_json_does_not_have_are_null(tmp_path: Path) -> None:
    record = make_record(
        scores={"A": -math.inf, "B": math.nan, "C": -1.0}, latency_s=math.inf, queue_s=math.nan
    )
    (line,) = lines_of(written(tmp_path / "q.jsonl", record))
    assert line["scores"] == {"A": None, "B": None, "C": -1.0}
    assert (line["latency_s"], line["queue_s"]) == (None, None)


@given(st.lists(st.text(st.one_of(st.characters(), st.sampled_from("\n\r\x00\x1b\ud800\udfff\u2028\u0085")))))
def test_hostile_text_stays_on_its_line_and_comes_back(texts: list[str]) -> None:
    lines = [json.dumps(make_record(key, text=text).to_json()) for key, text in enumerate(texts)]
    assert [json.loads(line)["text"] for line in lines] == texts


@pytest.mark.parametrize("text", ["\ud800", "a\udfff\n", HOSTILE, '"}\n{"id": "b/law/9", "model": "m"}'])
def test_hostile_text_in_a_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "q.jsonl", make_record(0, text=text), make_record(1))
    assert [line["id"] for line in lines_of(path)] == ["b/law/0", "b/law/1"]
    first, _ = read_records(path)
    assert first.completion.text == text


def test_lines_are_on_the_disk_within_moments(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    code = f"""
        import os, pathlib, sys, time
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from pytest_llmeval.results.question_log import QuestionLog
        from tests.support.made_results import make_record
        log = QuestionLog(pathlib.Path({str(path)!r}))
        for key in range(3):
            log.write(make_record(key))
            time.sleep(0.3)
        os._exit(9)  # as a crash would: nothing is flushed, nothing closed
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == 9
    assert [line["id"] for line in lines_of(path)] == ["b/law/0", "b/law/1", "b/law/2"]


def test_a_log_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    path = written(tmp_path / "q.jsonl", make_record(0), make_record(1))
    path.write_bytes(path.read_bytes()[:-20])
    written(path, make_record(2))
    written(path, make_record(3))
    assert [record.id for record in read_records(path)] == ["b/law/0", "b/law/2", "b/law/3"]
    assert path.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("left", range(1, 400, 23))
def test_wherever_a_line_is_torn_the_others_are_read(tmp_path: Path, left: int) -> None:
    path = written(tmp_path / "q.jsonl", make_record("a", text="答案"), make_record("b", text="答案"))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:left])
    whole = left >= len(second) - 1  # all but its line feed
    assert [record.id for record in read_records(path)] == ["b/law/a"] + ["b/law/b"] * whole


@pytest.mark.parametrize("junk", [b"", b"null", b"[1]", b'"id"', b'{"id": 1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_line_of_ours_is_left_out(tmp_path: Path, junk: bytes) -> None:
    path = written(tmp_path / "q.jsonl", make_record(0))
    path.write_bytes(junk + b"\n" + path.read_bytes())
    assert [record.id for record in read_records(path)] == ["b/law/0"]


def test_parts_are_merged_in_the_order_of_the_items(tmp_path: Path) -> None:
    parts = [
        written(tmp_path / "questions.gw0.jsonl", *(make_record(key) for key in (4, 0, 2))),
        written(tmp_path / "questions.gw1.jsonl", *(make_record(key) for key in (3, 1))),
    ]
    target = tmp_path / "questions.jsonl"
    order = [(f"b/law/{key}", "m") for key in range(5)]
    assert merge(parts, target, order) == 5
    assert [line["id"] for line in lines_of(target)] == [id for id, _ in order]
    # byte for byte what a run without workers writes
    alone = written(tmp_path / "alone.jsonl", *(make_record(key) for key in range(5)))
    assert target.read_bytes() == alone.read_bytes()
    assert all(part.exists() for part in parts)


@given(data=st.data())
def test_merging_any_split_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    records = [make_record(key, model) for key in range(4) for model in ("m", "n")]
    place = data.draw(st.lists(st.integers(0, 2), min_size=len(records), max_size=len(records)))
    shuffled = data.draw(st.permutations(list(zip(place, records, strict=True))))
    parts = [
        written(folder / f"questions.gw{number}.jsonl", *(record for at, record in shuffled if at == number))
        for number in range(3)
    ]
    target = folder / "questions.jsonl"
    assert merge(parts, target, ((record.id, record.model) for record in records)) == len(records)
    assert lines_of(target) == [record.to_json() for record in records]


def test_what_the_order_does_not_name_was_never_counted(tmp_path: Path) -> None:
    part = written(tmp_path / "p.jsonl", *(make_record(key) for key in (7, 1, 5)))
    target = tmp_path / "questions.jsonl"
    merge([part], target, [("b/law/5", "m"), ("b/law/unasked", "m")])
    assert [line["id"] for line in lines_of(target)] == ["b/law/5"]
    merge([part], target)
    assert [line["id"] for line in lines_of(target)] == ["b/law/7", "b/law/1", "b/law/5"]


def test_the_last_line_of_a_question_wins_by_model(tmp_path: Path) -> None:
    first = written(tmp_path / "p0.jsonl", make_record(0, text="old"), make_record(0, "n", text="other"))
    last = written(tmp_path / "p1.jsonl", make_record(0, text="new"))
    assert merge([first, last], tmp_path / "q.jsonl") == 2
    lines = lines_of(tmp_path / "q.jsonl")
    assert [(line["model"], line["text"]) for line in lines] == [("m", "new"), ("n", "other")]


def test_a_torn_last_line_of_a_part_is_left_out_and_all_else_kept(tmp_path: Path) -> None:
    torn = written(tmp_path / "p0.jsonl", make_record(0), make_record(1, text="x" * 100))
    torn.write_bytes(torn.read_bytes()[:-50])
    whole = written(tmp_path / "p1.jsonl", make_record(2))
    unended = written(tmp_path / "p2.jsonl", make_record(3))
    unended.write_bytes(unended.read_bytes().rstrip(b"\n"))
    assert merge([torn, unended, whole], tmp_path / "q.jsonl") == 3
    assert [line["id"] for line in lines_of(tmp_path / "q.jsonl")] == ["b/law/0", "b/law/3", "b/law/2"]


def test_a_part_may_be_missing_or_the_target_itself(tmp_path: Path) -> None:
    target = written(tmp_path / "questions.jsonl", make_record(0))
    part = written(tmp_path / "p.jsonl", make_record(1))
    assert merge([target, part, tmp_path / "never"], target) == 2
    assert [line["id"] for line in lines_of(target)] == ["b/law/0", "b/law/1"]
    assert merge([], target) == 0
    assert target.read_bytes() == b""
