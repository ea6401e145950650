"""The texts of a run, read again, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.report import figures
from pytest_llmeval.report.text import clean
from pytest_llmeval.results.reread import Reading, ReadingKind, Reread

_TAIL = 100


def reread_lines(reread: Reread, most: int, unicode: bool) -> Iterator[str]:
    """Numbers by kind of difference, then up to ``most`` texts of each kind with their last characters."""
    texts = len(reread.readings)
    yield f"{reread.benchmark}: {reread.model}, {texts:,} texts read again by {reread.extractor}"
    if reread.accuracies is not None:
        before, after = reread.accuracies
        yield f"  accuracy {figures.percent(before, 2)} before, {figures.percent(after, 2)} now"
    for kind in ReadingKind:
        readings = reread.of_kind(kind)
        if readings:
            right = sum(reading.correct_before for reading in readings)
            now = sum(reading.correct_after for reading in readings)
            yield f"  {kind.value}: {len(readings):,} ({right:,} correct before, {now:,} now)"
            if kind is not ReadingKind.SAME:
                yield from (f"    {_example(reading, unicode)}" for reading in readings[:most])
                if len(readings) > most:
                    yield f"    and {len(readings) - most:,} more"


def _example(reading: Reading, unicode: bool) -> str:
    before, after, gold = (
        "none" if answer is None else one_line(answer, 30)
        for answer in (reading.before, reading.after, reading.target)
    )
    tail = one_line(reading.text[-_TAIL:], _TAIL)
    return clean(f"{reading.id}: {before} -> {after} (gold {gold}) ...{tail}", unicode=unicode, limit=400)
