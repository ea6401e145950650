"""--llm-metric, and what a run says if its metric is too strict for the answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

ECHO = ("--llm-model=echo", "--llm-cache-dir=cache")
CAPITALS = {"Italy": "Rome", "France": "Paris", "Japan": "Tokyo"}


def write_capitals(folder: Path, *texts: str) -> None:
    rows = [{"question": f"capital of {name}?", "answer": city} for name, city in CAPITALS.items()]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    lines = [json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts)]
    (folder / "outputs.jsonl").write_text("".join(lines), "utf-8")


TEXTS = ("The capital of Italy is Rome.", "Paris", "The capital of Japan is not Tokyo.")
REPLAY = ("--llm-replay=outputs.jsonl", "--llm-benchmark=q.jsonl")


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_strict_metric_says_what_a_looser_one_would_count(pytester: pytest.Pytester, xdist: str) -> None:
    write_capitals(pytester.path, *TEXTS)
    done = pytester.runpytest(*REPLAY, xdist)
    assert done.ret == 0
    done.stdout.fnmatch_lines(
        [
            "q · * · generate, 0 shots, test, metric exact",
            "1 of 2 wrong answers contain the gold answer; metric contains would*",
        ]
    )
    (result,) = results(pytester)["results"]
    assert result["looser_metric"] == {
        "metric": "contains", "accepted": 1, "wrong": 2, "questions": ["q/q/0"],
    }  # fmt: skip
    assert [row.get("accepted_by") for row in questions(pytester)] == ["contains", None, None]
    report = pytester.path / "reports/latest"
    for name in ("summary.md", "report.html"):
        text = (report / name).read_text("utf-8")
        assert "1 of 2 wrong answers contain the gold answer" in text and "metric exact" in text


@pytest.mark.parametrize("xdist", WORKERS)
def test_the_option_sets_the_metric_of_a_file(pytester: pytest.Pytester, xdist: str) -> None:
    write_capitals(pytester.path, *TEXTS)
    done = pytester.runpytest(*REPLAY, "--llm-metric=contains", xdist)
    assert done.ret == 0
    (result,) = results(pytester)["results"]
    assert (result["metric"], result["counts"]["correct"]) == ("contains", 2)
    assert result["looser_metric"] is None
    done.stdout.fnmatch_lines(["q · * · generate, 0 shots, test, metric contains"])


def test_the_metric_changes_the_prompt_that_goes_with_it(pytester: pytest.Pytester) -> None:
    write_capitals(pytester.path)
    pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl")
    assert questions(pytester)[0]["prompt"].endswith("Answer with the answer alone, without an explanation.")
    pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl", "--llm-metric=contains")
    assert questions(pytester)[0]["prompt"].endswith("capital of Italy?")


def test_a_test_of_one_s_own_decides_what_is_wrong(pytester: pytest.Pytester) -> None:
    write_capitals(pytester.path, *(["Rome is old"] * 3))
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.llmeval("q.jsonl")
        def test_short(question, llm):
            assert len(llm.answer(question)) < 3
        """
    )
    done = pytester.runpytest("--llm-replay=outputs.jsonl", ".")
    assert done.ret == 0
    (result,) = results(pytester)["results"]
    assert result["looser_metric"]["questions"] == ["q/q/0"]


def test_mistakes(pytester: pytest.Pytester) -> None:
    write_capitals(pytester.path)
    done = pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl", "--llm-metric=contians")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*unknown metric 'contians' in *; did you mean 'contains'?"])
    done = pytester.runpytest(*ECHO, "--llm-benchmark=mini", "--llm-metric=exact")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*mini: its metric is set to choice; leave out --llm-metric=exact*"])
