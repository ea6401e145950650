"""What to compute in which order, so that tokens which prompts have in common are computed once.

Prompts stand in a radix tree, whatever benchmark, template or shots they came from. A *pass* is one
run through the model: the segments of the tree that some waiting requests need, packed one behind
the other, each attending to itself and to what stands before it in its own prompts. Keys and values
of shared segments are kept for later passes, the least recently used ones dropped first. (The tree
of kept prefixes is that of SGLang's RadixAttention, Zheng et al., arXiv:2312.07104.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pytest_llmeval.models.hf.passes import THIS_PASS, Item, Pass, Piece, Placed, Read, Segment, Tokens

#: a segment of its own costs a piece of attention in every layer: it must save this many tokens
LEAST_SAVING = 24
#: with so few requests in sight nothing tells what the next ones share: all of a prompt is kept
FEW = 2


@dataclass(slots=True, eq=False)
class _Node:
    tokens: Tokens
    parent: _Node | None
    start: int
    children: dict[int, _Node] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)
    waiting: int = 0
    oldest: int = 0
    shares: bool = False
    piece: Piece | None = None
    used: int = 0

    def up(self) -> Iterator[_Node]:
        """This node and all above it."""
        node: _Node | None = self
        while node is not None:
            yield node
            node = node.parent


@dataclass(slots=True)
class Planner:
    """Takes items, gives passes; see the module.

    ``pass_tokens`` and ``wanted`` are the most tokens and logits of a pass, ``kept_tokens`` the most
    that are kept at once, ``row_tokens`` the most that items with ``room`` may hold, each as wide as
    the widest. A single item may exceed the first two and the last.
    """

    pass_tokens: int
    kept_tokens: int
    wanted: int = 4096
    row_tokens: int = 1 << 62
    most_rows: int = 1 << 30
    _root: _Node = field(default_factory=lambda: _Node((), None, 0))
    _kept: dict[int, int] = field(default_factory=dict)
    _pieces: Counter[int] = field(default_factory=Counter)
    _held: Counter[int] = field(default_factory=Counter)
    _dropped: list[int] = field(default_factory=list)
    _clock: int = 0
    _names: int = 0

    @property
    def waiting(self) -> int:
        """Items that no pass has had yet."""
        return self._root.waiting

    @property
    def kept(self) -> int:
        """Tokens kept now."""
        return sum(self._kept.values())

    def add(self, items: Iterable[Item]) -> None:
        """Let items wait."""
        for item in items:
            node = self._insert(item.shared)
            node.items[item.number] = item
            for above in node.up():
                above.waiting += 1

    def next_pass(self, running: int = 0, widest: int = 0) -> Pass:
        """The pass with the item that waits longest, filled up with what shares most with it.

        ``running`` are the items with room that are still being written, ``widest`` the most tokens
        that one of them may hold. Empty where nothing waits, or nothing fits beside those.
        """
        self._clock += 1
        self._survey()
        build = _Builder(self, running, widest)
        stack: list[_Node | tuple[_Node, Item]] = [self._root]
        while stack:
            entry = stack.pop()
            if isinstance(entry, _Node):
                below: list[tuple[int, _Node | tuple[_Node, Item]]] = [
                    (number, (entry, item)) for number, item in entry.items.items()
                ]
                below += [(child.oldest, child) for child in entry.children.values() if child.waiting]
                stack += [one for _, one in sorted(below, key=lambda pair: -pair[0])]
            elif not build.add(*entry):
                break
        for node, item in build.taken:
            del node.items[item.number]
            for above in node.up():
                above.waiting -= 1
        planned = build.finish(tuple(self._dropped))
        self._dropped.clear()
        for placed in planned.placed:
            if placed.item.room:
                self._held.update(piece.kept for piece in placed.history)
        for node, _ in build.taken:
            self._prune(node)
        return planned

    def take_back(self, planned: Pass) -> None:
        """``planned`` was not run: nothing of it is kept, its items are no longer known."""
        names = {segment.keep for segment in planned.segments if segment.keep is not None}
        for node in self._nodes():
            if node.piece is not None and node.piece.kept in names:
                self._forget(node)
        for placed in planned.placed:
            self.release(placed)
        self._dropped = [name for name in self._dropped if name not in names]

    def forget_all(self) -> None:
        """Drop all that is kept and not held."""
        for node in reversed(self._nodes()):
            if node.piece is not None and not self._held[node.piece.kept]:
                self._forget(node)
                self._prune(node)

    def release(self, placed: Placed) -> None:
        """An item with room is written: what stands before it is no longer held for it."""
        if placed.item.room:
            for piece in placed.history:
                self._held[piece.kept] -= 1
                self._free(piece.kept)

    def _insert(self, tokens: Tokens) -> _Node:
        node, at = self._root, 0
        while at < len(tokens):
            child = node.children.get(tokens[at])
            if child is None:
                child = _Node(tokens[at:], node, at)
                node.children[tokens[at]] = child
                return child
            same = common(child.tokens, tokens[at : at + len(child.tokens)])
            if same < len(child.tokens):
                child = self._split(child, same)
            node, at = child, at + same
        return node

    def _split(self, node: _Node, at: int) -> _Node:
        """A new node above ``node`` with its first ``at`` tokens."""
        assert node.parent is not None
        upper = _Node(node.tokens[:at], node.parent, node.start, waiting=node.waiting, used=node.used)
        node.parent.children[node.tokens[0]] = upper
        upper.children[node.tokens[at]] = node
        node.tokens, node.parent, node.start = node.tokens[at:], upper, node.start + at
        if node.piece is not None:
            upper.piece, node.piece = node.piece.cut(at)
            self._pieces[upper.piece.kept] += 1
        return upper

    def _nodes(self) -> list[_Node]:
        """All nodes, each before those below it."""
        nodes = [self._root]
        for node in nodes:
            nodes.extend(node.children.values())
        return nodes

    def _survey(self) -> None:
        """Who waits longest below each node, and which nodes are worth a segment of their own."""
        few = self._root.waiting <= FEW
        for node in reversed(self._nodes()):
            waiting = [child for child in node.children.values() if child.waiting]
            node.oldest = min([*node.items, *(child.oldest for child in waiting)], default=0)
            saving = len(node.tokens) * (node.waiting if few else node.waiting - 1)
            node.shares = (
                node.piece is not None
                or (saving >= LEAST_SAVING and node is not self._root)
                or (any(child.shares for child in waiting) and node is not self._root)
            )

    def make_room(self, tokens: int) -> bool:
        """Whether ``tokens`` more can be kept; drops what was not used for longest."""
        short = self.kept + tokens - self.kept_tokens
        if short <= 0:
            return True
        if tokens > self.kept_tokens:
            return False
        idle = sorted(
            (node for node in self._nodes() if node.piece is not None and node.used < self._clock),
            key=lambda node: (node.used, -node.start),
        )
        for node in idle:
            if node.piece is None or self._held[node.piece.kept]:
                continue
            if any(child.piece is not None for child in node.children.values()):
                continue
            self._forget(node)
            self._prune(node)
            if self.kept + tokens <= self.kept_tokens:
                return True
        return False

    def keep(self, node: _Node) -> int:
        """A name for the keys and values of ``node``, to be kept from now on."""
        self._names += 1
        size = len(node.tokens)
        node.piece = Piece(self._names, 0, size, node.start)
        self._kept[self._names] = size
        self._pieces[self._names] = 1
        return self._names

    def touch(self, node: _Node) -> None:
        """``node`` was used just now."""
        node.used = self._clock

    def _forget(self, node: _Node) -> None:
        assert node.piece is not None
        name = node.piece.kept
        node.piece = None
        self._pieces[name] -= 1
        self._free(name)

    def _free(self, name: int) -> None:
        if name in self._kept and self._pieces[name] <= 0 and self._held[name] <= 0:
            del self._kept[name], self._pieces[name], self._held[name]
            self._dropped.append(name)

    def _prune(self, node: _Node) -> None:
        """Take out nodes that nobody waits at and nothing is kept of."""
        while node.parent is not None and not (node.waiting or node.children or node.piece):
            node.parent.children.pop(node.tokens[0], None)
            node = node.parent


class _Builder:
    """Puts one pass together, item by item in the order of the tree."""

    def __init__(self, planner: Planner, running: int, widest: int) -> None:
        self.taken: list[tuple[_Node, Item]] = []
        self._planner = planner
        self._running = running
        self._widest = widest
        self._tokens = self._wanted = 0
        self._unshared: set[int] = set()
        self._segments: list[Segment] = []
        self._placed: list[Placed] = []
        self._ranges: dict[Piece, tuple[int, int]] = {}
        self._inside: dict[int, Piece] = {}

    def add(self, node: _Node, item: Item) -> bool:
        """Take ``item``, which hangs at ``node``, if it fits; the first always does."""
        path = self._shared_path(node)
        end = path[-1].start + len(path[-1].tokens) if path else 0
        tail = item.shared[end:]
        branches = _Trie(item.branches)
        own = len(tail) + branches.size
        cost = own + sum(len(one.tokens) for one in path if one.piece is None)
        wanted = branches.size
        rows, widest = self._running, self._widest
        if item.room:
            rows, widest = rows + 1, max(widest, own + item.room)
        fits = (
            self._tokens + cost <= self._planner.pass_tokens
            and self._wanted + wanted <= self._planner.wanted
            and rows * widest <= self._planner.row_tokens
            and rows <= self._planner.most_rows
        )
        first = not self.taken and not (item.room and self._running)
        if not fits and not first:
            return False
        self._running, self._widest = rows, widest
        self._tokens += cost
        self._wanted += wanted
        self.taken.append((node, item))
        reader = self._end()
        for one in path:
            self._planner.touch(one)
            if one.piece is None:
                name = self._planner.keep(one)
                place = self._emit(one.tokens, one.start, name)
                self._inside[name] = Piece(THIS_PASS, place, place + len(one.tokens), one.start)
        begin = self._end()
        places: dict[int, tuple[int, ...]] = {}
        self._emit_trie(branches, tail, end, (), places)
        for one in path:
            self._reach(one, reader)
        self._placed.append(
            Placed(
                item,
                tuple(places[number] for number in range(len(item.branches))),
                (begin, self._end()),
                self.history(node),
            )
        )
        return True

    def history(self, node: _Node) -> tuple[Piece, ...]:
        """The kept pieces along the way to ``node``, neighbours of the same name as one."""
        pieces: list[Piece] = []
        for one in reversed([*node.up()]):
            if one.piece is None:
                continue
            if pieces and pieces[-1].joins(one.piece):
                pieces[-1] = replace(pieces[-1], last=one.piece.last)
            else:
                pieces.append(one.piece)
        return tuple(pieces)

    def finish(self, dropped: tuple[int, ...]) -> Pass:
        """The pass."""
        reads: list[Read] = []
        for piece, (first, last) in self._ranges.items():
            before = reads[-1] if reads else None
            if (
                before is not None
                and (before.first, before.last) == (first, last)
                and before.piece.joins(piece)
            ):
                reads[-1] = Read(replace(before.piece, last=piece.last), first, last)
            else:
                reads.append(Read(piece, first, last))
        return Pass(tuple(self._segments), tuple(reads), tuple(self._placed), dropped)

    def _shared_path(self, node: _Node) -> list[_Node]:
        """The shared nodes from the root to ``node``; room to keep them is made, as far as there is any."""
        path: list[_Node] = []
        for one in reversed([*node.up()]):
            if not one.tokens:
                continue
            if not one.shares or id(one) in self._unshared:
                break
            if one.piece is None:
                for above in path:
                    self._planner.touch(above)
                missing = sum(len(above.tokens) for above in path if above.piece is None)
                if not self._planner.make_room(missing + len(one.tokens)):
                    self._unshared.add(id(one))
                    break
            path.append(one)
        return path

    def _end(self) -> int:
        return self._segments[-1].last if self._segments else 0

    def _emit(self, tokens: Tokens, start: int, keep: int | None = None) -> int:
        first = self._end()
        self._segments.append(Segment(first, tokens, start, keep))
        return first

    def _emit_trie(
        self,
        trie: _Trie,
        head: Tokens,
        start: int,
        before: tuple[int, ...],
        places: dict[int, tuple[int, ...]],
    ) -> None:
        """Emit what belongs to one item: ``head`` and, behind it, its branches."""
        first = self._emit(head + trie.tokens, start)
        middle = first + len(head)
        here = (*before, *range(middle, middle + len(trie.tokens)))
        for number in trie.ends:
            places[number] = here
        last = self._end()
        for child in trie.children:
            self._emit_trie(child, (), start + len(head) + len(trie.tokens), here, places)
        if self._end() > last:
            self._ranges[Piece(THIS_PASS, first, last, start)] = last, self._end()

    def _reach(self, node: _Node, begin: int) -> None:
        """What was just emitted from ``begin`` on attends to ``node``, or what of it is behind ``node``."""
        assert node.piece is not None
        piece = self._inside.get(node.piece.kept, node.piece)
        first = begin if piece.kept != THIS_PASS else piece.last
        known = self._ranges.get(piece)
        self._ranges[piece] = (known[0] if known else first), self._end()


class _Trie:
    """The branches of one item as a radix tree."""

    def __init__(self, branches: Sequence[Tokens], numbers: Sequence[int] | None = None) -> None:
        numbers = range(len(branches)) if numbers is None else numbers
        least = min(branches, key=len)
        same = min(common(least, branch) for branch in branches)
        self.tokens = least[:same]
        self.ends = [number for number, branch in zip(numbers, branches, strict=True) if len(branch) == same]
        groups: dict[int, list[tuple[int, Tokens]]] = {}
        for number, branch in zip(numbers, branches, strict=True):
            if len(branch) > same:
                groups.setdefault(branch[same], []).append((number, branch[same:]))
        self.children = [
            _Trie([branch for _, branch in group], [number for number, _ in group])
            for group in groups.values()
        ]
        self.size: int = same + sum(child.size for child in self.children)


def common(one: Tokens, other: Tokens) -> int:
    """How many tokens both begin with."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low
