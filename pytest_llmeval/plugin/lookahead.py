"""Sends questions to the model before their tests run, so that the model always has many to work on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.plugin.items import AskedQuestion

if TYPE_CHECKING:
    from pytest_llmeval.runtime.asker import Asker
    from pytest_llmeval.runtime.pool import ModelPool

_MAY_NOT_RUN = ("skip", "skipif", "xfail")


class LookAhead:
    """A window over the next items of one process.

    Without xdist all items run in order, so the window is as long as the model wants. In an xdist worker it
    covers only the items that the worker was sent: other items may go to other workers.

    ``questions`` maps each item that asks a question, in order, to what it asks. In a worker, ``queue`` lists
    the items that it was sent, without the next one; questions of ``suspects`` are sent one at a time.
    """

    def __init__(
        self,
        questions: Mapping[pytest.Item, AskedQuestion],
        models: ModelPool,
        queue: Callable[[], Iterable[pytest.Item]] | None = None,
        suspects: Container[pytest.Item] = (),
    ) -> None:
        self._questions = questions
        self._models = models
        self._queue = queue
        self._suspects = suspects
        #: by model: how many items remain in its window (in a worker)
        self._window_left: dict[str, int] = {}
        self._items = list(questions)
        self._index = {item: index for index, item in enumerate(self._items)}
        #: by model: the index of its last item
        self._last = {asked.model: index for index, asked in enumerate(questions.values())}
        #: the index of the first item whose question was not sent yet
        self._next = 0
        self._certain: dict[object, bool] = {}

    def before(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Prepare for ``item``, which runs next: close models without further items, and send questions."""
        index = self._index.get(item)
        if index is None:
            return
        name = self._questions[item].model
        for model, last in self._last.items():
            if last < index and model != name:
                self._models.close(model)
        asker = self._models.get(name)
        if self._queue is not None:
            self._send_queue(self._queue, item, nextitem, asker)
            return
        self._next = max(self._next, index)
        if self._next - index > asker.window // 2:
            return
        end = min(index + asker.window, self._last[name] + 1)
        self._ask(self._items[self._next : end], asker)
        self._next = end

    def _send_queue(
        self,
        queue: Callable[[], Iterable[pytest.Item]],
        item: pytest.Item,
        nextitem: pytest.Item | None,
        asker: Asker,
    ) -> None:
        self._window_left[asker.name] = remaining = self._window_left.get(asker.name, 0) - 1
        if remaining > asker.window // 2:
            return
        # the controller sends suspects before all other items
        later = [] if item in self._suspects or nextitem is None else [nextitem, *queue()]
        window = [
            candidate
            for candidate in (item, *later)
            if candidate in self._questions and self._questions[candidate].model == asker.name
        ][: asker.window]
        self._ask(window, asker)
        self._window_left[asker.name] = len(window)

    def _ask(self, items: Iterable[pytest.Item], asker: Asker) -> None:
        """Send the questions of ``items`` to their model, except those that may not run or were sent."""
        from pytest_llmeval.runtime.asker import Attempt

        rows = [self._questions[item] for item in items if self._will_run(item)]
        rows = [asked for asked in rows if asked.model == asker.name]
        for first_repeat, group in groupby(rows, attrgetter("first_repeat")):
            asker.ask_ahead([asked.question for asked in group], Attempt(first_repeat))

    def _will_run(self, item: pytest.Item) -> bool:
        function = getattr(item, "function", None)
        if function not in self._certain:
            self._certain[function] = not any(item.get_closest_marker(mark) for mark in _MAY_NOT_RUN)
        return self._certain[function]
