"""Other names of columns: files of one benchmark are published in several layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_llmeval.suites.cells import Row


def with_aliases(rows: Sequence[Row], aliases: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows whose columns have the names that a benchmark uses.

    ``aliases`` maps such a name to those of other layouts, in the order of preference. A column with the
    benchmark's own name is never replaced.
    """
    present = {column for _, fields, _ in rows for column in fields}
    renamed = {
        other: name
        for name, others in aliases.items()
        if name not in present and (other := next((other for other in others if other in present), None))
    }
    if not renamed:
        return list(rows)
    return [
        (line, {renamed.get(column, column): cell for column, cell in fields.items()}, problem)
        for line, fields, problem in rows
    ]
