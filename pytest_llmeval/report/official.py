"""What a benchmark's official rule reads in a run's texts, as one line."""

from __future__ import annotations

from pytest_llmeval.report import figures
from pytest_llmeval.results.official import OfficialRule


def official_line(official: OfficialRule) -> str:
    """How many texts the official rule reads otherwise, and the accuracy that it gives."""
    accuracy = "" if official.accuracy is None else f"; its accuracy is {figures.percent(official.accuracy)}"
    return (
        f"official rule {official.rule}: another answer to {len(official.ids):,} of the questions "
        f"({official.texts:,} texts){accuracy}"
    )
