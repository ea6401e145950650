"""Nothing that reads model text takes more than linear time, whatever a model writes.

Each reader gets long texts that repeat something it looks for, in a process whose processor time the kernel
limits to many times what it needs: what is quadratic takes minutes and is killed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TypeAlias

import pytest

Reader: TypeAlias = Callable[[str], object]
Maker: TypeAlias = Callable[[], Reader]

pytest.importorskip("resource")  # not on Windows

CHARACTERS = 150_000
SECONDS = 30
#: a text is the first, many times the second, and the third
TEXTS = [
    ("", "`", ""),
    ("", "```", "x"),
    ("", "```\n", "x"),
    ("", "` ``", ""),
    ("```\n", "\t", "\n```"),
    ("```python\n", "`x` ", ""),
    ("x = `", "def f(`", ""),
    ("Answer: ", " ", "\n"),
    ("Answer: ", "    ", "f'"),
    ("Answer:", " \\boxed{", "}"),
    ("", "\\text{\\frac{", ""),
    ("", "[", "]"),
    ("", '{"a":', ""),
    ("```json\n", '\\"[1,', ""),
    ('["', "\\", ""),
    ("[1,", "\n", "x"),
    ("", "<think>", ""),
    ("", "</think>x", ""),
    ("", "<|channel|>x<|message|>", ""),
    ("", "[DONE] ", ""),
    ("", "1,234", ""),
    ("", "1 / ", ""),
    ("#### ", "-1,", "."),
    ("", "答案是", ""),
    ("", "答案是 x", ""),
    ("", "The correct answer is", "B"),
    ("", "Answer:", "B"),
    ("", "'''", ""),
    ("", '"""py', ""),
    ("", ">>> x\n", ""),
    ("", "@a\n", ""),
    ("", "<b>", ""),
    ("", "&#", ""),
    ("", "\\", ""),
    ("", "not ", "Paris"),
    ("GRADE: ", "*", "C"),
    ("GRADE", "*", ": C"),
    ("", "GRADE: C ", ""),
    ("GRADE: ", "5/", "10"),
    ("", "[[7]] ", ""),
    ("", "\u202e\u200b\x1b[31m", ""),
    ("", "::add-mask::x\n", ""),
    ("", "A, B, ", ""),
    ("", "a, b, ", ""),
    ("", "A. red\nB. blue\n", ""),
    ("", "✅ A\n", ""),
    ("", "A B ", ""),
    ("", "\\boxed{A} and ", ""),
    ("", "so the answer may be A or not. ", ""),
    ("", "svar ", ""),
    ("", "answer is ", ""),
    ("", r"\boxed{1}", ""),
    ("", "$", ""),
    ("", "$$x", ""),
    ("", r"\(", ""),
    ("", r"\[", ""),
    ("", "#### ", ""),
    ("", "1,000", ""),
    ("", "answer to a", ""),
]
PROGRAM = """
import resource, sys
from tests.scoring.test_hostile_texts import CHARACTERS, READERS, SECONDS, TEXTS
read = READERS[sys.argv[1]]()
resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
for first, unit, last in TEXTS:
    read(first + unit * (CHARACTERS // len(unit)) + last)
"""


def _extractor(name: str) -> Maker:
    def make() -> Reader:
        from pytest_llmeval.scoring.extract import EXTRACTORS

        choices = {"A": "red", "B": "blue", "C": "green", "D": "not"}
        return lambda text: EXTRACTORS[name](text, choices)

    return make


def _metric(name: str, gold: str) -> Maker:
    def make() -> Reader:
        from pytest_llmeval.core.types import Question
        from pytest_llmeval.scoring.metrics import METRICS

        score = METRICS[name].make({}, "here")
        return lambda text: score(text, Question("b", "s", "0", {}, {}, gold))

    return make


def _judge(**options: object) -> Maker:
    def make() -> Reader:
        from pytest_llmeval.scoring.metrics.judge import make_judge

        return make_judge(options, "here").read

    return make


EXTRACTORS = (
    "choice",
    "choices",
    "choice_list",
    "code",
    "json",
    "text",
    "number",
    "math",
    "mmlu_pro",
    "mmlu_pro_lm_eval",
    "opencompass_answer",
    "evalscope",
    "first_label",
    "simple_evals",
    "first_capital",
    "first_option",
)
EXTRACTORS += ("gsm8k_strict", "gsm8k_flexible", "gsm8k_opencompass")
READERS = {f"extractor {name}": _extractor(name) for name in EXTRACTORS}
READERS |= {f"metric {name}": _metric(name, "Paris") for name in ("exact", "contains", "f1", "em")}
READERS |= {"metric json": _metric("json", "[1]"), "metric number": _metric("number", "5")}
READERS |= {
    "judge": _judge(),
    "judge's scale": _judge(scale=[1, 10]),
    "judge's pattern": _judge(scale=[1, 10], pattern=r"\[\[(\d+)\]\]"),
}


DAILY = ("extractor choices", "extractor code", "extractor json", "judge")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in DAILY else pytest.mark.slow) for name in READERS]
)
def test_long_hostile_texts(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:] or f"ended by signal {-done.returncode}"
