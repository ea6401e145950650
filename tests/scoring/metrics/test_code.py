"""Programs as answers: extracted, assembled, run against tests, and recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.scoring.sandbox import own, selection
from pytest_llmeval.scoring.sandbox.base import SandboxFailed
from tests.support.sandboxes import why_skip_all
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

needs_sandbox = pytest.mark.skipif(why_skip_all() is not None, reason=str(why_skip_all()))
PROMPT = 'from typing import List\n\n\ndef add(xs: List[int]) -> int:\n    """Their sum."""\n'
CHECK = "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n"


def question(answer: str, **fields: str) -> Question:
    return Question("b", "s", "0", fields, {}, answer)


def test_wrong_options() -> None:
    for options, message in (
        ({"seconds": 0.0}, "seconds: 0.0 is not above 0"),
        ({"memory_mb": 0}, "memory_mb: 0 is not above 0"),
        ({"second": 1.0}, "did you mean 'seconds'"),
    ):
        with pytest.raises(UserError, match=message):
            METRICS["code"].make(options, "here")


@needs_sandbox
def test_scores() -> None:
    score = METRICS["code"].make({"seconds": 3.0}, "here")
    asked = question(CHECK, question=PROMPT, entry_point="add")
    assert score("    return sum(xs)\n", asked) == 1
    wrong = score("    return 0\n", asked)
    assert wrong == 0 and wrong.reason == "test 1 of 2: AssertionError"  # type: ignore[attr-defined]
    mbpp = question('["assert half(4) == two"]', question="Halve a number.", test_setup_code="two = 2")
    assert score("def half(x):\n    return x // two\n", mbpp) == 1
    assert score("from __future__ import annotations\ndef half(x: int) -> int: return x // 2\n", mbpp) == 1
    assert score("x" * 2_000_000, mbpp) == 0
    missing = question('["import no_such_package", "assert half(4) == 2"]', question="")
    with pytest.raises(
        SandboxFailed, match="the tests need the package no_such_package: ModuleNotFoundError"
    ):
        score("def half(x): return 2", missing)
    after = question('["assert half(box)"]', question="", test_setup_code="box = Box()")
    assert score("class Box:\n    pass\ndef half(x):\n    return x\n", after) == 1


@needs_sandbox
def test_scripts_and_functions() -> None:
    score = METRICS["code"].make(
        {"seconds": 3.0, "entry_point": "metadata", "prelude": "from math import *"}, "x"
    )
    rows = [{"input": "4\n", "output": "2.0", "testtype": "stdin"}, {"input": "9\n", "output": "3"}]
    script = question(json.dumps(rows[1:]), public_test_cases=json.dumps(rows[:1]), metadata="{}")
    assert score("print(sqrt(int(input())))", script) == 1
    wrong = score("print(2)", script)
    assert wrong == 0 and wrong.reason == "test 2 of 2: line 1 is '2', not '3'"  # type: ignore[attr-defined]
    calls = [{"input": '[1, 2]\n"x"', "output": "3", "testtype": "functional"}]
    function = question(json.dumps(calls), metadata='{"func_name": "f"}')
    assert score("class Solution:\n    def f(self, xs, y): return floor(sum(xs))", function) == 1
    assert score("def g(): pass", function) == 0


TOML = """
name = "humaneval"
extractor = "code"
shots = 0
[metric]
name = "code"
seconds = 3.0
[data]
format = "jsonl"
paths = ["tasks.jsonl"]
question = "prompt"
answer = "test"
choices = []
columns = ["entry_point"]
[prompts.generate]
user = "{{ question }}"
"""
CONFTEST = """
from pytest_llmeval.models.base import run_batches
from pytest_llmeval.core.types import Completion

TEXTS = {
    "good": "Sure:\\n```python\\ndef add(xs):\\n    return sum(xs)\\n```",
    "wrong": "```python\\ndef add(xs):\\n    return 0\\n```",
    "exits": "import os\\nos._exit(0)",
    "none": "",
}

class Coder:
    window = 16
    def __init__(self, kind): self.kind = kind
    def check(self): pass
    def identity(self): return "coder"
    def run(self, jobs):
        run_batches(jobs, lambda batch: [
            job.finish(Completion(text=TEXTS[self.kind], finish_reason="stop")) for job in batch
        ], 16)

def pytest_llmeval_make_model(config, cache_dir):
    return Coder(config.target) if config.backend == "coder" else None
"""


@pytest.fixture
def tasks(pytester: pytest.Pytester) -> pytest.Pytester:
    folder = pytester.path / "humaneval"
    folder.mkdir()
    (folder / "benchmark.toml").write_text(TOML)
    row = {"prompt": PROMPT, "test": CHECK, "entry_point": "add"}
    bad = {**row, "test": "def check(:"}
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in (row, row, bad)))
    pytester.makeconftest(CONFTEST)
    kinds = ("good", "wrong", "exits", "none")
    tables = "".join(f'[models.{kind}]\nbackend = "coder"\npath = "{kind}"\n' for kind in kinds)
    (pytester.path / "llmeval.toml").write_text(tables)
    return pytester


@needs_sandbox
@pytest.mark.parametrize("xdist", WORKERS)
def test_a_run(tasks: pytest.Pytester, xdist: str) -> None:
    models = ("--llm-model=good", "--llm-model=wrong", "--llm-model=exits", "--llm-model=none")
    done = tasks.runpytest_subprocess(*models, "--llm-benchmark=humaneval", "--llm-allow-code", xdist)
    assert done.ret == 1  # the row with broken tests
    counts = {result["model"]: result["counts"] for result in results(tasks)["results"]}
    assert {name: of["error"] for name, of in counts.items()} == dict.fromkeys(counts, 1)
    assert (counts["good"]["correct"], counts["wrong"]["wrong"], counts["exits"]["wrong"]) == (2, 2, 2)
    assert counts["none"]["unparsed"] == 2
    lines = {(line["model"], line["id"]): line for line in questions(tasks)}
    assert lines["wrong", "humaneval/humaneval/0"]["notes"] == ["code: test 1 of 2: AssertionError"]
    assert lines["exits", "humaneval/humaneval/0"]["notes"] == ["code: it ended before its tests did"]
    assert lines["good", "humaneval/humaneval/0"]["notes"] == []
    assert "the tests are not Python" in lines["good", "humaneval/humaneval/2"]["error"]


@needs_sandbox
def test_the_record_says_which_sandbox(tasks: pytest.Pytester) -> None:
    args = ("--llm-model=good", "--llm-benchmark=humaneval", "--llm-allow-code", "--llm-allow-errors=1")
    tasks.runpytest_subprocess(*args, "--llm-run-name=first")
    best = selection.selected().name
    assert results(tasks)["results"][0]["scoring"]["sandbox"] == best
    if selection.why_not(own.Own()) is None and best != "own":
        done = tasks.runpytest_subprocess(*args, "--llm-sandbox=own", "--llm-baseline=first")
        done.stderr.fnmatch_lines([f"*sandbox {best} then, own now*"])


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_named_sandbox_is_not_replaced(tasks: pytest.Pytester, xdist: str) -> None:
    args = ("--llm-model=good", "--llm-benchmark=humaneval", "--llm-allow-code", "--llm-sandbox=podman")
    done = tasks.runpytest_subprocess(*args, "--llm-sandbox-image=no/such:image", xdist)
    assert done.ret == 4
    assert "cannot be run safely here: podman: " in str(done.stdout) + str(done.stderr)


@pytest.mark.parametrize("xdist", WORKERS)
def test_programs_need_allow_code(tasks: pytest.Pytester, xdist: str) -> None:
    done = tasks.runpytest_subprocess("--llm-model=good", "--llm-benchmark=humaneval", xdist)
    assert done.ret == 4
    (line,) = [line for line in (done.errlines + done.outlines) if line.startswith("ERROR")]
    assert "humaneval: its answers are programs, which run only with --llm-allow-code" in line


def test_programs_need_a_sandbox(tasks: pytest.Pytester) -> None:
    with (tasks.path / "conftest.py").open("a") as file:
        file.write(
            "\nfrom pytest_llmeval.scoring.sandbox import selection\n"
            "selection.why_not = lambda provider: 'no namespaces'\n"
        )
    done = tasks.runpytest_subprocess("--llm-model=good", "--llm-benchmark=humaneval", "--llm-allow-code")
    assert done.ret == 4
    (line,) = [line for line in (done.errlines + done.outlines) if line.startswith("ERROR")]
    assert (
        "humaneval: programs cannot be run safely here: bubblewrap: no namespaces; own: no namespaces" in line
    )


def test_prompts_are_shown_without_allow_code(tasks: pytest.Pytester) -> None:
    done = tasks.runpytest_subprocess("--llm-benchmark=humaneval", "--llm-show-prompts")
    done.stdout.fnmatch_lines(["3 prompts; nothing was sent"])


@needs_sandbox
def test_a_replay_runs_programs_again(tasks: pytest.Pytester) -> None:
    args = ("--llm-benchmark=humaneval", "--llm-allow-code")
    tasks.runpytest_subprocess("--llm-model=wrong", "--llm-run-name=first", *args)
    tasks.runpytest_subprocess("--llm-replay=first", *args)
    assert results(tasks)["results"][0]["counts"]["wrong"] == 2
    assert questions(tasks)[0]["notes"] == ["code: test 1 of 2: AssertionError"]


def test_the_scripts_are_in_the_package() -> None:
    folder = Path(own.__file__).parent
    assert (folder / "jail.py").is_file() and (folder / "guest.py").is_file()
