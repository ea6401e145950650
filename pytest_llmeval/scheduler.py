"""``--dist=load`` with questions: slices of them to the workers, ordinary tests as xdist does it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScheduling

from pytest_llmeval.slices import Key, slices

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

#: how many workers a question may cost
_CRASHES = 2


class SliceScheduling(LoadScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out what is pending from the front: a slice of questions, or some ordinary tests.

    A worker runs an item only when it knows what comes after it, so each has two at least, or has
    been told to shut down. What a crashed one leaves goes back to the front. The question that it was
    running is tried once more; when that costs another worker, it is given up.
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
    ) -> None:
        """``keys`` gives each item's key, or nothing where no item is ours; ``counted`` tells whether
        a worker that is gone had reported how an item ended; ``give_up`` is told of a question that
        cost two workers.
        """
        super().__init__(config, log)
        self._read_keys = keys
        self._counted = counted
        self._give_up = give_up
        self._keys: Sequence[Key | None] = ()
        #: how many of ``pending`` belong together: slices, and runs of ordinary tests
        self._parts: deque[int] = deque()
        #: how many of ``pending`` are ordinary tests
        self._ordinary = 0
        self._crashes: Counter[int] = Counter()

    def schedule(self) -> None:
        """Give every worker its first; later, look after all of them."""
        if self.collection is None:
            self._keys = self._read_keys()
            collected = next(iter(self.node2collection.values()))
            if len(self._keys) == len(collected) and any(self._keys):
                if self._check_nodes_have_same_collection():
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
        """Send what a worker needs so as not to wait, or that nothing more comes."""
        if not self._keys:
            super().check_schedule(node, duration)
            return
        if node.shutting_down:
            return
        while self.pending and len(self.node2pending[node]) < self._few():
            self._send_next(node)
        if not self.pending and len(self.node2pending[node]) < 2:
            node.shutdown()

    def remove_node(self, node: WorkerController) -> str | None:
        """Take back what a worker leaves; the ordinary test that it was running, if it was one."""
        if not self._keys:
            crashed: str | None = super().remove_node(node)
            return crashed
        left: list[int] = self.node2pending.pop(node)
        crashed = None
        if left:
            running = self.collection[left[0]]
            if self._keys[left[0]] is None:
                del left[0]
                crashed = running
            elif self._counted(node, running):
                del left[0]
            else:
                self._crashes[left[0]] += 1
                if self._crashes[left[0]] == _CRASHES:
                    del left[0]
                    self._give_up(node, running)
        self._put_first(left)
        self._check_all()
        return crashed

    def mark_test_pending(self, item: str) -> None:
        """Have an item run again, as another plugin wants it."""
        if not self._keys:
            super().mark_test_pending(item)
            return
        self._put_first([self.collection.index(item)])
        self._check_all()

    def _put_first(self, indices: Sequence[int]) -> None:
        self._parts.extendleft(len(one) for one in reversed(slices(indices, self._keys, self.numnodes)))
        self._ordinary += sum(self._keys[index] is None for index in indices)
        self.pending[:0] = indices

    def _check_all(self) -> None:
        for node in self.nodes:
            self.check_schedule(node)

    def _few(self) -> int:
        """With fewer items than this a worker is sent more."""
        if self._keys[self.pending[0]] is not None:
            return max(2, self._parts[0] // 2 + 1)
        return max(2, self._ordinary // int(self.numnodes) // 4)

    def _send_next(self, node: WorkerController) -> None:
        """Send a slice, or as many ordinary tests as xdist's own ``load`` would."""
        if not self.pending:
            return
        number = self._parts.popleft()
        if self._keys[self.pending[0]] is None:
            waiting = len(self.node2pending[node])
            wanted = max(2, self._ordinary // self.numnodes // (2 if waiting else 4)) - waiting
            sent: int = min(number, max(1, wanted), max(self.maxschedchunk, 2 - waiting))
            if sent < number:
                self._parts.appendleft(number - sent)
            self._ordinary -= sent
            number = sent
        self._send_tests(node, number)
