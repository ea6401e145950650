"""The solutions that published problems come with pass all of their tests, and wrong ones fail.

With the real data, every problem; in the daily tests, problems of the same layouts that we wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring import registry
from pytest_llmeval.scoring.extract import code
from pytest_llmeval.scoring.metrics.program import bound_names, used_names
from pytest_llmeval.scoring.metrics.program_tests import Assertions, read_tests
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.splits import load_questions, locate
from tests.support.sandboxes import why_skip_all

pytestmark = pytest.mark.skipif(why_skip_all() is not None, reason=str(why_skip_all()))


def questions_of(name: str, variant: str | None, data: Path) -> tuple[Question, ...]:
    benchmark = load(packaged()[name], variant=variant)
    return load_questions(benchmark, locate(benchmark, "test", data, data / "cache"), "test").questions


def scores(name: str, variant: str | None, question: Question, program: str) -> float:
    benchmark = load(packaged()[name], variant=variant)
    metric = registry.metrics()[benchmark.metric.name]
    read = registry.extractors()[benchmark.extractor.name]
    answer = read(f"```python\n{program}\n```", {})
    return metric.make(benchmark.metric.options, "here")(answer or "", question)


def solution_of(question: Question) -> str:
    fields = question.fields
    if "canonical_solution" in fields:
        return fields["prompt"] + fields["canonical_solution"]
    return re.sub("\r\n?", "\n", fields["code"])


def wrong_solution(question: Question, program: str) -> str:
    """Functions of the same names whose results are false and equal to nothing."""
    tests = read_tests(question.answer or "")
    assert isinstance(tests, Assertions)
    entry = question.fields.get("entry_point", "")
    names = {entry} if entry else used_names(tests.code) & bound_names(code(program) or "")
    assert names, question.key
    functions = [f"def {name}(*values, **more):\n    return Wrong()\n" for name in sorted(names)]
    wrong = "    def __bool__(self): return False\n    def __eq__(self, other): return False\n"
    return f"class Wrong:\n{wrong}" + "\n".join(functions)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant", "count"),
    [("humaneval", None, 164), ("mbpp", None, 500), ("mbpp", "sanitized", 257)],
)
def test_real_solutions(name: str, variant: str | None, count: int, real_data: Path) -> None:
    questions = questions_of(name, variant, real_data)
    programs = {question: solution_of(question) for question in questions}
    right = [q.key for q, program in programs.items() if scores(name, variant, q, program) == 1]
    wrong = [q.key for q, p in programs.items() if scores(name, variant, q, wrong_solution(q, p)) == 0]
    assert (len(right), len(wrong)) == (count, count)


@pytest.mark.slow
def test_real_solutions_of_all_splits(real_data: Path) -> None:
    """MBPP's problems that are not among the questions: 10 to prompt with, and those for training."""
    asked = {int(question.key) for question in questions_of("mbpp", None, real_data)}
    failed = []
    for line in (real_data / "mbpp/mbpp.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["task_id"] in asked:
            continue
        fields = {key: row[key] for key in ("code", "test_setup_code")} | {"question": row["text"]}
        question = Question("mbpp", "mbpp", str(row["task_id"]), fields, {}, json.dumps(row["test_list"]))
        if scores("mbpp", None, question, solution_of(question)) != 1:
            failed.append(question.key)
    assert failed == []


def write(folder: Path, name: str, rows: list[Mapping[str, object]]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


HUMANEVAL = [
    (
        'def double(x: int) -> int:\n    """Twice x."""\n',
        "    return 2 * x\n",
        "double",
        "assert candidate(2) == 4\n    assert candidate(0) == 0",
    ),
    (
        'from typing import List\n\n\ndef largest(xs: List[int]) -> int:\n    """The largest."""\n',
        "    best = xs[0]\n    for x in xs:\n        best = max(best, x)\n    return best\n",
        "largest",
        "assert candidate([1, 3, 2]) == 3",
    ),
    (
        'def vowels(text):\n    """Count vowels."""\n',
        "    return sum(letter in 'aeiou' for letter in text)\n",
        "vowels",
        "assert candidate('banana') == 3\n    assert candidate('') == 0, 'empty'",
    ),
    (
        'import math\n\n\ndef helper(x):\n    return math.sqrt(x)\n\n\ndef root(x):\n    """Its root."""\n',
        "    return helper(x)\n",
        "root",
        "assert abs(candidate(9) - 3) < 1e-9",
    ),
]
MBPP = [
    ("def area(a, b):\r\n  return a * b", ["assert area(2, 3) == 6", "assert area(1, 1) == 1"], ""),
    (
        "class Box:\n    def __init__(self, n): self.n = n\ndef n(b): return b.n",
        ["assert n(box) == 7"],
        "box = Box(7)",
    ),
    ("import re\ndef words(t): return re.findall(r'\\w+', t)", ["assert words('a, b') == ['a', 'b']"], ""),
    ("def join(a, b): return set(a) & set(b)", ["assert set(join([1, 2], [2])) == set([2])"], ""),
]


@pytest.mark.parametrize("provided", range(len(HUMANEVAL)))
def test_humaneval(provided: int, tmp_path: Path) -> None:
    prompt, body, entry, asserts = HUMANEVAL[provided]
    row = {
        "task_id": f"HumanEval/{provided}",
        "prompt": prompt,
        "entry_point": entry,
        "canonical_solution": body,
        "test": f"\n\nMETADATA = {{}}\n\n\ndef check(candidate):\n    {asserts}\n",
    }
    write(tmp_path, "humaneval/HumanEval.jsonl", [row])
    (question,) = questions_of("humaneval", None, tmp_path)
    assert scores("humaneval", None, question, solution_of(question)) == 1
    assert scores("humaneval", None, question, wrong_solution(question, solution_of(question))) == 0


def test_mbpp(tmp_path: Path) -> None:
    rows = [
        {"text": "Do it.", "code": code, "task_id": at, "test_setup_code": setup, "test_list": tests}
        for at, (code, tests, setup) in enumerate(MBPP, start=9)
    ]
    questions = questions_of("mbpp", None, write(tmp_path, "mbpp/mbpp.jsonl", rows))
    assert [question.key for question in questions] == ["11", "12"]
    for question in questions:
        assert scores("mbpp", None, question, solution_of(question)) == 1
        assert scores("mbpp", None, question, wrong_solution(question, solution_of(question))) == 0
    sanitized = {**rows[2], "prompt": "Do it.", "test_imports": ["import math", "two = math.floor(2.5)"]}
    del sanitized["text"], sanitized["test_setup_code"]
    sanitized["test_list"] = ["assert words('a b')[two - 1] == 'b'"]
    (tmp_path / "mbpp/sanitized-mbpp.json").write_text(json.dumps([sanitized]))
    (question,) = questions_of("mbpp", "sanitized", tmp_path)
    assert scores("mbpp", "sanitized", question, solution_of(question)) == 1
