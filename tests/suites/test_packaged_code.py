"""Benchmarks of programs: prompts byte for byte as their sources write them, and layouts of their data."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pytest_llmeval.core.types import ChatPrompt, Message, Question, Request
from pytest_llmeval.scoring import registry
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.splits import load_questions, load_shots, locate
from tests.support.sandboxes import why_skip_all

needs_sandbox = pytest.mark.skipif(why_skip_all() is not None, reason=str(why_skip_all()))
PROMPT = 'from typing import List\n\n\ndef add(xs: List[int]) -> int:\n    """Their sum.\n\n    """\n'


def asked(tmp_path: Path, name: str, files: Mapping[str, Sequence[Mapping[str, object]]]) -> list[Request]:
    """The requests of a benchmark, NAME or NAME@VARIANT, with the files of a data folder."""
    name, _, variant = name.partition("@")
    benchmark = load(packaged()[name], variant=variant or None)
    for file, rows in files.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    located = locate(benchmark, "test", tmp_path, tmp_path / "cache")
    questions = load_questions(benchmark, located, "test").questions
    assert [question.problem for question in questions] == [None] * len(questions)
    subjects = {question.subject for question in questions}
    shots = load_shots(benchmark, located, subjects, benchmark.shots) if benchmark.shots else {}
    builder = PromptBuilder(benchmark, "generate", shots)
    return [builder.request(question) for question in questions]


def messages(request: Request) -> tuple[Message, ...]:
    assert isinstance(request.prompt, ChatPrompt)
    return request.prompt.messages


@pytest.mark.parametrize(
    ("name", "user", "stop"),
    [
        # openai/simple-evals, humaneval_eval.py; OpenCompass, humaneval_openai_sample_evals_gen_dcae0e.py
        (
            "humaneval",
            "Read the following function signature and docstring, and fully implement the function "
            f"described. Your response should only contain the code for this function.\n{PROMPT}",
            (),
        ),
        # evalplus/codegen.py (instruction_prefix), evalplus/provider/openai.py
        (
            "humaneval@evalplus",
            "Please provide a self-contained Python script that solves the following problem in a markdown "
            f"code block:\n```python\n{PROMPT.strip()}\n```",
            (),
        ),
        ("humaneval@completion", PROMPT, ("\nclass", "\ndef", "\n#", "\nif", "\nprint")),
    ],
)
def test_humaneval(tmp_path: Path, name: str, user: str, stop: tuple[str, ...]) -> None:
    row = {
        "task_id": "HumanEval/0",
        "prompt": PROMPT,
        "entry_point": "add",
        "test": "def check(candidate): pass",
    }
    (request,) = asked(tmp_path, name, {"humaneval/HumanEval.jsonl": [row]})
    assert messages(request) == (Message("user", user),)
    assert request.stop == stop


TEXT, TESTS = "Write a function to add.", ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]
LIST = "\n".join(TESTS)


@pytest.mark.parametrize("name", ["mbpp", "mbpp@sanitized"])
def test_mbpp(tmp_path: Path, name: str) -> None:
    row = {"text": TEXT, "code": "def add(a, b): return a + b", "task_id": 11, "test_list": TESTS}
    sanitized = {"prompt" if key == "text" else key: value for key, value in row.items()}
    files = {"mbpp/mbpp.jsonl": [row], "mbpp/sanitized-mbpp.json": [sanitized]}
    (request,) = asked(tmp_path, name, files)
    # OpenCompass, sanitized_mbpp_mdblock_0shot_nocot_gen_a2e416.py
    user = (
        f"You are an expert Python programmer, and here is your task:\n{TEXT}\nYour code should pass these "
        f"tests:\n\n{LIST}\n You should submit your final solution in the following format: ```python\n\n```"
    )
    assert messages(request) == (Message("user", user),)


def test_mbpp_of_the_paper(tmp_path: Path) -> None:
    def row(task: int) -> dict[str, object]:
        return {
            "text": f"Task {task}.",
            "code": f"def f(): return {task}",
            "task_id": task,
            "test_list": TESTS,
        }

    (request,) = asked(tmp_path, "mbpp@paper", {"mbpp/mbpp.jsonl": [row(n) for n in (*range(1, 12), 511)]})
    wanted = []
    for task in (2, 3, 4, 11):  # google-research, mbpp/README.md
        user = (
            f"You are an expert Python programmer, and here is your task: Task {task}. Your code should pass "
            f"these tests:\n\n{LIST}\n[BEGIN]\n"
        )
        wanted += [Message("user", user), Message("assistant", f"def f(): return {task}\n[DONE]")]
    assert messages(request) == tuple(wanted[:-1])
    assert request.stop == ("[DONE]",)


def test_evalplus(tmp_path: Path) -> None:
    instruction = (
        "Please provide a self-contained Python script that solves the following problem in a markdown "
        "code block:"
    )
    human = {
        "task_id": "HumanEval/0",
        "prompt": PROMPT,
        "entry_point": "add",
        "test": "def check(candidate): 0",
    }
    (request,) = asked(tmp_path, "humaneval_plus", {"humaneval_plus/test.jsonl": [human]})
    assert messages(request)[0].content == f"{instruction}\n```python\n{PROMPT.strip()}\n```"
    mbpp = {"task_id": 2, "prompt": TEXT, "test_list": TESTS, "test_imports": [], "test": "assert add(1, 2)"}
    (request,) = asked(tmp_path, "mbpp_plus", {"mbpp_plus/test.jsonl": [mbpp]})
    docstring = f'"""\n{TEXT}\n{TESTS[0]}\n"""'
    assert messages(request)[0].content == f"{instruction}\n```python\n{docstring}\n```"


def problem(number: int, **more: str) -> dict[str, str]:
    private = [{"input": "3\n", "output": "6\n", "testtype": "stdin"}]
    packed = base64.b64encode(zlib.compress(pickle.dumps(json.dumps(private)))).decode()
    return {
        "question_title": "Double",
        "question_content": "Print twice the number.",
        "platform": "atcoder",
        "question_id": f"abc{number}_a",
        "contest_id": f"abc{number}",
        "contest_date": "2025-02-01T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps([{"input": "1\n", "output": "2\n", "testtype": "stdin"}]),
        "private_test_cases": packed,
        "metadata": "{}",
        **more,
    }


STARTER = "class Solution:\n    def double(self, x: int) -> int:\n        "
FUNCTION = problem(
    2,
    platform="leetcode",
    difficulty="hard",
    starter_code=STARTER,
    metadata='{"func_name": "double"}',
    public_test_cases=json.dumps([{"input": "1", "output": "2", "testtype": "functional"}]),
    private_test_cases=json.dumps([{"input": "5", "output": "10", "testtype": "functional"}]),
)


def test_livecodebench(tmp_path: Path) -> None:
    script, function = asked(tmp_path, "livecodebench", {"livecodebench/test6.jsonl": [problem(1), FUNCTION]})
    # lcb_runner/prompts/code_generation.py
    system = (
        "You are an expert Python programmer. You will be given a question (problem specification) and will "
        "generate a correct Python program that matches the specification and passes all tests."
    )
    end = "### Answer: (use the provided format with backticks)\n\n"
    first = (
        "### Question:\nPrint twice the number.\n\n### Format: Read the inputs from stdin solve the problem "
        "and write the answer to stdout (do not directly test on the sample inputs). Enclose your code "
        "within delimiters as follows. Ensure that when the python program runs, it reads the inputs, runs "
        f"the algorithm and writes output to STDOUT.\n```python\n# YOUR CODE HERE\n```\n\n{end}"
    )
    second = (
        "### Question:\nPrint twice the number.\n\n### Format: You will use the following starter code to "
        f"write the solution to the problem and enclose your code within delimiters.\n"
        f"```python\n{STARTER}\n```\n\n{end}"
    )
    assert messages(script) == (Message("system", system), Message("user", first))
    assert messages(function) == (Message("system", system), Message("user", second))


def livecodebench(
    tmp_path: Path, variant: str | None, files: Mapping[str, Sequence[object]]
) -> list[Question]:
    (tmp_path / "livecodebench").mkdir()
    for file, rows in files.items():
        (tmp_path / f"livecodebench/{file}").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = load(packaged()["livecodebench"], variant=variant)
    located = locate(benchmark, "test", tmp_path, tmp_path / "cache")
    return list(load_questions(benchmark, located, "test").questions)


@pytest.mark.parametrize(
    ("variant", "keys"),
    [
        (None, ["abc6_a", "abc7_a"]),
        ("2024-10", ["abc4_a", "abc5_a", "abc6_a"]),
        ("2024-08", ["abc3_a", "abc4_a", "abc5_a"]),
        ("release_v5", ["abc1_a", "abc2_a", "abc3_a", "abc4_a"]),
        ("release_v6", [f"abc{n}_a" for n in range(1, 8)]),
    ],
)
def test_windows_and_releases(tmp_path: Path, variant: str | None, keys: list[str]) -> None:
    def dated(number: int, date: str) -> dict[str, str]:
        return problem(number, contest_date=f"{date}T00:00:00")

    files = {
        "test.jsonl": [dated(1, "2023-06-01")],
        "test2.jsonl": [dated(2, "2024-05-01")],
        "test4.jsonl": [dated(3, "2024-08-01")],
        "test5.jsonl": [dated(4, "2024-10-05")],
        "test6.jsonl": [dated(5, "2025-01-31"), dated(6, "2025-02-08"), dated(7, "2025-04-06")],
    }
    questions = livecodebench(tmp_path, variant, files)
    assert [question.key for question in questions] == keys
    assert {question.subject for question in questions} == {"easy"}


@needs_sandbox
def test_livecodebench_scores(tmp_path: Path) -> None:
    script, function = livecodebench(tmp_path, None, {"test6.jsonl": [problem(1), FUNCTION]})
    benchmark = load(packaged()["livecodebench"])
    read = registry.extractors()[benchmark.extractor.name]
    score = registry.metrics()[benchmark.metric.name].make(benchmark.metric.options, "here")

    def scored(code: str, question: Question) -> tuple[float, str]:
        made = score(
            read(f"First:\n```python\nprint(1)\n```\nBetter:\n```python\n{code}\n```", {}) or "", question
        )
        return float(made), getattr(made, "reason", "")

    assert scored("print(int(input()) * 2)", script) == (1, "")
    assert scored("print(2)", script) == (0, "test 2 of 2: line 1 is '2', not '6'")
    assert scored("class Solution:\n    def double(self, x: Optional[int]): return x * 2", function) == (
        1,
        "",
    )
    assert scored("class Solution:\n    def double(self, x): return [x]", function)[1].startswith(
        "test 1 of 2: "
    )
