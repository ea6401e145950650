"""Ask questions before pytest reaches them, so that a model always has many at once."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

import pytest

from pytest_llmeval.core.types import Question
from pytest_llmeval.runtime.llm import LLM
from pytest_llmeval.runtime.pool import Models

_MAY_NOT_RUN = ("skip", "skipif", "xfail")


class LookAhead:
    """A window over the coming items of one process.

    Without xdist all items run in order, so the window is as long as the model wants. An xdist worker
    looks only at the items that it was sent: another worker may get the others.
    """

    def __init__(
        self,
        asking: Mapping[pytest.Item, tuple[Question, str]],
        models: Models,
        sent: Callable[[], Iterable[pytest.Item]] | None = None,
        alone: Container[pytest.Item] = (),
    ) -> None:
        """``asking`` maps the items that ask a question, in order, to the question and their model's name.

        ``sent`` returns, in a worker, the items that it was sent, without the next one. The items in
        ``alone`` are asked one by one.
        """
        self._asking = asking
        self._models = models
        self._sent = sent
        self._alone = alone
        #: by model: how many of the questions that the worker knows of are still to come
        self._known: dict[str, int] = {}
        self._items = list(asking)
        self._place = {item: place for place, item in enumerate(self._items)}
        self._last = {model: place for place, (_, model) in enumerate(asking.values())}
        self._asked = 0
        self._certain: dict[object, bool] = {}

    def before(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Call this before ``item`` runs: it closes models that are done and asks the next questions."""
        place = self._place.get(item)
        if place is None:
            return
        name = self._asking[item][1]
        for model, last in self._last.items():
            if last < place and model != name:
                self._models.close(model)
        llm = self._models.get(name)
        if self._sent is not None:
            self._among_sent(item, nextitem, llm)
            return
        self._asked = max(self._asked, place)
        if self._asked - place > llm.window // 2:
            return
        end = min(place + llm.window, self._last[name] + 1)
        llm.ask_ahead(self._questions(self._items[self._asked : end], name))
        self._asked = end

    def _among_sent(self, item: pytest.Item, nextitem: pytest.Item | None, llm: LLM) -> None:
        self._known[llm.name] = known = self._known.get(llm.name, 0) - 1
        if known > llm.window // 2:
            return
        assert self._sent is not None
        # items to be asked one by one were sent before all others
        later = [] if item in self._alone or nextitem is None else [nextitem, *self._sent()]
        known_items = [i for i in (item, *later) if i in self._asking and self._asking[i][1] == llm.name]
        known_items = known_items[: llm.window]
        llm.ask_ahead(self._questions(known_items, llm.name))  # skips what it has already asked
        self._known[llm.name] = len(known_items)

    def _questions(self, items: Iterable[pytest.Item], name: str) -> list[Question]:
        asking = [(item, *self._asking[item]) for item in items]
        return [question for item, question, model in asking if model == name and self._will_run(item)]

    def _will_run(self, item: pytest.Item) -> bool:
        function = getattr(item, "function", None)
        if function not in self._certain:
            self._certain[function] = not any(item.get_closest_marker(mark) for mark in _MAY_NOT_RUN)
        return self._certain[function]
