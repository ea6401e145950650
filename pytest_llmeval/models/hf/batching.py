"""Groups rows of different lengths into batches."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

# a row shorter than this part of its batch's longest would be mostly padding
_MIN_FILL = 0.75


class Mix(Enum):
    """Which rows may be in one batch without changing each other's results."""

    SIMILAR = "rows of similar length, padded"
    EQUAL = "rows of equal length"
    SINGLE = "one row"


def plan_batches(
    lengths: Sequence[int],
    budget: int,
    max_rows: int,
    max_new_tokens: int = 0,
    mix: Mix = Mix.SIMILAR,
) -> list[list[int]]:
    """Batches of row numbers: every row once, rows of similar length together as far as ``mix`` allows.

    ``lengths`` are the rows' prompt tokens; each row may grow by ``max_new_tokens``. A batch is as wide
    as its longest row; rows times width stays within ``budget`` tokens, except for a single row that
    exceeds it alone. Batches are ordered by their earliest row, because answers are needed in order.
    """
    min_fill = _MIN_FILL if mix is Mix.SIMILAR else 1.0
    max_rows = 1 if mix is Mix.SINGLE else max_rows
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batches:
            batch, longest = batches[-1], lengths[batches[-1][0]]
            fits = (len(batch) + 1) * (longest + max_new_tokens) <= budget and len(batch) < max_rows
            if fits and lengths[row] >= min_fill * longest:
                batch.append(row)
                continue
        batches.append([row])
    return sorted(batches, key=min)
