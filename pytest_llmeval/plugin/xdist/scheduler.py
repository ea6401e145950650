"""``--dist=load`` for questions: sends slices of questions to workers, and ordinary tests as xdist does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScheduling

from pytest_llmeval.plugin.pytest_internals import same_collection
from pytest_llmeval.plugin.xdist.slices import Key, slices

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController


class SliceScheduling(LoadScheduling):  # type: ignore[misc]  # xdist has no types
    """Sends the first pending items: a slice of questions, or some ordinary tests.

    A worker starts an item only when it knows the next one. So each worker has at least two items, or the
    command to shut down. When a worker crashes, its ordinary tests return to the front of the queue. Its
    questions become suspects: any of them may have been in the model's batch, not only the one that pytest
    was running. xdist starts a replacement, which sends the suspects one at a time (``assign_suspects``).
    If the replacement crashes too, the question that it was running is given up.
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
        has_reported: Callable[[WorkerController, str], bool],
        give_up: Callable[[WorkerController, str], None],
        may_ask: Callable[[WorkerController, str], bool] = lambda node, model: True,
    ) -> None:
        """Create the scheduler; it calls these functions.

        ``keys`` returns each item's key, or an empty list if no item is a question. ``has_reported`` returns
        whether a crashed worker reported an item's result before it crashed. ``give_up`` is called with a
        question that crashed two workers. ``may_ask`` returns whether a worker may use a model.
        """
        super().__init__(config, log)
        self._read_keys = keys
        self._has_reported = has_reported
        self._give_up = give_up
        self._may_ask = may_ask
        self._keys: Sequence[Key | None] = ()
        #: the lengths of the parts of ``pending``: slices, and runs of ordinary tests
        self._parts: deque[int] = deque()
        #: how many of ``pending`` are ordinary tests
        self._ordinary = 0
        #: suspects for the next replacement of a crashed worker
        self._suspects: list[int] = []
        #: by worker: its suspects, and whether they were sent
        self._assigned: dict[WorkerController, tuple[list[int], bool]] = {}
        #: suspects of replacements that collected other items, which nobody can run any more
        self._lost_suspects = 0

    @property
    def unsent(self) -> int:
        """The number of items that were sent to no worker."""
        return len(self.pending) + len(self._unsent_suspects()) + self._lost_suspects

    @property
    def tests_finished(self) -> bool:
        """Whether everything was sent except the commands to shut down."""
        return bool(super().tests_finished) and not self._unsent_suspects()

    @property
    def has_pending(self) -> bool:
        """Whether any item is unfinished."""
        return bool(super().has_pending) or bool(self._unsent_suspects())

    def assign_suspects(self, node: WorkerController) -> list[int]:
        """Assign the waiting suspects to a worker that is about to start, and return them."""
        if self._suspects:
            self._assigned[node] = self._suspects, False
            self._suspects = []
        return self._assigned.get(node, ([], False))[0]

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Record a worker's collection; stop a replacement whose collection differs from the others'."""
        if self._keys and list(collection) != list(self.collection):
            self._lost_suspects += len(self._assigned.pop(node, ([], False))[0])
            node.shutdown()
        super().add_node_collection(node, collection)

    def schedule(self) -> None:
        """Send each worker its first items; later calls check all workers."""
        if self.collection is None:
            self._keys = self._read_keys()
            collection = next(iter(self.node2collection.values()))
            if len(self._keys) == len(collection) and any(self._keys):
                if same_collection(self):
                    self.collection = collection
                    self.maxschedchunk = self.maxschedchunk or len(collection)
                    self._put_first(range(len(collection)))
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
        suspects, sent = self._assigned.get(node, ([], True))
        if not sent:
            self._assigned[node] = suspects, True
            self.node2pending[node].extend(suspects)
            node.send_runtest_some(suspects)
        while (part := self._next_part(node)) and len(self.node2pending[node]) < self._minimum(*part):
            self._send_next(node)
        if part is None and len(self.node2pending[node]) < 2:
            node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        """Reassign a worker's unfinished items. Returns the ordinary test that it was running, if any."""
        if not self._keys:
            crash_item: str | None = super().remove_node(node)
            return crash_item
        assigned, sent = self._assigned.pop(node, ([], True))
        if not sent:
            self._suspects += assigned
        remaining: list[int] = self.node2pending.pop(node)
        crash_item = None
        suspects = set(assigned)
        if remaining:
            index = remaining[0]
            running = self.collection[index]
            if self._keys[index] is None:
                del remaining[0]
                crash_item = running
            else:
                if index not in suspects:
                    suspects = {other for other in remaining if self._keys[other] is not None}
                if self._has_reported(node, running):
                    del remaining[0]
                elif index in assigned:
                    del remaining[0]
                    self._give_up(node, running)
        self._suspects += [index for index in remaining if index in suspects]
        self._put_first([index for index in remaining if index not in suspects])
        self._check_all()
        return crash_item

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
        assigned = [index for indices, sent in self._assigned.values() if not sent for index in indices]
        return self._suspects + assigned

    def _next_part(self, node: WorkerController) -> tuple[int, int] | None:
        """The first part that a worker may run: its index in ``_parts``, and its start in ``pending``."""
        start = 0
        for part, number in enumerate(self._parts):
            key = self._keys[self.pending[start]]
            if key is None or self._may_ask(node, key[0]):
                return part, start
            start += number
        return None

    def _minimum(self, part: int, start: int) -> int:
        """A worker with fewer unfinished items than this receives the next part."""
        if self._keys[self.pending[start]] is not None:
            return max(2, self._parts[part] // 2 + 1)
        return max(2, self._ordinary // int(self.numnodes) // 4)

    def _send_next(self, node: WorkerController) -> None:
        """Send a slice, or as many ordinary tests as xdist's ``load`` sends."""
        position = self._next_part(node)
        if position is None:
            return
        part, start = position
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
