"""The further numbers of a metric, as one line."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.report import figures


def metrics_parts(metrics: Mapping[str, float | None]) -> list[str]:
    """Each number with its name, for a line that begins with ``metrics: ``."""
    return [
        f"{name} {figures.NONE if value is None else format(value, '.4f')}" for name, value in metrics.items()
    ]


def metrics_line(metrics: Mapping[str, float | None]) -> str:
    """All numbers on one line."""
    return f"metrics: {', '.join(metrics_parts(metrics))}"
