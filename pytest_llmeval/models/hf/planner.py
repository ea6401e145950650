"""Selects waiting requests to prefill together, so that shared prompt tokens are computed once.

Waiting prompts form a radix tree (``prefix_cache``). A prefill batch is one run of the model: segments
of that tree, packed one after the other. Each attends to itself and to the preceding tokens of its
prompts. Keys and values of shared segments are cached for later batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field, replace

from pytest_llmeval.models.hf.prefill import (
    THIS_BATCH,
    Item,
    KVSpan,
    Placement,
    PrefillBatch,
    Read,
    Segment,
    Tokens,
)
from pytest_llmeval.models.hf.prefix_cache import Node, PrefixCache, common_length

#: a segment of its own costs an extra attention call in every layer: it must save this many tokens
MIN_SAVING = 24
#: with so few waiting requests, it is unknown what later ones will share: the whole prompt is cached
FEW = 2


@dataclass(slots=True)
class Planner:
    """Takes items and returns prefill batches.

    ``prefill_tokens`` and ``max_logits`` limit the tokens and logits of a batch, ``cached_tokens`` what
    the prefix cache holds, ``max_rows`` the texts decoded at once, and ``decode_tokens`` the number of
    these times the longest of them. A single item may exceed all but ``cached_tokens`` and ``max_rows``.
    """

    prefill_tokens: int
    cached_tokens: InitVar[int]
    max_logits: int = 4096
    decode_tokens: int = 1 << 62
    max_rows: int = 1 << 30
    cache: PrefixCache = field(init=False)

    def __post_init__(self, cached_tokens: int) -> None:
        self.cache = PrefixCache(cached_tokens)

    @property
    def waiting(self) -> int:
        """The number of items that are in no batch yet."""
        return self.cache.root.waiting

    def add(self, items: Iterable[Item]) -> None:
        """Queue items."""
        for item in items:
            node = self.cache.insert(item.shareable)
            node.items[item.number] = item
            for ancestor in node.lineage():
                ancestor.waiting += 1

    def next_batch(self, running: int = 0, longest: int = 0) -> PrefillBatch:
        """A batch with the item that has waited longest, filled with those that share most with it.

        ``running`` is the number of texts still being decoded, ``longest`` the most tokens that one of
        them may need in the decode cache. The batch is empty when nothing waits, or nothing fits beside
        the running texts.
        """
        self.cache.tick()
        self._survey()
        builder = _BatchBuilder(self, running, longest)
        stack: list[Node | tuple[Node, Item]] = [self.cache.root]
        while stack:
            entry = stack.pop()
            if isinstance(entry, Node):
                below: list[tuple[int, Node | tuple[Node, Item]]] = [
                    (number, (entry, item)) for number, item in entry.items.items()
                ]
                below += [(child.oldest, child) for child in entry.children.values() if child.waiting]
                stack += [candidate for _, candidate in sorted(below, key=lambda pair: -pair[0])]
            elif not builder.add(*entry):
                break
        for node, item in builder.taken:
            del node.items[item.number]
            for ancestor in node.lineage():
                ancestor.waiting -= 1
        batch = builder.build(self.cache.take_evicted())
        for placement in batch.placements:
            if placement.item.max_new_tokens:
                self.cache.acquire(placement.prefix)
        for node, _ in builder.taken:
            self.cache.prune(node)
        return batch

    def roll_back(self, batch: PrefillBatch) -> None:
        """Undo a batch that did not run: discard its cache entries and its items."""
        for placement in batch.placements:
            self.release(placement)
        self.cache.discard({segment.cache_as for segment in batch.segments if segment.cache_as is not None})

    def release(self, placement: Placement) -> None:
        """Drop an item's references to its prefix after its text is complete."""
        if placement.item.max_new_tokens:
            self.cache.release(placement.prefix)

    def _survey(self) -> None:
        """Find the longest wait below each node, and the nodes worth a segment of their own."""
        root = self.cache.root
        few = root.waiting <= FEW
        for node in reversed(self.cache.nodes()):
            waiting = [child for child in node.children.values() if child.waiting]
            node.oldest = min([*node.items, *(child.oldest for child in waiting)], default=0)
            saving = len(node.tokens) * (node.waiting if few else node.waiting - 1)
            node.shares = (
                node.span is not None
                or (saving >= MIN_SAVING and node is not root)
                or (any(child.shares for child in waiting) and node is not root)
            )


class _BatchBuilder:
    """Builds one batch, item by item in the order of the tree."""

    def __init__(self, planner: Planner, running: int, longest: int) -> None:
        self.taken: list[tuple[Node, Item]] = []
        self._planner = planner
        self._cache = planner.cache
        self._running = running
        self._longest = longest
        self._tokens = self._logits = 0
        self._unshared: set[int] = set()
        self._segments: list[Segment] = []
        self._placements: list[Placement] = []
        self._readers: dict[KVSpan, tuple[int, int]] = {}
        self._in_batch: dict[int, KVSpan] = {}

    def add(self, node: Node, item: Item) -> bool:
        """Add ``item`` of ``node`` if it fits; the first item is always added."""
        path = self._shared_path(node)
        depth = path[-1].start + len(path[-1].tokens) if path else 0
        rest = item.shareable[depth:]
        branches = _Trie(item.branches)
        unshared = len(rest) + branches.size
        cost = unshared + sum(len(shared.tokens) for shared in path if shared.span is None)
        rows, longest = self._running, self._longest
        if item.max_new_tokens:
            rows, longest = rows + 1, max(longest, unshared + item.max_new_tokens)
        fits = (
            self._tokens + cost <= self._planner.prefill_tokens
            and self._logits + branches.size <= self._planner.max_logits
            and rows * longest <= self._planner.decode_tokens
            and rows <= self._planner.max_rows
        )
        first = not self.taken and not (item.max_new_tokens and self._running)
        if not fits and not first:
            return False
        self._running, self._longest = rows, longest
        self._tokens += cost
        self._logits += branches.size
        self.taken.append((node, item))
        reader = self._end()
        for shared in path:
            self._cache.touch(shared)
            if shared.span is None:
                entry = self._cache.allocate(shared)
                index = self._emit(shared.tokens, shared.start, entry)
                span = KVSpan(THIS_BATCH, index, index + len(shared.tokens), shared.start)
                self._in_batch[entry] = span
        begin = self._end()
        indices: dict[int, tuple[int, ...]] = {}
        self._emit_trie(branches, rest, depth, (), indices)
        for shared in path:
            self._read(shared, reader)
        self._placements.append(
            Placement(
                item,
                tuple(indices[number] for number in range(len(item.branches))),
                (begin, self._end()),
                _cached_prefix(node),
            )
        )
        return True

    def build(self, evicted: tuple[int, ...]) -> PrefillBatch:
        """The batch; neighbouring spans read by the same tokens become one read."""
        reads: list[Read] = []
        for span, (first, last) in self._readers.items():
            before = reads[-1] if reads else None
            if (
                before is not None
                and (before.first, before.last) == (first, last)
                and before.span.joins(span)
            ):
                reads[-1] = Read(replace(before.span, last=span.last), first, last)
            else:
                reads.append(Read(span, first, last))
        return PrefillBatch(tuple(self._segments), tuple(reads), tuple(self._placements), evicted)

    def _shared_path(self, node: Node) -> list[Node]:
        """The shared nodes from the root towards ``node``, as far as the cache has space for them."""
        path: list[Node] = []
        for candidate in reversed([*node.lineage()]):
            if not candidate.tokens:
                continue
            if not candidate.shares or id(candidate) in self._unshared:
                break
            if candidate.span is None:
                for ancestor in path:
                    self._cache.touch(ancestor)
                missing = sum(len(ancestor.tokens) for ancestor in path if ancestor.span is None)
                if not self._cache.make_space(missing + len(candidate.tokens)):
                    self._unshared.add(id(candidate))
                    break
            path.append(candidate)
        return path

    def _end(self) -> int:
        return self._segments[-1].last if self._segments else 0

    def _emit(self, tokens: Tokens, start: int, cache_as: int | None = None) -> int:
        first = self._end()
        self._segments.append(Segment(first, tokens, start, cache_as))
        return first

    def _emit_trie(
        self,
        trie: _Trie,
        head: Tokens,
        start: int,
        before: tuple[int, ...],
        indices: dict[int, tuple[int, ...]],
    ) -> None:
        """Emit the unshared tokens of one item: ``head``, followed by its branches."""
        first = self._emit(head + trie.tokens, start)
        middle = first + len(head)
        here = (*before, *range(middle, middle + len(trie.tokens)))
        for number in trie.ends:
            indices[number] = here
        last = self._end()
        for child in trie.children:
            self._emit_trie(child, (), start + len(head) + len(trie.tokens), here, indices)
        if self._end() > last:
            self._readers[KVSpan(THIS_BATCH, first, last, start)] = last, self._end()

    def _read(self, node: Node, begin: int) -> None:
        """Let the tokens emitted since ``begin``, as far as they come after ``node``, attend to it."""
        assert node.span is not None
        span = self._in_batch.get(node.span.entry, node.span)
        first = begin if span.entry != THIS_BATCH else span.last
        readers = self._readers.get(span)
        self._readers[span] = (readers[0] if readers else first), self._end()


def _cached_prefix(node: Node) -> tuple[KVSpan, ...]:
    """The cached spans from the root to ``node``, neighbours of the same entry joined."""
    spans: list[KVSpan] = []
    for ancestor in reversed([*node.lineage()]):
        if ancestor.span is None:
            continue
        if spans and spans[-1].joins(ancestor.span):
            spans[-1] = replace(spans[-1], last=ancestor.span.last)
        else:
            spans.append(ancestor.span)
    return tuple(spans)


class _Trie:
    """The branches of one item as a radix tree."""

    def __init__(self, branches: Sequence[Tokens], numbers: Sequence[int] | None = None) -> None:
        numbers = range(len(branches)) if numbers is None else numbers
        shortest = min(branches, key=len)
        length = min(common_length(shortest, branch) for branch in branches)
        self.tokens = shortest[:length]
        self.ends = [
            number for number, branch in zip(numbers, branches, strict=True) if len(branch) == length
        ]
        groups: dict[int, list[tuple[int, Tokens]]] = {}
        for number, branch in zip(numbers, branches, strict=True):
            if len(branch) > length:
                groups.setdefault(branch[length], []).append((number, branch[length:]))
        self.children = [
            _Trie([branch for _, branch in group], [number for number, _ in group])
            for group in groups.values()
        ]
        self.size: int = length + sum(child.size for child in self.children)
