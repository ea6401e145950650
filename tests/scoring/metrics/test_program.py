"""The program that tests run: joined with its prompt, without what the tests do not use."""

from __future__ import annotations

import ast
import gzip
import html
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.extract import code
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.scoring.metrics.program import assembled, bound_names, used_names
from pytest_llmeval.scoring.metrics.program_tests import Assertions
from pytest_llmeval.scoring.python_source import parsed, syntax_tree
from tests.support.sandboxes import why_skip_all

needs_sandbox = pytest.mark.skipif(why_skip_all() is not None, reason=str(why_skip_all()))
PROMPT = 'from typing import List\n\n\ndef add(xs: List[int]) -> int:\n    """Their sum."""\n'


def test_an_answer_that_continues_its_prompt() -> None:
    for body in ("    return sum(xs)\n", "    return total(xs)\n\ndef total(xs):\n    return sum(xs)\n"):
        assert assembled(body + "\nprint(add(input()))\n", PROMPT, "add").startswith(
            "from typing import List\n"
        )
        assert "input" not in assembled(body + "\nprint(add(input()))\n", PROMPT, "add")
    tabs = "class A:\n\tdef add(self, xs):\n"
    assert assembled("    return sum(xs)\n", tabs, "A") == f"{tabs}\t    return sum(xs)\n"


def test_an_answer_with_the_whole_function_gets_imports_and_helpers() -> None:
    answer = "def add(xs: List[int]) -> int:\n    return sum(xs)\n"
    assert assembled(answer, PROMPT, "add") == f"from typing import List\n{answer}"
    helper = "def half(x):\n    return x / 2\n"
    prompt = f"{helper}\n\ndef quarter(x):\n    '''A quarter.'''\n"
    own = "def quarter(x):\n    return half(half(x))\n"
    assert assembled(own, prompt, "quarter") == helper + own
    assert assembled(own, f"Complete this:\n```python\n{prompt}```\n", "quarter") == helper + own
    better = "def half(x):\n    return x * 0.5\n\n" + own
    assert "x / 2" not in assembled(better, prompt, "quarter")
    assert assembled("def f(): pass\n", "Write a function f.", "") == "def f(): pass\n"


NEEDED = "def f(x):\n    return table[g(x)]"


@pytest.mark.parametrize(
    "needed",
    [
        "import sys\nsys.setrecursionlimit(10000)",
        "from decimal import getcontext\ngetcontext().prec = 50",
        "table = {}\nfor i in range(9):\n    table[i] = i",
        "table = []\ntable.append(1)",
        "try:\n    import numpy as table\nexcept ImportError:\n    table = None",
        "from helpers import *",
        "from functools import cache\n@cache\ndef g(x):\n    return x",
        "limit = 3\nclass table:\n    size = limit",
        "if True:\n    def g(x): return x",
        "table = g = 1; table += 1",
    ],
)
def test_what_a_function_depends_on_is_kept(needed: str) -> None:
    program = assembled(f"{needed}\n{NEEDED}\n", "", "f")
    assert program == f"{needed}\n{NEEDED}\n"


@pytest.mark.parametrize(
    "extra",
    [
        "n = int(input())\nprint(f(n))",
        "while True:\n    f(input())",
        "if __name__ == '__main__':\n    x = input()\n    f(x)",
        "assert f(1) == 3",
        "def main():\n    f(1)\n\nmain()",
        "import unittest\nclass T(unittest.TestCase):\n    pass\nunittest.main()",
        "import sys\nsys.exit(0)",
        "stack = Stack()\nstack.push(f(1))",
        "def f(x): ...",
        "def f(x):\n    '''Doc.'''\n    raise NotImplementedError()",
    ],
)
def test_what_it_does_not_use_is_left_out(extra: str) -> None:
    assert assembled(f"{NEEDED}\n\n{extra}\n", "", "assert f(2) == 1") == f"{NEEDED}\n"


def test_imports_from_the_future_come_first() -> None:
    answer = "from __future__ import annotations\ndef add(xs: X): return sum(xs)\n"
    assert assembled(answer, PROMPT, "add") == answer
    again = answer.replace("X", "List")
    assert assembled(again, PROMPT, "add").startswith("from __future__ import annotations\nfrom typing")


def test_a_method_in_place_of_a_function() -> None:
    answer = "class Solution:\n    def add(self, xs):\n        return sum(xs)\n"
    assert assembled(answer, PROMPT, "add").endswith("\nadd = Solution().add\n")
    assert assembled(answer, "", "assert Solution().add([1]) == 1") == answer
    assert assembled(answer + answer.replace("Solution", "Other"), PROMPT, "add").startswith("class Solution")


@pytest.mark.parametrize(
    "answer", ["def f(:", "x" * 300_000, "import os\nos._exit(0)\n", "def add(xs): pass\n"]
)
def test_any_other_answer_runs_as_it_is(answer: str) -> None:
    assert assembled(answer, PROMPT, "add") == answer


def test_names() -> None:
    assert used_names("import math\nassert f(math.pi) == [g(x) for x in y]") == {"f", "g", "y"}
    assert bound_names("import a.b, c as d\nx, y = 1, 2\ndef f(): z = 1\nclass C: pass") == {
        *("a", "d", "x", "y", "f", "C")
    }
    assert used_names("def f(") == bound_names("def f(a, a): pass\nnonlocal x") == frozenset()


@given(
    st.text(alphabet="def f():\n return x=1[](),'\"#@", max_size=80),
    st.text(alphabet="f(x):\n =", max_size=20),
)
def test_any_answer_gives_a_program(answer: str, prompt: str) -> None:
    assert isinstance(assembled(answer, prompt, "f"), str)


F = "```"
FORMS = {
    "block and demonstration": f"Sure:\n{F}python\n{{program}}\n{F}\nUse it:\n{F}python\nprint(input())\n{F}",
    "opened by the prompt": f"{{program}}\n{F}\n\nIt isn't slow.",
    "prose": "Here's the function:\n\n{program}\n\nFor example, it doesn't recurse (much).",
    "own tests": f"{F}python\n{{program}}\n\nwhile True:\n    assert input() == 3\n{F}",
    "special token": "{program}<|im_end|>\n<|im_start|>user\ndef more(): pass",
    "HTML": "<p>So:</p><br>\n<pre><code>{escaped}</code></pre>",
}


@pytest.fixture
def solutions(real_data: Path) -> list[tuple[str, str, str, str]]:
    """Prompt, program, body and tests of HumanEval's and, without a body, of MBPP's problems."""
    with gzip.open(real_data / "humaneval/HumanEval.jsonl.gz", "rt") as file:
        rows = list(map(json.loads, file))
    found = []
    for row in rows:
        body, prompt = row["canonical_solution"], row["prompt"]
        tests = Assertions((row["test"],)).calling(row["entry_point"]).code
        found.append((prompt, prompt + body, body, tests))
    with (real_data / "mbpp/mbpp.jsonl").open() as file:
        for row in map(json.loads, file):
            tests = "\n".join([row["test_setup_code"], *row["test_list"]])
            found.append((row["text"], re.sub("\r\n?", "\n", row["code"]), "", tests))
    return found


@pytest.mark.slow
def test_real_solutions_in_all_forms_are_the_same_program(
    solutions: list[tuple[str, str, str, str]],
) -> None:
    for prompt, program, body, tests in solutions:
        plain = assembled(code(program) or "", "", tests)
        assert parsed(plain) is not None
        forms = {
            name: form.format(program=program, escaped=html.escape(program)) for name, form in FORMS.items()
        }
        for name, text in forms.items():
            found = assembled(code(text) or "", "", tests)
            assert ast.dump(syntax_tree(found)) == ast.dump(syntax_tree(plain)), (name, program)
        for text in (body, body.strip(), f"{body}\nThat's all.", f"{body}\n\nprint(input())\n\ndef cut("):
            if body:
                found = syntax_tree(assembled(code(text) or "", prompt, tests))
                assert ast.dump(found) == ast.dump(syntax_tree(plain)), text


@pytest.mark.slow
@needs_sandbox
def test_real_solutions_pass_their_tests(solutions: list[tuple[str, str, str, str]]) -> None:
    """Every tenth, as an answer; and one whose functions all return something else fails."""
    score = METRICS["code"].make({"seconds": 30.0}, "here")
    for prompt, program, _, tests in solutions[::10]:
        question = Question("", "", "", {"question": prompt}, {}, tests)
        assert score(code(program) or "", question) == 1, program
        names = used_names(tests) & bound_names(program)
        wrong = "\n".join(f"def {name}(*values):\n    return object()\n" for name in names)
        assert score(code(wrong) or "", question) == 0, wrong
