"""Writes lines to the terminal between those of pytest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from pytest_llmeval.plugin.pytest_internals import finish_terminal_line, is_worker


def make_say(config: pytest.Config) -> Callable[[str], None]:
    """What writes one line to the terminal at once; silent in a worker of xdist."""

    def say(line: str) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        capture = config.pluginmanager.get_plugin("capturemanager")
        if reporter is not None and not is_worker(config):
            with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
                finish_terminal_line(reporter)
                reporter.write_line(line)

    return say
