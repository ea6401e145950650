"""The comparison of two runs, as rows, as lines for a terminal, and as in results.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_llmeval.analysis.compare import Change, Comparison, MacroChange, SubjectChange
from pytest_llmeval.analysis.noninferiority import points
from pytest_llmeval.report.terminal import Paint, plain
from pytest_llmeval.report.text import clean, left, right, width_of, wrap
from pytest_llmeval.results.summary import outline

_GAP = "  "
_LEAST_LABEL, _GOOD_LABEL = 12, 20
HEADER = ("n", "before", "after", "change", "95% interval", "fixed", "broken", "p")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it is of, and its cells under ``HEADER``; ``sure`` if it is no chance."""

    level: str
    label: str
    cells: tuple[str, ...]
    sure: bool
    worse: bool


def rows(comparison: Comparison) -> Iterator[Row]:
    """Groups with their subjects, then both means. The p of subjects is corrected for their number."""
    for group, subjects in outline(comparison.subjects, comparison.members):
        if group:
            yield _row("group", group, comparison.groups[group])
        for key in subjects:
            yield _row("member" if group else "subject", key, comparison.subjects[key])
    if comparison.whole is not None:
        yield _row("total", "mean over questions", comparison.whole)
        yield _row("total", "mean over subjects", comparison.whole.macro)


def _row(level: str, label: str, change: Change | MacroChange) -> Row:
    low, high = change.interval
    interval = f"{points(low)} to {points(high)}"
    cells = [f"{change.before:.1%}", f"{change.after:.1%}", points(change.change), interval]
    if isinstance(change, Change):
        p = change.adjusted_p if isinstance(change, SubjectChange) else change.p
        cells = [str(change.pairs), *cells, _number(change.fixed), _number(change.broken), _p(p)]
    else:
        cells = ["", *cells, "", "", ""]
    # one of many subjects is outside of its own interval now and then
    sure = change.adjusted_p <= 0.05 if isinstance(change, SubjectChange) else low > 0 or high < 0
    return Row(level, label, tuple(cells), sure, change.change < 0)


def _number(number: float) -> str:
    return str(round(number)) if number == round(number) else f"{number:.1f}"


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def title(comparison: Comparison) -> str:
    """What is compared with what."""
    before, after = comparison.before, comparison.after
    was = before.run if before.model == after.model else f"{before.run} ({before.model})"
    return f"{comparison.benchmark}: {after.model}, against {was}"


def remarks(comparison: Comparison) -> list[str]:
    """What is to be said of a comparison beside its table."""
    lines = []
    if comparison.differences:
        lines.append(f"NOT COMPARABLE, and compared all the same: {'; '.join(comparison.differences)}")
    if words := comparison.left_out.words():
        lines.append(f"questions left out: {', '.join(words)}")
    if comparison.whole is None:
        lines.append("no question was scored in both runs")
    elif comparison.detectable is not None:
        lines.append(
            f"{comparison.whole.pairs} questions show a true change of {comparison.detectable * 100:.1f} "
            "points with a chance of 80%"
        )
    elif comparison.whole.fixed + comparison.whole.broken:
        lines.append(f"{comparison.whole.pairs} questions are too few to show a change with any certainty")
    return lines


def lines(
    comparison: Comparison,
    unicode: bool = True,
    paint: Paint = plain,
    most: int = 10,
    width: int | None = None,
) -> list[str]:
    """The whole comparison for a terminal, with at most so many of the questions fixed and broken.

    In at most ``width`` columns as far as that goes: with fewer numbers, and long names in several lines.
    """
    out = [paint(clean(title(comparison), unicode=unicode), bold=True)]
    table = list(rows(comparison))
    if table:
        out += _layout(table, unicode, paint, width)
    for colour, word, moved in (("red", "broken", comparison.broken), ("green", "fixed", comparison.fixed)):
        if moved:
            head = f"{word}: {len(moved)} question{'s' if len(moved) > 1 else ''}"
            out.append(paint(head, **{colour: True}))
            out += [f"  {clean(one.nodeid or one.id, unicode=unicode)}" for one in moved[:most]]
            if len(moved) > most:
                out.append(f"  and {len(moved) - most} more")
    return out + [clean(line, unicode=unicode) for line in remarks(comparison)]


def _layout(table: Sequence[Row], unicode: bool, paint: Paint, width: int | None) -> list[str]:
    labels = [("  " if row.level == "member" else "") + clean(row.label, unicode=unicode) for row in table]
    size = max(map(width_of, labels))
    sizes = [max(len(head), *(len(row.cells[at]) for row in table)) for at, head in enumerate(HEADER)]
    columns = list(range(len(HEADER)))

    def room() -> int:
        return (width or 10_000) - sum(len(_GAP) + sizes[at] for at in columns)

    if room() < size:  # what was before is what is after without the change
        columns = [at for at in columns if HEADER[at] != "before"]
    if room() < min(size, _GOOD_LABEL):
        columns = [at for at in columns if HEADER[at] not in ("fixed", "broken")]
    size = min(size, max(room(), _LEAST_LABEL))
    out = [" " * size + "".join(_GAP + right(HEADER[at], sizes[at]) for at in columns)]
    for row, label in zip(table, labels, strict=True):
        indent = " " * (len(label) - len(label.lstrip()))
        first, *rest = wrap(label.strip(), size - len(indent), len(_GAP))
        cells = "".join(_GAP + right(row.cells[at], sizes[at]) for at in columns)
        out.append(paint((left(indent + first, size) + cells).rstrip(), **_markup(row)))
        out += [paint(indent + _GAP + line, **_markup(row)) for line in rest]
    return out


def _markup(row: Row) -> dict[str, bool]:
    markup = {"bold": True} if row.level in ("group", "total") else {}
    return {**markup, "red" if row.worse else "green": True} if row.sure else markup
