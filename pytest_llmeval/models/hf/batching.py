"""How rows of different lengths are put together into batches."""

from __future__ import annotations

from collections.abc import Sequence

# a row shorter than this part of its batch's longest would be mostly padding
_LEAST_FILL = 0.75


def plan_batches(lengths: Sequence[int], budget: int, most_rows: int, room: int = 0) -> list[list[int]]:
    """Batches of row numbers, each row once, with rows of like length together.

    ``lengths`` are the rows' prompt tokens, ``room`` the tokens that each may grow by. A batch is as
    wide as its longest row; rows times width stays within ``budget`` tokens, except that a single
    row may exceed it. The batch with the row that came first is first: somebody waits for it.
    """
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batches:
            batch, longest = batches[-1], lengths[batches[-1][0]]
            fits = (len(batch) + 1) * (longest + room) <= budget and len(batch) < most_rows
            if fits and lengths[row] >= _LEAST_FILL * longest:
                batch.append(row)
                continue
        batches.append([row])
    return sorted(batches, key=min)
