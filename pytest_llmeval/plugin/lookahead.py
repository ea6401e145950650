"""Which questions to ask before pytest comes to them, so that a model always sees many."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.core.types import Question

if TYPE_CHECKING:
    from pytest_llmeval.runtime.asker import Asker
    from pytest_llmeval.runtime.pool import ModelPool

_MAY_NOT_RUN = ("skip", "skipif", "xfail")


class LookAhead:
    """A window over the coming items of one process.

    Without xdist all items run in order, so the window reaches as far as the model wants. A worker of xdist
    looks only at the items that it was sent: others may be another worker's.

    ``asking`` are the items that ask a question, in order, with it and their model's name. ``queued``
    returns, in a worker, the items after the next one that it was sent; those of ``alone`` are asked one by
    one.
    """

    def __init__(
        self,
        asking: Mapping[pytest.Item, tuple[Question, str]],
        models: ModelPool,
        queued: Callable[[], Iterable[pytest.Item]] | None = None,
        alone: Container[pytest.Item] = (),
    ) -> None:
        self._asking = asking
        self._models = models
        self._queued = queued
        self._alone = alone
        #: by model: how many of its coming questions have been looked at
        self._looked_at: dict[str, int] = {}
        self._items = list(asking)
        self._index = {item: index for index, item in enumerate(self._items)}
        #: by model: the index of its last item
        self._last = {model: index for index, (_, model) in enumerate(asking.values())}
        #: the index of the first item that is not asked yet
        self._next = 0
        self._certain: dict[object, bool] = {}

    def before(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Called before ``item`` runs: close models that are done, ask coming questions."""
        index = self._index.get(item)
        if index is None:
            return
        name = self._asking[item][1]
        for model, last in self._last.items():
            if last < index and model != name:
                self._models.close(model)
        asker = self._models.get(name)
        if self._queued is not None:
            self._ask_queued(self._queued, item, nextitem, asker)
            return
        self._next = max(self._next, index)
        if self._next - index > asker.window // 2:
            return
        end = min(index + asker.window, self._last[name] + 1)
        asker.ask_ahead(self._questions(self._items[self._next : end], name))
        self._next = end

    def _ask_queued(
        self,
        queued: Callable[[], Iterable[pytest.Item]],
        item: pytest.Item,
        nextitem: pytest.Item | None,
        asker: Asker,
    ) -> None:
        self._looked_at[asker.name] = left = self._looked_at.get(asker.name, 0) - 1
        if left > asker.window // 2:
            return
        # items to be asked one by one were sent before all others
        later = [] if item in self._alone or nextitem is None else [nextitem, *queued()]
        asking = [i for i in (item, *later) if i in self._asking and self._asking[i][1] == asker.name]
        asking = asking[: asker.window]
        asker.ask_ahead(self._questions(asking, asker.name))  # skips what it has already asked
        self._looked_at[asker.name] = len(asking)

    def _questions(self, items: Iterable[pytest.Item], name: str) -> list[Question]:
        asking = [(item, *self._asking[item]) for item in items]
        return [question for item, question, model in asking if model == name and self._will_run(item)]

    def _will_run(self, item: pytest.Item) -> bool:
        function = getattr(item, "function", None)
        if function not in self._certain:
            self._certain[function] = not any(item.get_closest_marker(mark) for mark in _MAY_NOT_RUN)
        return self._certain[function]
