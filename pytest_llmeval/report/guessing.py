"""What guessing would score, and the answer that a model gives most of the time, as one line."""

from __future__ import annotations

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.report import figures
from pytest_llmeval.results.guessing import Guessing


def guessing_line(guessing: Guessing, interval: tuple[float, float] | None) -> str:
    """``chance 25.0%; answered C 92 of 96 times, where 25.0% of the gold answers are C``.

    Says so if chance is inside the ``interval`` of the accuracy.
    """
    line = f"chance {figures.percent(guessing.chance)}"
    if interval is not None and interval[0] <= guessing.chance <= interval[1]:
        line += ", which is inside the 95% interval"
    dominant = guessing.dominant
    if dominant is not None:
        answer = one_line(dominant.answer, 40)
        line += (
            f"; answered {answer} {dominant.count:,} of {dominant.answers:,} times, "
            f"where {figures.percent(dominant.gold_share)} of the gold answers are {answer}"
        )
    return line
