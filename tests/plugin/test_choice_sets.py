"""A run of questions with several right choices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

#: gives the letters of the texts that begin with "right", in the order in which the choices are shown
CONFTEST = """
import re
from pytest_llmeval import Completion, run_batches

class Knows:
    window = 8
    def check(self): pass
    def identity(self): return "knows"
    def run(self, jobs):
        def answer(batch):
            for job in batch:
                text = job.request.prompt.text
                letters = re.findall(r"^([A-Z])\\. right", text, re.M)
                job.finish(Completion(text="The answer is " + ", ".join(letters), finish_reason="stop"))
        run_batches(jobs, answer, 8)

def pytest_llmeval_make_model(config, cache_dir):
    return Knows() if config.backend == "knows" else None
"""
ROWS = [
    "question,A,B,C,D,answer",
    "one,right 1,wrong 1,right 2,wrong 2,AC",
    'two,wrong 1,right 1,right 2,right 3,"B, C, D"',
    "three,right 1,wrong 1,wrong 2,wrong 3,A",
    "four,right 1,right 2,wrong 1,wrong 2,ABC",
]


@pytest.fixture
def sets(pytester: pytest.Pytester) -> Path:
    pytester.makeconftest(CONFTEST)
    (pytester.path / "llmeval.toml").write_text('[models.knows]\nbackend = "knows"\n')
    path = pytester.path / "metals.csv"
    path.write_text("\n".join(ROWS) + "\n")
    return path


@pytest.mark.parametrize("xdist", WORKERS)
@pytest.mark.parametrize("order", ["", "--llm-circular", "--llm-shuffle-choices=3"])
def test_a_run(pytester: pytest.Pytester, sets: Path, xdist: str, order: str) -> None:
    args = [arg for arg in ("--llm-model=knows", f"--llm-benchmark={sets}", order, xdist) if arg]
    assert pytester.runpytest(*args).ret == 0
    (result,) = results(pytester)["results"]
    assert result["metric"] == "choices"
    assert result["counts"]["correct"] == 3 and result["counts"]["wrong"] == 1
    assert result["mean_score"] == pytest.approx((3 + 0.5) / 4)
    rows = {row["id"].rpartition("/")[2]: row for row in questions(pytester)}
    assert [row["target"] for row in rows.values()] == ["AC", "BCD", "A", "ABC"]
    assert [row["answer"] for row in rows.values()] == ["AC", "BCD", "A", "AB"]


def test_scores_of_choices_cannot_tell(pytester: pytest.Pytester, sets: Path) -> None:
    done = pytester.runpytest("--llm-model=echo", f"--llm-benchmark={sets}", "--llm-mode=logprob")
    assert done.ret == 4
    assert "several choices may be right" in done.stderr.str()


def test_rows_with_fewer_choices(pytester: pytest.Pytester, sets: Path) -> None:
    sets.write_text(
        "question,A,B,C,D,answer\n"
        "one,right,wrong,,,A\n"
        "two,wrong,wrong,right,,C\n"
        "three,wrong,wrong,wrong,right,D\n"
        "four,right,wrong,,,D\n"
        "five,right,,wrong,wrong,A\n"
    )
    done = pytester.runpytest("--llm-model=knows", f"--llm-benchmark={sets}", "--llm-circular")
    assert done.ret == 1
    (result,) = results(pytester)["results"]
    assert (result["counts"]["correct"], result["counts"]["error"]) == (3, 2)
    text = done.stdout.str()
    assert "metals: 3 of 5 questions have fewer choices than the file has columns (4), such as 0" in text
    assert "answer 'D' is not one of A, B" in text
    assert "choice B is empty" in text


LISTS = [
    {"question": "one", "choices": ["right 1", "wrong 1", "right 2"], "answer": ["A", "C"]},
    {"question": "two", "choices": ["right", "no"], "answer": "right"},
    {"question": "three", "choices": ["right", *["wrong"] * 18, "right"], "answer": "A, T"},
    {"question": "four", "choices": "none", "answer": "A"},
    {"question": "five", "choices": {"label": ["A", "B"], "text": ["wrong", "right"]}, "answer": "B"},
]


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_column_of_lists(pytester: pytest.Pytester, sets: Path, xdist: str) -> None:
    path = sets.with_name("lists.jsonl")
    path.write_text("\n".join(map(json.dumps, LISTS)))
    args = ["--llm-model=knows", f"--llm-benchmark={path}", "--llm-circular", xdist]
    done = pytester.runpytest(*args)
    assert done.ret == 1
    (result,) = results(pytester)["results"]
    assert result["metric"] == "choices"
    assert (result["counts"]["correct"], result["counts"]["error"]) == (4, 1)
    assert len(result["circular"]["accuracies"]) == 20
    assert sum(result["circular"]["places"]) == pytest.approx(1)
    targets = {row["id"].rpartition("/")[2]: row["target"] for row in questions(pytester)}
    assert targets == {"0": "AC", "1": "A", "2": "AT", "3": None, "4": "B"}
    assert "choices must be a JSON list of choices" in done.stdout.str()


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_majority_of_sets(pytester: pytest.Pytester, sets: Path, xdist: str) -> None:
    args = ["--llm-model=knows", f"--llm-benchmark={sets}", "--llm-repeats=3", "--llm-circular", xdist]
    assert pytester.runpytest(*args).ret == 0
    (result,) = results(pytester)["results"]
    assert result["counts"]["correct"] == 9
    assert result["repeats"]["majority"] == pytest.approx(3 / 4)


def test_a_benchmark_toml_has_the_prompt_of_sets(pytester: pytest.Pytester, sets: Path) -> None:
    folder = pytester.mkdir("alloys")
    (folder / "questions.csv").write_text(sets.read_text())
    (folder / "benchmark.toml").write_text(
        'metric = { name = "choices", credit = "each" }\n'
        '[data]\npaths = ["questions.csv"]\nquestion = "question"\nchoices = ["A", "B", "C", "D"]\n'
    )
    shown = pytester.runpytest("--llm-model=knows", "--llm-benchmark=alloys", "--llm-show-prompts")
    assert "One or more of these choices are right." in shown.stdout.str()
    assert pytester.runpytest("--llm-model=knows", "--llm-benchmark=alloys").ret == 0
    assert results(pytester)["results"][0]["mean_score"] == pytest.approx((3 + 3 / 4) / 4)


def test_a_single_choice_file_with_a_mistake(pytester: pytest.Pytester, sets: Path) -> None:
    good = [f"q{number},right,wrong,wrong,wrong,A" for number in range(150)]
    sets.write_text("\n".join(["question,A,B,C,D,answer", *good, "q,right,wrong,wrong,wrong,AB"]))
    done = pytester.runpytest("--llm-model=knows", f"--llm-benchmark={sets}")
    assert results(pytester)["results"][0]["metric"] == "choice"
    assert "answer 'AB' is not one of A, B, C, D" in done.stdout.str()


def test_sets_need_choices(pytester: pytest.Pytester, sets: Path) -> None:
    folder = pytester.mkdir("open")
    (folder / "questions.csv").write_text("question,answer\none,AB\n")
    (folder / "benchmark.toml").write_text('metric = "choices"\n')
    done = pytester.runpytest("--llm-model=knows", "--llm-benchmark=open")
    assert done.ret == 4
    assert "metric 'choices' needs choices" in done.stderr.str()
