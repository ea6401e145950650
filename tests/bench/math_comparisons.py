"""What the metric ``math`` and its extractor cost.

python tests/bench/math_comparisons.py [OUTPUTS.jsonl.gz]

Prints milliseconds for an extraction and a comparison, by what decides it: spelling, exact values and
brackets, or math-verify; the start of the worker, and the time of texts of 100 KB. With a file of outputs
(rows with ``answer`` and a list ``response``), also the means over it.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable

from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.extract.formula import formula
from pytest_llmeval.scoring.mathematics import formulas, latex, prover
from pytest_llmeval.scoring.metrics import METRICS

SPELLING = [(r"\frac{5}{7}", r"\dfrac57"), ("12,500", r"12{,}500"), (r"\text{Monday}", "Monday")]
EXACT = [("3.75", r"\frac{15}{4}"), ("(3,4]", "[3,4)"), ("17", "18"), (r"\{1,2\}", r"\{2,1\}")]
PROVED = [
    (r"\frac{4}{\sqrt{2}}", r"2\sqrt{2}"),
    ("(x+3)^2", "x^2+6x+9"),
    (r"\sqrt{51}", "51"),
    ("ab", "ba+1"),
]
HOSTILE = ["answer is ", r"\boxed{", r"\boxed{1}", "$", r"\(", "{", "#### ", "1,000", "word "]


def milliseconds(call: Callable[[], object], repeats: int = 1) -> float:
    """The mean wall time of a call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) * 1000 / repeats


def forget() -> None:
    """Empty all caches."""
    for cached in (prover.prove, formulas.readings, latex.tokens):
        cached.cache_clear()


def main() -> None:
    score = METRICS["math"].make({}, "here")

    def compare(gold: str, answer: str) -> None:
        forget()
        score(answer, Question("b", "s", "0", {}, {}, gold))

    print(f"start of the worker, and its first answer: {milliseconds(lambda: compare(*PROVED[0])):.0f} ms")
    for name, pairs, repeats in (
        ("spelling", SPELLING, 200),
        ("exact", EXACT, 200),
        ("math-verify", PROVED, 5),
    ):
        for gold, answer in pairs:
            taken = milliseconds(lambda gold=gold, answer=answer: compare(gold, answer), repeats)  # type: ignore[misc]
            print(f"{name}: {gold} and {answer}: {taken:.2f} ms")
    typical = (
        "We add $x_1 = 3$ and 4, so that it is $7$ apples. " * 40 + r"The answer is $\boxed{\frac{7}{2}}$."
    )
    print(f"extraction, {len(typical):,} characters: {milliseconds(lambda: formula(typical), 100):.2f} ms")
    for piece in HOSTILE:
        text = piece * (100_000 // len(piece))
        print(f"extraction, 100 KB of {piece!r}: {milliseconds(lambda text=text: formula(text)):.0f} ms")  # type: ignore[misc]
    if len(sys.argv) > 1:
        outputs(sys.argv[1])


def outputs(path: str) -> None:
    """Means over a file of outputs."""
    forget()
    score = METRICS["math"].make({}, "here")
    extracting = scoring = 0.0
    count = 0
    with gzip.open(path, "rt") as lines:
        for row in map(json.loads, lines):
            for text in row["response"]:
                count += 1
                answer = formula(text)
                extracting += milliseconds(lambda text=text: formula(text))  # type: ignore[misc]
                question = Question("b", "s", "0", {}, {}, row["answer"])
                scoring += milliseconds(lambda a=answer, q=question: score(a or "", q))  # type: ignore[misc]
    print(f"{count} outputs: extraction {extracting / count:.2f} ms, comparison {scoring / count:.2f} ms")


if __name__ == "__main__":
    main()
