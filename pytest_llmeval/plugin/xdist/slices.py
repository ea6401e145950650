"""Divides questions into slices; ``scheduler.py`` sends each slice to an xdist worker in one message.

A slice is long enough to fill a model's batches. If possible it starts with a new subject, so that the
shots of a subject are computed once. Slices get shorter towards the end, so that workers finish together
(guided self-scheduling: Polychronopoulos and Kuck 1987).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

#: model, benchmark, subject
Key = tuple[str, str, str]

_SHORTEST = 8
#: a slice is at most 1/(2 * workers) of the remaining questions, as in ``--dist=load``
_SLICES_PER_WORKER = 2


def runs(indices: Sequence[int], keys: Sequence[Key | None]) -> Iterator[tuple[Key | None, list[int]]]:
    """Group consecutive ``indices`` whose items have the same key; ``keys`` has an entry for every item."""
    for key, run in groupby(indices, lambda index: keys[index]):
        yield key, list(run)


def slices(indices: Sequence[int], keys: Sequence[Key | None], workers: int) -> list[list[int]]:
    """Divide ``indices`` into slices; the order is kept. ``keys`` has an entry for every item.

    Items without a key are ordinary tests. A run of them is one slice; the scheduler divides it. A slice of
    questions holds several short subjects or a part of a long one, all of the same model and benchmark.
    """
    remaining = sum(keys[index] is not None for index in indices)
    shortest = min(_SHORTEST, max(1, remaining // (_SLICES_PER_WORKER * workers)))
    parts: list[list[int]] = []
    benchmark: tuple[str, str] | None = None  # model and benchmark of the last slice, while it has space
    space = 0
    for key, run in runs(indices, keys):
        if key is None:
            parts.append(run)
            benchmark = None
            continue
        while run:
            size = max(shortest, remaining // (_SLICES_PER_WORKER * workers))
            if benchmark == key[:2] and len(run) <= space:
                count = len(run)
                parts[-1] += run
                space -= count
            else:
                # halve a run that is a little too long: a tiny last slice would be inefficient
                count = len(run) if len(run) <= size else min(size, -(-len(run) // 2))
                parts.append(run[:count])
                space = size - count
                benchmark = key[:2]
            remaining -= count
            run = run[count:]
    return parts
