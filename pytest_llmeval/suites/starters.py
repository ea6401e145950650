"""The starter benchmarks that ``--llm-new-benchmark`` writes: one for each kind of question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_llmeval.core.errors import UserError, unknown

_CHOICES = """\
question,A,B,C,answer
Which of these is the largest?,A mouse,A whale,A cat,B
Which month has 28 days in most years?,February,May,August,A
"Which word in ""red, green, salt"" is not a colour?",Salt,Red,Green,A
"""
_SETS = """\
question,A,B,C,D,answer
Which of these are animals?,A horse,A table,A crow,A cloud,AC
Which of these numbers are even?,One,Two,Three,Four,BD
Which of these are colours?,Red,Salt,Green,Bread,AC
"""
_TEXTS = """\
question,answer
What is the capital of France?,Paris
Which planet is closest to the sun?,Mercury
What is the chemical symbol of gold?,Au
"""
_NUMBERS = """\
question,answer
A box holds 12 eggs. How many eggs are in 4 boxes?,48
A train leaves at 9:40 and arrives at 10:25. How many minutes does the journey take?,45
A coat costs 80 euros and is reduced by 15%. What does it cost now?,68
"""
_FORMULAS = """\
question,answer
What is the derivative of x^3 with respect to x?,3x^2
Simplify 6/8.,\\frac{3}{4}
Solve x^2 = 2 for x > 0.,\\sqrt{2}
"""
_JUDGED = """\
question,answer
Why does ice float on water?,"Water expands when it freezes, so ice is less dense than water."
Why do we have seasons?,The axis of the earth is tilted against its path around the sun.
What does a compiler do?,It translates a program from one language into another.
"""
_PROGRAMS = "".join(
    json.dumps({"question": question, "answer": tests}) + "\n"
    for question, tests in (
        ("Write a function double(number) that returns twice the number.",
         "assert double(2) == 4\nassert double(-1) == -2"),
        ("Write a function longest(words) that returns the longest of a list of words.",
         "assert longest(['a', 'ccc', 'bb']) == 'ccc'"),
        ("Write a function vowels(text) that counts the letters a, e, i, o and u in a text.",
         "assert vowels('queue') == 4\nassert vowels('rhythm') == 0"),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Starter:
    """A starter benchmark.

    ``gold`` says what the column ``answer`` holds. ``metric`` is the part of benchmark.toml for the metric,
    ``user`` the template of the user turn. ``options`` are those that its command needs; ``needs`` says what
    to add to it for a real run.
    """

    file: str
    rows: str
    gold: str
    metric: str
    user: str
    choices: tuple[str, ...] = ()
    options: str = ""
    needs: str = ""


def _of_texts(metric: str) -> Starter:
    return Starter(
        file="questions.csv",
        rows=_TEXTS,
        gold="the gold answer",
        metric=f'metric = "{metric}"',
        user="{{ question }}\nAnswer with the answer alone, without an explanation.",
    )


_STARTERS: Mapping[str, Starter] = {
    "choice": Starter(
        file="questions.csv",
        rows=_CHOICES,
        gold="the label of the right choice",
        metric='metric = "choice"',
        choices=("A", "B", "C"),
        user="{{ question }}\nA. {{ A }}\nB. {{ B }}\nC. {{ C }}\nAnswer with the letter alone.",
    ),
    "choices": Starter(
        file="questions.csv",
        rows=_SETS,
        gold="the labels of all right choices",
        metric='metric = "choices"',
        choices=("A", "B", "C", "D"),
        user="{{ question }}\nA. {{ A }}\nB. {{ B }}\nC. {{ C }}\nD. {{ D }}\n"
        "Answer with the letters of all right choices.",
    ),
    "exact": _of_texts("exact"),
    "number": Starter(
        file="questions.csv",
        rows=_NUMBERS,
        gold="a number",
        metric='metric = "number"',
        user="{{ question }}\nThink step by step, and end with a line such as: Answer: 42",
    ),
    "math": Starter(
        file="questions.csv",
        rows=_FORMULAS,
        gold="a formula or a number",
        metric='metric = "math"',
        user="{{ question }}\nReason step by step, and put the final answer within \\\\boxed{}.",
    ),
    "code": Starter(
        file="questions.jsonl",
        rows=_PROGRAMS,
        gold="the tests that the program must pass",
        metric='[metric]\nname = "code"\nseconds = 10.0           # time for one program',
        user="{{ question }}\nAnswer with the whole function in one block of Python code.",
        options="--llm-allow-code",
        needs="programs of the model run in a sandbox, and only with --llm-allow-code",
    ),
    "judge": Starter(
        file="questions.csv",
        rows=_JUDGED,
        gold="what a right answer says",
        metric="""\
[metric]
name = "judge"
grades = { A = 1.0, B = 0.5, C = 0.0 }
rubric = \"\"\"
A: right and complete.
B: right in part, or with a mistake that does not matter much.
C: wrong, or no answer.\"\"\"
threshold = 1.0          # the lowest grade that counts as correct
pattern = '\\b([ABC])[.*\\s]*$'   # where the grade is in the last line of the judge's reply""",
        user="{{ question }}",
        options="--llm-judge=echo",
        needs="the judge is a model too: replace --llm-judge=echo, such as by --llm-judge=openai:NAME",
    ),
}


def starter(metric: str) -> Starter:
    """The starter benchmark for a metric; metrics that compare texts share one. Raises ``UserError``."""
    from pytest_llmeval.scoring import registry

    metrics = registry.metrics()
    if metric in _STARTERS:
        return _STARTERS[metric]
    if metric not in metrics:
        raise unknown("metric", metric, metrics, where="--llm-metric")
    found = metrics[metric]
    if found.extractor != "text" or found.gold_problem("Paris") is not None or metric == "agreement":
        raise UserError(
            f"--llm-metric={metric}: there is no example for this metric; there is one for "
            f"{', '.join(_STARTERS)}, and metrics that compare texts"
        )
    return _of_texts(metric)
