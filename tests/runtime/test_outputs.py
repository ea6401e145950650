"""Outputs of other tools, scored without a model."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.runtime.outputs import read_outputs
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_names_of_other_tools(tmp_path: Path) -> None:
    rows = [{"question_id": 7, "output": text, "model": "theirs"} for text in "BC"]
    records, _ = read_outputs(write(tmp_path / "run.jsonl", rows))
    (pair,) = records.values()
    assert list(records) == ["theirs"]
    assert [(record.id, record.repeat, record.completion.text) for record in pair] == [
        ("7", 0, "B"),
        ("7", 1, "C"),
    ]


def test_compressed(tmp_path: Path) -> None:
    path = tmp_path / "model-x.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write('{"id": "a", "text": "B"}\n\n')
    records, sha256 = read_outputs(path)
    assert list(records) == ["model-x"] and len(sha256) == 64


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no lines"),
        (b"{", "line 1: not JSON"),
        (b"[1]", "line 1: not an object"),
        (b'{"text": "B"}', "line 1: no 'id'"),
        (b'{"id": "1"}', "line 1: no 'text'"),
        (b'{"id": 1.5, "text": "B"}', "line 1: the id must be"),
        (b'{"id": "1", "text": null}', "line 1: the id must be"),
        (b'{"id": "1", "text": "B"}\n\xff', "line 2: not JSON"),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "outputs.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_outputs(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_run(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    assert pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny").ret == 0
    rows = questions(pytester)
    outputs = [{"id": row["id"], "text": "The answer is B.", "finish_reason": "stop"} for row in rows[:2]]
    write(pytester.path / "theirs.jsonl", [*outputs, {"id": "unknown", "text": "C"}])
    done = pytester.runpytest("--llm-replay=theirs.jsonl", "--llm-benchmark=tiny", xdist)
    assert done.ret == 0
    (result,) = results(pytester)["results"]
    assert (result["model"], result["identity"]) == ("theirs", "outputs in theirs.jsonl")
    assert result["counts"]["requested"] == 2
    assert {row["answer"] for row in questions(pytester)} == {"B"}
    text = done.stdout.str()
    assert "prompts and settings of the outputs in theirs.jsonl are unknown" in text
    assert "1 of 3 ids in theirs.jsonl are not in tiny: unknown" in text


def test_a_benchmark_must_be_named(pytester: pytest.Pytester, tiny: Path) -> None:
    write(pytester.path / "theirs.jsonl", [{"id": "x", "text": "B"}])
    done = pytester.runpytest("--llm-replay=theirs.jsonl")
    assert done.ret == 4
    assert "does not say which benchmark its outputs answer; give --llm-benchmark=NAME" in done.stderr.str()
    done = pytester.runpytest("--llm-replay=theirs.jsonl", "--llm-benchmark=tiny")
    assert done.ret == 4
    assert "no id in theirs.jsonl is that of a question of tiny" in done.stderr.str()
