"""Groups rows of different lengths into padded batches."""

from __future__ import annotations

from collections.abc import Sequence

# a row shorter than this part of its batch's longest would be mostly padding
_MIN_FILL = 0.75


def plan_batches(
    lengths: Sequence[int], budget: int, max_rows: int, max_new_tokens: int = 0
) -> list[list[int]]:
    """Batches of row numbers: every row once, rows of similar length together.

    ``lengths`` are the rows' prompt tokens; each row may grow by ``max_new_tokens``. A batch is as wide
    as its longest row; rows times width stays within ``budget`` tokens, except for a single row that
    exceeds it alone. Batches are ordered by their earliest row, because answers are needed in order.
    """
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batches:
            batch, longest = batches[-1], lengths[batches[-1][0]]
            fits = (len(batch) + 1) * (longest + max_new_tokens) <= budget and len(batch) < max_rows
            if fits and lengths[row] >= _MIN_FILL * longest:
                batch.append(row)
                continue
        batches.append([row])
    return sorted(batches, key=min)
