"""Tables and folded lines of text for a terminal of a given width.

``paint(text, **markup)`` colours a piece of text (``TerminalWriter.markup`` does); ``plain`` leaves it as it
is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_llmeval.report.text import bar, left, right, width_of, wrap

GAP = "  "
#: from this many columns on, headers are spelled out and rows end in a bar
WIDE = 100
_MIN_LABEL = 8
_HANG = 2
_MIN_BAR, _MAX_BAR = 10, 20


class Paint(Protocol):
    """Colours text without changing its width."""

    def __call__(self, text: str, **markup: bool) -> str: ...


def plain(text: str, **markup: bool) -> str:
    """The text without colours."""
    return text


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    ``share`` (0 to 1) is drawn as a bar where there is room. ``colours`` maps column numbers to the colour of
    that cell.
    """

    label: str
    cells: tuple[str, ...]
    indent: int = 0
    share: float | None = None
    bold: bool = False
    colours: Mapping[int, str] = field(default_factory=dict)


def layout_table(
    corner: str,
    headers: Sequence[Sequence[str]],
    rows: Sequence[Row],
    width: int,
    unicode: bool,
    paint: Paint,
) -> list[str]:
    """The lines of a table, all of the same width.

    ``headers`` has the lines of each column's header, ``corner`` is the header of the labels. Labels that are
    too long take several lines.
    """
    sizes = [
        max(*(width_of(line) for line in header), *(width_of(row.cells[column]) for row in rows), 0)
        for column, header in enumerate(headers)
    ]
    room = width - sum(sizes) - len(GAP) * len(sizes)
    with_bars = width >= WIDE and any(row.share is not None for row in rows)
    if with_bars:
        room -= _MIN_BAR + len(GAP)
    longest = max(width_of(corner), *(row.indent + width_of(row.label) for row in rows))
    label_size = min(longest, max(room, _MIN_LABEL))
    bar_size = min(_MAX_BAR, _MIN_BAR + room - label_size) if with_bars else 0
    if bar_size < _MIN_BAR:
        bar_size = 0

    lines = []
    height = max(map(len, headers))
    padded = [[""] * (height - len(header)) + list(header) for header in headers]
    for number in range(height):
        label = corner if number == height - 1 else ""
        cells = [right(header[number], size) for header, size in zip(padded, sizes, strict=True)]
        line = GAP.join([left(label, label_size), *cells])
        lines.append(line + " " * (bar_size + len(GAP) if bar_size else 0))
    for row in rows:
        lines += _row_lines(row, label_size, sizes, bar_size, unicode, paint)
    return lines


def _row_lines(
    row: Row, label_size: int, sizes: Sequence[int], bar_size: int, unicode: bool, paint: Paint
) -> list[str]:
    label, *more = wrap(row.label, label_size - row.indent, _HANG)
    style = {"bold": True} if row.bold else {}
    pieces = [paint(left(" " * row.indent + label, label_size), **style)]
    for column, (cell, size) in enumerate(zip(row.cells, sizes, strict=True)):
        colour = row.colours.get(column)
        pieces.append(paint(right(cell, size), **({colour: True} if colour else style)))
    if bar_size:
        pieces.append(bar(row.share or 0.0, bar_size, unicode=unicode))
    indent = " " * (row.indent + _HANG)
    blank = GAP.join(" " * size for size in (*sizes, *([bar_size] if bar_size else [])))
    return [
        GAP.join(pieces),
        *(GAP.join((paint(left(indent + line, label_size), **style), blank)) for line in more),
    ]


def fold_list(head: str, items: Iterable[str], width: int) -> list[str]:
    """``head`` and the items, separated by commas, on as many lines as needed.

    An item is broken only if it is longer than a line.
    """
    lines = [head]
    for number, item in enumerate(items):
        text = item if number == 0 else f", {item}"
        if number and width_of(lines[-1] + text) + 1 > width:
            lines[-1] += ","
            lines.append("  ")
            text = item
        lines[-1] += text
    folded = ([line] if width_of(line) <= width else fold(line, width) for line in lines)
    return [line for pieces in folded for line in pieces]


def fold(text: str, width: int) -> list[str]:
    """``text`` on lines of at most ``width`` columns, all but the first indented."""
    first, *more = wrap(text, width, _HANG)
    return [first, *(" " * _HANG + line for line in more)]
