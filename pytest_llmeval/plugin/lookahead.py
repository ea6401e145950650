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

    Without xdist all items run in order, so the window reaches as far as the model wants. A
    worker of xdist looks only at what it was sent: others may be another worker's.
    """

    def __init__(
        self,
        asking: Mapping[pytest.Item, tuple[Question, str]],
        models: ModelPool,
        sent: Callable[[], Iterable[pytest.Item]] | None = None,
        alone: Container[pytest.Item] = (),
    ) -> None:
        """``asking`` are the items that ask a question, in order, with it and their model's name.

        ``sent`` gives, in a worker, the items after the next one that are its own; those of ``alone`` are
        asked one by one.
        """
        self._asking = asking
        self._models = models
        self._sent = sent
        self._alone = alone
        #: by model: how many of its coming questions were looked at
        self._known: dict[str, int] = {}
        self._items = list(asking)
        self._place = {item: place for place, item in enumerate(self._items)}
        self._last = {model: place for place, (_, model) in enumerate(asking.values())}
        self._asked = 0
        self._certain: dict[object, bool] = {}

    def before(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Called before ``item`` runs: close models that are done, ask what comes."""
        place = self._place.get(item)
        if place is None:
            return
        name = self._asking[item][1]
        for model, last in self._last.items():
            if last < place and model != name:
                self._models.close(model)
        asker = self._models.get(name)
        if self._sent is not None:
            self._among_sent(item, nextitem, asker)
            return
        self._asked = max(self._asked, place)
        if self._asked - place > asker.window // 2:
            return
        end = min(place + asker.window, self._last[name] + 1)
        asker.ask_ahead(self._questions(self._items[self._asked : end], name))
        self._asked = end

    def _among_sent(self, item: pytest.Item, nextitem: pytest.Item | None, asker: Asker) -> None:
        self._known[asker.name] = known = self._known.get(asker.name, 0) - 1
        if known > asker.window // 2:
            return
        assert self._sent is not None
        # what is to be asked alone was sent before all else
        later = [] if item in self._alone or nextitem is None else [nextitem, *self._sent()]
        own = [one for one in (item, *later) if one in self._asking and self._asking[one][1] == asker.name]
        own = own[: asker.window]
        asker.ask_ahead(self._questions(own, asker.name))  # which knows what it has asked already
        self._known[asker.name] = len(own)

    def _questions(self, items: Iterable[pytest.Item], name: str) -> list[Question]:
        asking = [(item, *self._asking[item]) for item in items]
        return [question for item, question, model in asking if model == name and self._will_run(item)]

    def _will_run(self, item: pytest.Item) -> bool:
        function = getattr(item, "function", None)
        if function not in self._certain:
            self._certain[function] = not any(item.get_closest_marker(mark) for mark in _MAY_NOT_RUN)
        return self._certain[function]
