"""Synthetic answers of two runs, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.analysis.compare import Answer, Comparison, Side, compare
from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.core.types import Outcome

CONDITIONS = EvalConditions("generate", "val", 5, "p" * 64, "d" * 64)
GROUPS = {"stem": ("maths", "physics"), "other": ("law",)}
OUTCOMES = {outcome.value[0]: outcome for outcome in Outcome}


def answers(numbers: Mapping[str, str], clusters: Mapping[str, str] | None = None) -> dict[str, Answer]:
    """Answers from a letter per question by subject: c(orrect), w(rong), u(nparsed), a(nswered), e(rror), -.

    "-" skips a question. With repeats, questions are separated by commas: "cc,cw".
    """
    found = {}
    for subject, letters in numbers.items():
        several = letters.split(",") if "," in letters else list(letters)
        for key, times in enumerate(several):
            if times == "-":
                continue
            id = f"b/{subject}/{key}"
            outcomes = [(OUTCOMES[letter], letter != "a") for letter in times]
            cluster = (clusters or {}).get(id)
            found[id] = Answer.of(id, subject, f"test_b[{subject}-{key}]", outcomes, cluster)
    return found


def side(numbers: Mapping[str, str], run: str = "now", model: str = "m", **more: object) -> Side:
    return Side(run, model, "id", more.pop("conditions", CONDITIONS), answers(numbers, **more))  # type: ignore[arg-type]


def compared(before: Mapping[str, str], after: Mapping[str, str], **more: object) -> Comparison:
    return compare(
        "b", side(before, "then", **more), side(after, **more), GROUPS, ("maths", "physics", "law")
    )
