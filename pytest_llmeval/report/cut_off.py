"""What a run's answers that the token limit cut off mean for its accuracy, as one line."""

from __future__ import annotations

from pytest_llmeval.report import figures
from pytest_llmeval.results.cut_off import WARNING_SHARE, CutOff


def cut_off_line(cut_off: CutOff) -> str:
    """The number of cut off answers, the accuracy without them, and its bounds.

    Says how to raise the limit if more than 2% were cut off.
    """
    answers = cut_off.counts.requested - cut_off.counts.error
    line = f"cut off by the token limit: {cut_off.answers:,} of {answers:,} answers ({cut_off.share:.1%})"
    if cut_off.bounds is not None and cut_off.scored:
        low, high = cut_off.bounds
        line += f"; accuracy without them {figures.percent(cut_off.completed_accuracy)}"
        line += f", {figures.percent(low)} if all were wrong, {figures.percent(high)} if all were right"
    if cut_off.share > WARNING_SHARE:
        line += "; raise the limit with --llm-max-tokens"
    return line
