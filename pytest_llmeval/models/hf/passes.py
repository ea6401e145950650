"""What one run through a local model computes: the words that planner, attention and engine share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

#: the ``kept`` of a piece whose keys are computed in the same pass
THIS_PASS = -1

Tokens: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One request as tokens: ``number`` is its turn, the lowest is waited for.

    ``shared`` is what other requests may share; ``branches`` are what follows it, one for each
    continuation, all beginning with the same token: logits are wanted at all their positions.
    ``room`` are the tokens that may be written after it; 0 where continuations are scored.
    """

    number: int
    shared: Tokens
    branches: tuple[Tokens, ...]
    room: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt alone."""
        return len(self.shared) + 1


@dataclass(frozen=True, slots=True)
class Piece:
    """Keys and values from ``first`` to ``last`` of what is kept under ``kept``, or of this pass.

    ``start`` is the position in its prompt of the first one.
    """

    kept: int
    first: int
    last: int
    start: int

    def __len__(self) -> int:
        return self.last - self.first

    def joins(self, other: Piece) -> bool:
        """Whether ``other`` follows at once in the same store."""
        return self.kept == other.kept != THIS_PASS and self.last == other.first

    def cut(self, at: int) -> tuple[Piece, Piece]:
        """The first ``at`` of it, and the rest."""
        middle = self.first + at
        return replace(self, last=middle), replace(self, first=middle, start=self.start + at)


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens that stand at ``first`` of the pass; ``start`` is the position of the first in its prompt.

    ``keep`` is the name under which their keys and values are to be kept.
    """

    first: int
    tokens: Tokens
    start: int
    keep: int | None = None

    @property
    def last(self) -> int:
        """Where the pass goes on behind it."""
        return self.first + len(self.tokens)


@dataclass(frozen=True, slots=True)
class Read:
    """The pass's tokens from ``first`` to ``last`` attend to all of ``piece``, which is before them."""

    piece: Piece
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a pass holds an item.

    ``wanted`` are the places of each branch's tokens; ``own`` is the range of what belongs to the
    item alone, ``history`` the kept pieces before that.
    """

    item: Item
    wanted: tuple[tuple[int, ...], ...]
    own: tuple[int, int]
    history: tuple[Piece, ...]

    @property
    def computed(self) -> int:
        """Tokens of the pass that are the item's alone."""
        return self.own[1] - self.own[0]

    @property
    def width(self) -> int:
        """Tokens it holds for itself once all is written."""
        return self.computed + self.item.room


@dataclass(frozen=True, slots=True)
class Pass:
    """One run through the model; what is ``dropped`` is no longer needed and may be freed before."""

    segments: tuple[Segment, ...]
    reads: tuple[Read, ...]
    placed: tuple[Placed, ...]
    dropped: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """How many tokens it computes."""
        return self.segments[-1].last if self.segments else 0
