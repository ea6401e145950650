"""``lm-eval:TASK``: how a task is named, everywhere."""

from __future__ import annotations

import re

PREFIX = "lm-eval:"


def is_task(benchmark: str) -> bool:
    """Whether a benchmark's name means a task (or group, or tag) of lm-evaluation-harness."""
    return benchmark.startswith(PREFIX)


def function_name(benchmark: str) -> str:
    """The name of the test function that asks it."""
    return "test_" + re.sub(r"\W", "_", benchmark.removeprefix(PREFIX))
