"""Wrong answers that contain the gold answer, as one line."""

from __future__ import annotations

from pytest_llmeval.results.looser_metric import LooserMetric


def looser_metric_line(looser: LooserMetric) -> str:
    """How many wrong answers contain the gold answer, and how to count them."""
    return (
        f"{looser.accepted:,} of {looser.wrong:,} wrong answers contain the gold answer; "
        f"metric {looser.metric} would count them: --llm-metric={looser.metric} for a file of questions"
    )
