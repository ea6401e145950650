"""Writes lines to the terminal while pytest runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_llmeval.core.hostile_text import escaped, without_commands
from pytest_llmeval.plugin.pytest_internals import (
    finish_terminal_line,
    is_worker,
    terminal_reporter,
    without_capture,
)


def make_say(config: pytest.Config) -> Callable[[str], None]:
    """Return a function that writes a line to the terminal at once; in an xdist worker it does nothing."""

    def say(line: str) -> None:
        reporter = terminal_reporter(config)
        if reporter is not None and not is_worker(config):
            with without_capture(config):
                finish_terminal_line(reporter)
                reporter.write_line(without_commands(escaped(line), own_start=True))

    return say
