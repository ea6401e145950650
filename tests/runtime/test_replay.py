"""An earlier run's answers, scored again."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.runtime.replay import read_replay
from tests.support.tiny_benchmark import TOML, questions, results
from tests.support.workers import WORKERS


def test_the_same_again_without_the_model(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-run-name=first")
    (first,), lines = results(pytester)["results"], questions(pytester)
    done = pytester.runpytest("--llm-replay=first", "--llm-benchmark=tiny")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*2 correct, 6 wrong*"])
    done.stdout.fnmatch_lines(["*answers were replayed from reports/first and scored again"])
    (again,) = results(pytester)["results"]
    for name in ("model", "identity", "mode", "shots", "split", "counts", "accuracy", "prompt_sha256"):
        assert again[name] == first[name], name
    kept = ("id", "outcome", "answer", "text", "prompt", "latency_s", "prompt_tokens")
    assert [[line[k] for k in kept] for line in questions(pytester)] == [[x[k] for k in kept] for x in lines]


@pytest.mark.parametrize("xdist", WORKERS)
def test_today_s_extractor_and_gold_are_used(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-limit=2", "--llm-run-name=x")
    path = pytester.path / "reports/x/questions.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row, text in zip(rows, ("B", "答案：B", "no idea", "A"), strict=True):
        row["text"] = text
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = pytester.runpytest("--llm-replay=reports/x/results.json", "--llm-benchmark=tiny", xdist)
    done.stdout.fnmatch_lines(["*1 correct, 2 wrong, 1 unparsed*"])
    assert [line["answer"] for line in questions(pytester)] == ["B", "B", None, "A"]


def test_the_prompts_are_those_that_were_answered(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-run-name=x")
    (first,) = results(pytester)["results"]
    (tiny / "benchmark.toml").write_text(TOML.replace("Answer:", "Your answer:"), "utf-8")
    file = tiny / "data/val/birds_val.csv"
    file.write_text(file.read_text("utf-8").replace("one,two", "one,too"), "utf-8")
    done = pytester.runpytest("--llm-replay=x", "--llm-benchmark=tiny")
    done.stdout.fnmatch_lines(["llmeval: tiny: not scored as in x: different data (data_sha256)"])
    (again,) = results(pytester)["results"]
    assert again["prompt_sha256"] == first["prompt_sha256"] and again["data_sha256"] != first["data_sha256"]
    # so a run that asks otherwise is not compared with it
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-baseline=latest")
    assert done.ret == 4 and "different prompts" in str(done.stderr) + str(done.stdout)


def test_errors_stay_errors(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-run-name=x")
    path = pytester.path / "reports/x/questions.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[0]["error"] = "no answer from the server"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = pytester.runpytest("--llm-replay=x", "--llm-benchmark=tiny")
    assert done.ret == 1
    (result,) = results(pytester)["results"]
    assert result["counts"]["error"] == 1 and result["counts"]["requested"] == 8


def test_scores_come_back(pytester: pytest.Pytester, tiny: Path) -> None:
    choices = (
        '[prompts.logprob]\nquestion = "{{ question }}"\nanswer = "{{ answer }}"\nchoice = " {{ label }}"\n'
    )
    (tiny / "benchmark.toml").write_text(TOML.replace("[subjects]", choices + "[subjects]"), "utf-8")
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-mode=logprob", "--llm-run-name=x")
    done = pytester.runpytest("--llm-replay=x", "--llm-benchmark=tiny")
    done.stdout.fnmatch_lines(["*tiny*echo*logprob*", "*2 correct, 6 wrong*"])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("--llm-replay=nowhere", "not a run"),
        ("--llm-replay=torn", "is it a finished run?"),
        ("--llm-replay=mixed", "with different settings"),
        ("--llm-replay=good --llm-model=smollm2", "has no model 'smollm2'; it has echo"),
    ],
)
def test_what_cannot_be_replayed(pytester: pytest.Pytester, tiny: Path, given: str, says: str) -> None:
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-run-name=good")
    good = pytester.path / "reports/good"
    for name in ("torn", "mixed"):
        folder = pytester.path / "reports" / name
        folder.mkdir()
        (folder / "questions.jsonl").write_text((good / "questions.jsonl").read_text("utf-8"), "utf-8")
    (pytester.path / "reports/torn/results.json").write_text('{"schema": 1')
    table = json.loads((good / "results.json").read_text("utf-8"))
    table["results"].append({**table["results"][0], "mode": "logprob"})
    (pytester.path / "reports/mixed/results.json").write_text(json.dumps(table))
    done = pytester.runpytest(*given.split(), "--llm-benchmark=tiny")
    assert done.ret == 4
    (line,) = [line for line in (done.errlines + done.outlines) if line.startswith("ERROR")]
    assert says in line


def test_a_score_that_is_not_finite_is_an_error(pytester: pytest.Pytester, tiny: Path) -> None:
    """Earlier versions let choice A win."""
    toml = (
        '[prompts.logprob]\nquestion = "{{ question }}"\nanswer = "{{ answer }}"\nchoice = " {{ label }}"\n'
    )
    (tiny / "benchmark.toml").write_text(TOML + toml, "utf-8")
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-mode=logprob", "--llm-run-name=x")
    path = pytester.path / "reports/x/questions.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[0]["scores"] = dict.fromkeys(rows[0]["scores"])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = pytester.runpytest("--llm-replay=x", "--llm-benchmark=tiny")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*the log-probability of choice 'A' is -inf, not a finite number*"])
    assert [line["outcome"] for line in questions(pytester)].count("error") == 1


def test_minus_infinity_outlives_json(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    conditions = {
        "model": "m",
        "identity": "i",
        "benchmark": "b",
        "mode": "logprob",
        "shots": 0,
        "split": "val",
    }
    conditions |= {"prompt_sha256": "p", "data_sha256": "d"}
    (folder / "results.json").write_text(json.dumps({"results": [conditions]}))
    row = {"id": "b/s/0", "model": "m", "benchmark": "b", "subject": "s", "outcome": "wrong"}
    row |= {"scores": {"A": None, "B": -1.5}, "notes": ["n"]}
    (folder / "questions.jsonl").write_text(json.dumps(row) + "\n")
    completion = read_replay("run", tmp_path, tmp_path).answers["m"]["b/s/0", 0, 0].completion
    assert completion.scores == {"A": -math.inf, "B": -1.5} and completion.notes == ("n",)
    (folder / "questions.jsonl").write_text(json.dumps({**row, "scores": [1]}) + "\n")
    with pytest.raises(UserError, match="not a record of a question"):
        read_replay("run", tmp_path, tmp_path)
