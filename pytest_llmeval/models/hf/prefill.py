"""The types that describe one prefill: shared by the planner, attention and the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

#: the ``entry`` of a span whose keys and values are computed in the same batch
THIS_BATCH = -1

Tokens: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One request as tokens. Items are numbered in order: the lowest number has waited longest.

    ``shareable`` is the prompt without its last token: the part that other requests may share.
    ``branches`` follow it, one per continuation. Each begins with the prompt's last token, and logits are
    needed at all its positions. ``max_new_tokens`` is 0 if continuations are scored.
    """

    number: int
    shareable: Tokens
    branches: tuple[Tokens, ...]
    max_new_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of the prompt alone."""
        return len(self.shareable) + 1


@dataclass(frozen=True, slots=True)
class KVSpan:
    """Keys and values ``first`` to ``last`` of the cache entry ``entry``, or of the current batch.

    ``start`` is the position of the first one in its prompt.
    """

    entry: int
    first: int
    last: int
    start: int

    def __len__(self) -> int:
        return self.last - self.first

    def joins(self, other: KVSpan) -> bool:
        """Whether ``other`` directly follows in the same cache entry."""
        return self.entry == other.entry != THIS_BATCH and self.last == other.first

    def split(self, length: int) -> tuple[KVSpan, KVSpan]:
        """The first ``length`` keys, and the rest."""
        middle = self.first + length
        return replace(self, last=middle), replace(self, first=middle, start=self.start + length)


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens packed into the batch from index ``first`` on.

    ``start`` is the position of the first token in its prompt; ``cache_as`` the cache entry that
    takes the segment's keys and values, if any.
    """

    first: int
    tokens: Tokens
    start: int
    cache_as: int | None = None

    @property
    def last(self) -> int:
        """The index after the segment's last token."""
        return self.first + len(self.tokens)


@dataclass(frozen=True, slots=True)
class Read:
    """The batch's tokens ``first`` to ``last`` attend to all of ``span``, which precedes them."""

    span: KVSpan
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an item is in a batch.

    ``logit_indices`` are the indices of each branch's tokens; ``unshared`` is the range of tokens that
    belong to this item alone; ``prefix`` the cached spans before it.
    """

    item: Item
    logit_indices: tuple[tuple[int, ...], ...]
    unshared: tuple[int, int]
    prefix: tuple[KVSpan, ...]

    @property
    def computed(self) -> int:
        """The number of tokens computed for this item alone."""
        return self.unshared[1] - self.unshared[0]

    @property
    def max_length(self) -> int:
        """The maximum number of unshared tokens in the decode cache."""
        return self.computed + self.item.max_new_tokens


@dataclass(frozen=True, slots=True)
class PrefillBatch:
    """One run of the model over packed prompts.

    The cache entries ``evicted`` are no longer needed and may be freed before the run.
    """

    segments: tuple[Segment, ...]
    reads: tuple[Read, ...]
    placements: tuple[Placement, ...]
    evicted: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """The number of tokens computed."""
        return self.segments[-1].last if self.segments else 0
