"""Runs with mathematical answers, and calibration of choice scores."""

from __future__ import annotations

import json

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

#: a model that answers each problem with what stands between SAY and END
CONFTEST = """
from pytest_llmeval import Completion, run_batches
from pytest_llmeval.core.types import shown

class Model:
    window = 16
    def check(self): pass
    def identity(self): return "parrot"
    def store_key(self, digest): return "parrot"
    def run(self, jobs):
        run_batches(jobs, lambda batch: [job.finish(self.answer(job.request)) for job in batch], 16)
    def answer(self, request):
        text = shown(request.prompt).split("SAY ")[1].split(" END")[0]
        return Completion(text=text, finish_reason="stop", latency_s=0.1)

def pytest_llmeval_make_model(config, cache_dir):
    return Model() if config.backend == "parrot" else None
"""
PROBLEMS = [
    (r"\frac{1}{2}", r"So it is $\boxed{0.5}$.", "correct"),
    ("(3,4]", r"\boxed{[3,4)}", "wrong"),
    (r"\sqrt{51}", r"\boxed{51}", "wrong"),
    (r"\frac{4}{\sqrt{2}}", r"The answer is $2\sqrt{2}$.", "correct"),
    (r"\text{Friday}", "Answer: Friday", "correct"),
    ("17", "I do not know.", "unparsed"),
]


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_file_of_mathematics(pytester: pytest.Pytester, xdist: str) -> None:
    pytest.importorskip("math_verify")
    pytester.makeconftest(CONFTEST)
    (pytester.path / "llmeval.toml").write_text('[models.parrot]\nbackend = "parrot"\npath = "x"\n')
    rows = [{"problem": f"SAY {text} END", "answer": gold, "solution": "-"} for gold, text, _ in PROBLEMS]
    (pytester.path / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    done = pytester.runpytest_subprocess("--llm-model=parrot", "--llm-benchmark=problems.jsonl", xdist)
    assert done.ret == 0
    assert results(pytester)["results"][0]["metric"] == "math"
    outcomes = {row["target"]: row["outcome"] for row in questions(pytester)}
    assert outcomes == {gold: outcome for gold, _, outcome in PROBLEMS}


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize("more", [(), ("--llm-circular",)])
def test_calibration(pytester: pytest.Pytester, xdist: str, more: tuple[str, ...]) -> None:
    done = pytester.runpytest_subprocess(
        "--llm-model=echo", "--llm-benchmark=mini", "--llm-mode=logprob", "--llm-limit=8", xdist, *more
    )
    result = results(pytester)["results"][0]
    found = result["calibration"]
    assert found["count"] >= result["counts"]["correct"] + result["counts"]["wrong"]
    assert found["confidence"] == pytest.approx(0.64391426)  # softmax of 0, -1, -2, -3
    assert [(one["low"], one["count"]) for one in found["bins"]] == [(0.6, found["count"])]
    assert found["ece"] == pytest.approx(abs(found["confidence"] - found["bins"][0]["accuracy"]))
    done.stdout.fnmatch_lines(["choice scores: calibration error *, Brier score *, mean confidence 64.4%"])
    run = pytester.path / "reports/latest"
    assert "- choice scores: calibration error" in (run / "summary.md").read_text("utf-8")
    assert "<dt>calibration error</dt>" in (run / "report.html").read_text("utf-8")
