"""Several numbers of one answer: averaged, computed with, reported, and kept wherever a record travels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

CONFTEST = """
from pytest_llmeval.metrics import Metric, Scores

def make(options, where):
    def score(answer, question):
        number = int(question.key)
        followed = number if answer else 0
        return Scores(
            float(number > 1 and bool(answer)),
            {"loose": float(number > 0 and bool(answer)), "instruction": (followed, 3)},
            f"{followed} of 3",
        )
    return score

def pytest_llmeval_metrics():
    return {"several": Metric(make, "text", totals={"twice": "2 * loose"}, scores_unparsed=True)}
"""
TOML = """
name = "own"
[metric]
name = "several"
totals = {both = "loose + instruction", none = "loose / 0"}
[data]
paths = ["q.jsonl"]
choices = []
"""


@pytest.fixture
def own(pytester: pytest.Pytester) -> Path:
    pytester.makeconftest(CONFTEST)
    place = pytester.path / "own"
    place.mkdir()
    (place / "benchmark.toml").write_text(TOML)
    rows = [{"question": f"q{number}", "answer": "a"} for number in range(4)]
    (place / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return place


#: of four answers to questions 0 to 3
WANTED = {"loose": 0.75, "instruction": 6 / 12, "twice": 1.5, "both": 1.25, "none": None}


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize("repeats", [1, 2])
def test_numbers_of_a_run_and_of_its_replay(
    pytester: pytest.Pytester, own: Path, xdist: str, repeats: int
) -> None:
    for how in ("--llm-model=echo", "--llm-replay=latest"):
        count = [f"--llm-repeats={repeats}"] if how == "--llm-model=echo" else []
        done = pytester.runpytest(how, f"--llm-benchmark={own}", xdist, *count)
        (result,) = results(pytester)["results"]
        assert result["metrics"] == pytest.approx(WANTED)
        assert result["subjects"]["own"]["metrics"] == pytest.approx(WANTED)
        assert result["accuracy"] == 0.5
        done.stdout.fnmatch_lines(["*metrics: loose 0.7500, instruction 0.5000, twice 1.5000, both 1.2500*"])
        assert all(line["metrics"]["numbers"]["instruction"][1] == 3 for line in questions(pytester))
    folder = pytester.path / "reports/latest"
    for file in ("summary.md", "report.html"):
        assert "metrics: loose 0.7500, instruction 0.5000" in (folder / file).read_text("utf-8")


def test_unparsed_answers_count_as_empty_ones_and_errors_do_not_count(
    pytester: pytest.Pytester, own: Path
) -> None:
    rows = [
        {"id": f"own/own/{number}", "model": "m", "text": text} for number, text in enumerate(["x", "", "x"])
    ]
    (pytester.path / "outputs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pytester.runpytest("--llm-replay=outputs.jsonl", f"--llm-benchmark={own}")
    (result,) = results(pytester)["results"]
    assert (result["counts"]["unparsed"], result["counts"]["requested"]) == (1, 3)
    assert result["metrics"]["loose"] == pytest.approx(1 / 3)
    assert result["metrics"]["instruction"] == pytest.approx(2 / 9)


@pytest.mark.parametrize("number", ["float('nan')", "(1, 0)", "(1, 2, 3)", "'x'"])
def test_a_number_that_is_none_is_an_error(pytester: pytest.Pytester, own: Path, number: str) -> None:
    pytester.makeconftest(CONFTEST.replace("float(number > 0 and bool(answer))", number))
    done = pytester.runpytest("--llm-model=echo", f"--llm-benchmark={own}")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert results(pytester)["results"][0]["counts"]["error"] == 4


@pytest.mark.parametrize("expression", ["loose +", "{{ loose }}"])
def test_a_total_that_is_no_expression(pytester: pytest.Pytester, own: Path, expression: str) -> None:
    (own / "benchmark.toml").write_text(TOML.replace("loose + instruction", expression))
    done = pytester.runpytest("--llm-model=echo", f"--llm-benchmark={own}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*totals: both: not a valid expression*"])
