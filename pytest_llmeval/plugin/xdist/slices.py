"""Slices: runs of questions that one xdist worker is sent at once. Pure: ``scheduler.py`` sends them.

A slice is long enough to fill a model's batches and begins, where it can, with a subject, so that the
shots of a subject are read once. Slices get shorter towards the end, so that workers finish together
(guided self-scheduling: Polychronopoulos and Kuck 1987).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

#: model, benchmark, subject
Key = tuple[str, str, str]

_SHORTEST = 8
#: a part of what is left for each worker: as large as what ``--dist=load`` sends at most
_PART = 2


def runs(indices: Sequence[int], keys: Sequence[Key | None]) -> Iterator[tuple[Key | None, list[int]]]:
    """``indices`` in runs of the same key, in their order; ``keys`` are those of all items."""
    for key, run in groupby(indices, lambda index: keys[index]):
        yield key, list(run)


def slices(indices: Sequence[int], keys: Sequence[Key | None], workers: int) -> list[list[int]]:
    """``indices`` (of items, into ``keys``) in slices, in their order, each index once.

    What has no key is no question of ours: a run of such items is one slice, to be cut by others.
    Of questions a slice holds several whole subjects where they are short, a part of one where it is
    long, and never those of two models or benchmarks.
    """
    left = sum(keys[index] is not None for index in indices)
    shortest = min(_SHORTEST, max(1, left // (_PART * workers)))
    found: list[list[int]] = []
    open_for: tuple[str, str] | None = None  # whose questions the last slice may be given
    room = 0
    for key, run in runs(indices, keys):
        if key is None:
            found.append(run)
            open_for = None
            continue
        while run:
            size = max(shortest, left // (_PART * workers))
            if open_for == key[:2] and len(run) <= room:
                taken = len(run)
                found[-1] += run
                room -= taken
            else:
                # rather two halves than a slice and a crumb
                taken = len(run) if len(run) <= size else min(size, -(-len(run) // 2))
                found.append(run[:taken])
                room = size - taken
                open_for = key[:2]
            left -= taken
            run = run[taken:]
    return found
