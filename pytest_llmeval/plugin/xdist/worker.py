"""The side of an xdist worker: what it looks ahead at, and what it sends the controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from pytest_llmeval.plugin.items import planned
from pytest_llmeval.plugin.pytest_internals import queued_items
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.plugin.xdist.messages import WorkerInput, WorkerMessage


def queue(config: pytest.Config) -> Callable[[], Iterable[pytest.Item]]:
    """What returns the items that this worker was sent, after the next one.

    None of them under ``--dist=worksteal``, which may take them back.
    """
    return tuple if WorkerInput.of(config).steals else lambda: queued_items(config)


class WorkerSide:
    """Sends the controller what is planned, as soon as it is known."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)  # before xdist tells the controller that collection has ended
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All workers collect the same, so the plan of any of them is that of the run."""
        config = self._config
        config.stash[FINDINGS].planned = planned(session.items, config.stash[SESSION])
        WorkerMessage.of(config, session.items).send_plan(WorkerInput.of(config))
