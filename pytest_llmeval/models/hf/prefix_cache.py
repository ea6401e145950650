"""A radix tree of prompts, and the bookkeeping of the keys and values cached for its nodes.

Prompts with a common prefix share nodes, whatever benchmark, template or shots they come from. The engine
stores the keys and values; this module tracks only their sizes, reference counts and ages. The least
recently used entries are evicted first, as in SGLang's RadixAttention (Zheng et al., arXiv:2312.07104).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from pytest_llmeval.models.hf.prefill import Item, KVSpan, Tokens


@dataclass(slots=True, eq=False)
class Node:
    """Tokens that prompts share after the tokens of ``parent``; ``start`` is their position.

    ``items`` are the waiting items whose shareable tokens end here, ``waiting`` counts these and all
    below, ``oldest`` is the lowest number among them. ``shares`` is whether the node gets a segment of its
    own. ``span`` is the location of its cached keys and values, ``last_used`` the clock at their last use.
    """

    tokens: Tokens
    parent: Node | None
    start: int
    children: dict[int, Node] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)
    waiting: int = 0
    oldest: int = 0
    shares: bool = False
    span: KVSpan | None = None
    last_used: int = 0

    def lineage(self) -> Iterator[Node]:
        """This node and all its ancestors, from the bottom up."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


@dataclass(slots=True)
class PrefixCache:
    """The tree and its cache entries; ``capacity`` is the maximum number of cached tokens."""

    capacity: int
    root: Node = field(default_factory=lambda: Node((), None, 0))
    _sizes: dict[int, int] = field(default_factory=dict)
    _span_counts: Counter[int] = field(default_factory=Counter)
    _ref_counts: Counter[int] = field(default_factory=Counter)
    _evicted: list[int] = field(default_factory=list)
    _clock: int = 0
    _last_entry: int = 0

    @property
    def tokens(self) -> int:
        """The number of tokens cached now."""
        return sum(self._sizes.values())

    def tick(self) -> None:
        """Start a new batch: nodes touched from now on cannot be evicted for it."""
        self._clock += 1

    def touch(self, node: Node) -> None:
        """Mark ``node`` as used by the current batch."""
        node.last_used = self._clock

    def insert(self, tokens: Tokens) -> Node:
        """The node at which ``tokens`` end; it is added if it is missing."""
        node, depth = self.root, 0
        while depth < len(tokens):
            child = node.children.get(tokens[depth])
            if child is None:
                child = Node(tokens[depth:], node, depth)
                node.children[tokens[depth]] = child
                return child
            length = common_length(child.tokens, tokens[depth : depth + len(child.tokens)])
            if length < len(child.tokens):
                child = self._split(child, length)
            node, depth = child, depth + length
        return node

    def nodes(self) -> list[Node]:
        """All nodes, parents before their children."""
        nodes = [self.root]
        for node in nodes:
            nodes.extend(node.children.values())
        return nodes

    def prune(self, node: Node) -> None:
        """Remove ``node`` and its ancestors, up to the first with waiting items, children or cached keys."""
        while node.parent is not None and not (node.waiting or node.children or node.span):
            node.parent.children.pop(node.tokens[0], None)
            node = node.parent

    def make_space(self, tokens: int) -> bool:
        """Evict until ``tokens`` more can be cached; returns whether they can."""
        if self.tokens + tokens <= self.capacity:
            return True
        if tokens > self.capacity:
            return False
        idle = sorted(
            (node for node in self.nodes() if node.span is not None and node.last_used < self._clock),
            key=lambda node: (node.last_used, -node.start),
        )
        for node in idle:
            if node.span is None or self._ref_counts[node.span.entry]:
                continue
            if any(child.span is not None for child in node.children.values()):
                continue
            self._evict(node)
            self.prune(node)
            if self.tokens + tokens <= self.capacity:
                return True
        return False

    def allocate(self, node: Node) -> int:
        """A new cache entry for the keys and values of ``node``."""
        self._last_entry += 1
        size = len(node.tokens)
        node.span = KVSpan(self._last_entry, 0, size, node.start)
        self._sizes[self._last_entry] = size
        self._span_counts[self._last_entry] = 1
        return self._last_entry

    def acquire(self, spans: Iterable[KVSpan]) -> None:
        """Add a reference to each span's entry, which prevents its eviction."""
        self._ref_counts.update(span.entry for span in spans)

    def release(self, spans: Iterable[KVSpan]) -> None:
        """Drop the references that ``acquire`` added."""
        for span in spans:
            self._ref_counts[span.entry] -= 1
            self._free(span.entry)

    def discard(self, entries: Collection[int]) -> None:
        """Remove entries that were allocated but never filled."""
        for node in self.nodes():
            if node.span is not None and node.span.entry in entries:
                self._evict(node)
        self._evicted = [entry for entry in self._evicted if entry not in entries]

    def clear(self) -> None:
        """Evict all entries without references."""
        for node in reversed(self.nodes()):
            if node.span is not None and not self._ref_counts[node.span.entry]:
                self._evict(node)
                self.prune(node)

    def take_evicted(self) -> tuple[int, ...]:
        """The entries evicted since the last call: their keys and values may be freed."""
        evicted = tuple(self._evicted)
        self._evicted.clear()
        return evicted

    def _split(self, node: Node, length: int) -> Node:
        """Insert a parent above ``node`` that takes its first ``length`` tokens."""
        assert node.parent is not None
        upper = Node(
            node.tokens[:length], node.parent, node.start, waiting=node.waiting, last_used=node.last_used
        )
        node.parent.children[node.tokens[0]] = upper
        upper.children[node.tokens[length]] = node
        node.tokens, node.parent, node.start = node.tokens[length:], upper, node.start + length
        if node.span is not None:
            upper.span, node.span = node.span.split(length)
            self._span_counts[upper.span.entry] += 1
        return upper

    def _evict(self, node: Node) -> None:
        assert node.span is not None
        entry = node.span.entry
        node.span = None
        self._span_counts[entry] -= 1
        self._free(entry)

    def _free(self, entry: int) -> None:
        if entry in self._sizes and self._span_counts[entry] <= 0 and self._ref_counts[entry] <= 0:
            del self._sizes[entry], self._span_counts[entry], self._ref_counts[entry]
            self._evicted.append(entry)


def common_length(left: Tokens, right: Tokens) -> int:
    """How many tokens both begin with."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
