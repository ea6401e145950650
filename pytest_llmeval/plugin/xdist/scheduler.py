"""``--dist=load`` for questions: workers get slices of them, and ordinary tests as xdist sends them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScheduling

from pytest_llmeval.plugin.pytest_internals import collected_same
from pytest_llmeval.plugin.xdist.slices import Key, slices

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController


class SliceScheduling(LoadScheduling):  # type: ignore[misc]  # xdist has no types
    """Sends the front of what is pending: a slice of questions, or some ordinary tests.

    A worker runs an item only when it knows the next one, so each worker has at least two, or has been told
    to shut down. Ordinary tests that a crashed worker leaves go back to the front. Any of its questions may
    have been in the model's batch, not only the one that pytest was running. So all of them are suspects:
    they wait for the worker that xdist starts as a replacement, which learns before it starts (``adopt``)
    to ask them one by one. If it crashes as well, the question that it was asking is given up.
    """

    pending: list[int]
    #: the node ids; None before ``schedule``
    collection: Any
    maxschedchunk: Any

    def __init__(
        self,
        config: pytest.Config,
        log: Producer | None,
        keys: Callable[[], Sequence[Key | None]],
        counted: Callable[[WorkerController, str], bool],
        give_up: Callable[[WorkerController, str], None],
        may_ask: Callable[[WorkerController, str], bool] = lambda node, model: True,
    ) -> None:
        """``keys`` returns each item's key, or an empty list if no item is a question; ``counted`` returns
        whether a worker that is gone had reported an item's result; ``give_up`` is called with a question
        that crashed two workers; ``may_ask`` returns whether a worker may ask a model.
        """
        super().__init__(config, log)
        self._read_keys = keys
        self._counted = counted
        self._give_up = give_up
        self._may_ask = may_ask
        self._keys: Sequence[Key | None] = ()
        #: the lengths of the parts of ``pending``: slices, and runs of ordinary tests
        self._parts: deque[int] = deque()
        #: how many of ``pending`` are ordinary tests
        self._ordinary = 0
        #: for the next replacement of a crashed worker
        self._suspects: list[int] = []
        #: by worker: the items that it asks one by one, and whether they were sent
        self._adopted: dict[WorkerController, tuple[list[int], bool]] = {}
        self._lost = 0

    @property
    def unsent(self) -> int:
        """How many items were sent to no worker."""
        return len(self.pending) + len(self._unsent_suspects()) + self._lost

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to send but the command to shut down."""
        return bool(super().tests_finished) and not self._unsent_suspects()

    @property
    def has_pending(self) -> bool:
        """Whether any item is unfinished."""
        return bool(super().has_pending) or bool(self._unsent_suspects())

    def adopt(self, node: WorkerController) -> list[int]:
        """The suspects that a worker, about to start, is to ask one by one."""
        if self._suspects:
            self._adopted[node] = self._suspects, False
            self._suspects = []
        return self._adopted.get(node, ([], False))[0]

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Note what a worker collected. A replacement must have collected the same as the others."""
        if self._keys and list(collection) != list(self.collection):
            self._lost += len(self._adopted.pop(node, ([], False))[0])
            node.shutdown()
        super().add_node_collection(node, collection)

    def schedule(self) -> None:
        """Send every worker its first items; in later calls, check all workers."""
        if self.collection is None:
            self._keys = self._read_keys()
            collected = next(iter(self.node2collection.values()))
            if len(self._keys) == len(collected) and any(self._keys):
                if collected_same(self):
                    self.collection = collected
                    self.maxschedchunk = self.maxschedchunk or len(collected)
                    self._put_first(range(len(collected)))
                    for node in self.nodes:
                        self._send_next(node)
                    self._check_all()
                return
            self._keys = ()
        super().schedule()

    def check_schedule(self, node: WorkerController, duration: float = 0) -> None:
        """Send a worker enough items to keep it busy, or the command to shut down."""
        if not self._keys:
            super().check_schedule(node, duration)
            return
        if node.shutting_down or node not in self.node2collection:
            return
        suspects, sent = self._adopted.get(node, ([], True))
        if not sent:
            self._adopted[node] = suspects, True
            self.node2pending[node].extend(suspects)
            node.send_runtest_some(suspects)
        while (part := self._next(node)) and len(self.node2pending[node]) < self._few(*part):
            self._send_next(node)
        if part is None and len(self.node2pending[node]) < 2:
            node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        """Take back what a worker leaves. Returns the ordinary test that it was running, if any."""
        if not self._keys:
            crashed: str | None = super().remove_node(node)
            return crashed
        alone, sent = self._adopted.pop(node, ([], True))
        if not sent:
            self._suspects += alone
        left: list[int] = self.node2pending.pop(node)
        crashed = None
        suspects = set(alone)
        if left:
            running = self.collection[left[0]]
            if self._keys[left[0]] is None:
                del left[0]
                crashed = running
            else:
                if left[0] not in suspects:
                    suspects = {index for index in left if self._keys[index] is not None}
                if self._counted(node, running):
                    del left[0]
                elif left[0] in alone:
                    del left[0]
                    self._give_up(node, running)
        self._suspects += [index for index in left if index in suspects]
        self._put_first([index for index in left if index not in suspects])
        self._check_all()
        return crashed

    def mark_test_pending(self, item: str) -> None:
        """Run an item again, at the request of another plugin."""
        if not self._keys:
            super().mark_test_pending(item)
            return
        self._put_first([self.collection.index(item)])
        self._check_all()

    def _put_first(self, indices: Sequence[int]) -> None:
        self._parts.extendleft(len(part) for part in reversed(slices(indices, self._keys, self.numnodes)))
        self._ordinary += sum(self._keys[index] is None for index in indices)
        self.pending[:0] = indices

    def _check_all(self) -> None:
        for node in self.nodes:
            self.check_schedule(node)

    def _unsent_suspects(self) -> list[int]:
        adopted = [index for indices, sent in self._adopted.values() if not sent for index in indices]
        return self._suspects + adopted

    def _next(self, node: WorkerController) -> tuple[int, int] | None:
        """The first part that a worker may be sent: its index, and its start in ``pending``."""
        start = 0
        for part, number in enumerate(self._parts):
            key = self._keys[self.pending[start]]
            if key is None or self._may_ask(node, key[0]):
                return part, start
            start += number
        return None

    def _few(self, part: int, start: int) -> int:
        """The number of items below which a worker is sent more."""
        if self._keys[self.pending[start]] is not None:
            return max(2, self._parts[part] // 2 + 1)
        return max(2, self._ordinary // int(self.numnodes) // 4)

    def _send_next(self, node: WorkerController) -> None:
        """Send a slice, or as many ordinary tests as xdist's own ``load`` would."""
        following = self._next(node)
        if following is None:
            return
        part, start = following
        number = self._parts[part]
        waiting = len(self.node2pending[node])
        if self._keys[self.pending[start]] is None:
            wanted = max(2, self._ordinary // self.numnodes // (2 if waiting else 4)) - waiting
            number = min(number, max(1, wanted), max(self.maxschedchunk, 2 - waiting))
            self._ordinary -= number
        self._parts[part] -= number
        if not self._parts[part]:
            del self._parts[part]
        indices = self.pending[start : start + number]
        del self.pending[start : start + number]
        self.node2pending[node].extend(indices)
        node.send_runtest_some(indices)
