"""The plugin in an xdist worker: reads its queue of items, and sends its plan to the controller."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import pytest

from pytest_llmeval.plugin.items import make_plan
from pytest_llmeval.plugin.pytest_internals import queued_items
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.plugin.xdist.messages import WorkerActivity, WorkerInput, WorkerMessage
from pytest_llmeval.results.activity import Activity

#: seconds between two messages about what the model is doing
_SEND_EVERY_S = 1.0


def queue(config: pytest.Config) -> Callable[[], Iterable[pytest.Item]]:
    """Return a function that lists the items sent to this worker, without the next one.

    Under ``--dist=worksteal`` the list is empty, because xdist may take these items back.
    """
    return tuple if WorkerInput.of(config).steals else lambda: queued_items(config)


class WorkerSide:
    """Sends the plan to the controller after collection, and what models do while tests wait for them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._start = WorkerInput.of(config)
        self._sent_at = -math.inf
        config.stash[SESSION].models.on_wait = self._send_activity

    @pytest.hookimpl(tryfirst=True)  # before xdist tells the controller that collection has ended
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Send the plan. All workers collect the same items, so the controller needs only one plan."""
        config = self._config
        config.stash[FINDINGS].plan = make_plan(session.items, config.stash[SESSION])
        WorkerMessage.of(config, session.items).send_plan(self._start)

    def _send_activity(self, activity: Activity) -> None:
        now = time.monotonic()
        if now - self._sent_at >= _SEND_EVERY_S:
            self._sent_at = now
            WorkerActivity.send(activity, self._start)
