"""A comparison with a baseline: its table and remarks, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_llmeval.analysis.compare import Change, Comparison, MacroChange, SubjectChange
from pytest_llmeval.analysis.noninferiority import points
from pytest_llmeval.report.table import GAP, Paint, column_blocks, plain
from pytest_llmeval.report.text import clean, left, longest_part, right, width_of, wrap
from pytest_llmeval.results.summary import outline

_MIN_LABEL, _GOOD_LABEL = 12, 20
HEADER = ("n", "before", "after", "change", "95% interval", "fixed", "broken", "p")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the cells under ``HEADER``.

    ``level`` is group, member (of a group), subject or total; ``significant`` whether the change is unlikely
    to be chance.
    """

    level: str
    label: str
    cells: tuple[str, ...]
    significant: bool
    worse: bool


def comparison_rows(comparison: Comparison) -> Iterator[Row]:
    """Groups with their subjects, then both means; p-values of subjects are corrected for their number."""
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
    # with many subjects, some intervals exclude 0 by chance
    significant = change.adjusted_p <= 0.05 if isinstance(change, SubjectChange) else low > 0 or high < 0
    return Row(level, label, tuple(cells), significant, change.change < 0)


def _number(number: float) -> str:
    return str(round(number)) if number == round(number) else f"{number:.1f}"


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def comparison_title(comparison: Comparison) -> str:
    """``BENCHMARK: MODEL, against RUN``; the baseline's model is named if it differs."""
    before, after = comparison.before, comparison.after
    baseline = before.run if before.model == after.model else f"{before.run} ({before.model})"
    return f"{comparison.benchmark}: {after.model}, against {baseline}"


def comparison_remarks(comparison: Comparison) -> list[str]:
    """Lines below the table: what is not comparable, which questions are excluded, what was detectable."""
    lines = []
    if comparison.differences:
        lines.append(f"NOT COMPARABLE, compared anyway: {'; '.join(comparison.differences)}")
    if words := comparison.exclusions.words():
        lines.append(f"questions excluded: {', '.join(words)}")
    if comparison.whole is None:
        lines.append("no question was scored in both runs")
    elif comparison.detectable is not None:
        lines.append(
            f"{comparison.whole.pairs} questions detect a true change of {comparison.detectable * 100:.1f} "
            "points with 80% probability"
        )
    elif comparison.whole.fixed + comparison.whole.broken:
        lines.append(f"{comparison.whole.pairs} questions are too few to detect any change")
    return lines


def comparison_lines(
    comparison: Comparison,
    unicode: bool = True,
    paint: Paint = plain,
    most: int = 10,
    width: int | None = None,
) -> list[str]:
    """The whole comparison for the terminal, with the ids of up to ``most`` broken and fixed questions.

    To fit into ``width`` columns the table loses columns and long labels take several lines.
    """
    out = [paint(clean(comparison_title(comparison), unicode=unicode), bold=True)]
    table = list(comparison_rows(comparison))
    if table:
        out += _layout(table, unicode, paint, width)
    for colour, word, questions in (
        ("red", "broken", comparison.broken),
        ("green", "fixed", comparison.fixed),
    ):
        if questions:
            head = f"{word}: {len(questions)} question{'s' if len(questions) > 1 else ''}"
            out.append(paint(head, **{colour: True}))
            ids = [question.nodeid or question.id for question in questions[:most]]
            out += [f"  {clean(id, unicode=unicode)}" for id in ids]
            if len(questions) > most:
                out.append(f"  and {len(questions) - most} more")
    return out + [clean(line, unicode=unicode) for line in comparison_remarks(comparison)]


def _layout(table: Sequence[Row], unicode: bool, paint: Paint, width: int | None) -> list[str]:
    labels = [("  " if row.level == "member" else "") + clean(row.label, unicode=unicode) for row in table]
    size = max(map(width_of, labels))
    sizes = [max(map(len, column)) for column in zip(HEADER, *(row.cells for row in table), strict=True)]
    columns = list(range(len(HEADER)))

    def room() -> int:
        return (width or 10_000) - sum(len(GAP) + sizes[column] for column in columns)

    if room() < size:  # "before" follows from "after" and "change"
        columns = [column for column in columns if HEADER[column] != "before"]
    if room() < min(size, _GOOD_LABEL):
        columns = [column for column in columns if HEADER[column] not in ("fixed", "broken")]
    shortest = max(longest_part(label) + _indent(label) + len(GAP) for label in labels)
    shortest = min(size, max(_MIN_LABEL, min(shortest, (width or 10_000) // 2)))
    size = min(size, max(room(), shortest))
    out: list[str] = []
    for block in column_blocks([sizes[column] for column in columns], (width or 10_000) - shortest):
        shown = [columns[number] for number in block]
        out.append(" " * size + "".join(GAP + right(HEADER[column], sizes[column]) for column in shown))
        for row, label in zip(table, labels, strict=True):
            indent = " " * _indent(label)
            first, *more = wrap(label.strip(), size - len(indent), len(GAP))
            cells = "".join(GAP + right(row.cells[column], sizes[column]) for column in shown)
            out.append(paint((left(indent + first, size) + cells).rstrip(), **_markup(row)))
            out += [paint(indent + GAP + line, **_markup(row)) for line in more]
    return out


def _indent(label: str) -> int:
    return len(label) - len(label.lstrip())


def _markup(row: Row) -> dict[str, bool]:
    markup = {"bold": True} if row.level in ("group", "total") else {}
    return {**markup, "red" if row.worse else "green": True} if row.significant else markup
