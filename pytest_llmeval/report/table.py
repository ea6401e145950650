"""Tables and folded lines of text for a terminal of a given width.

``paint(text, **markup)`` colours a piece of text (``TerminalWriter.markup`` does); ``plain`` leaves it as it
is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pytest_llmeval.report.text import bar, left, longest_part, right, width_of, wrap

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
    too long take several lines. Columns that do not fit beside them follow in another table below.
    """
    sizes = [
        max(*(width_of(line) for line in header), *(width_of(row.cells[column]) for row in rows), 0)
        for column, header in enumerate(headers)
    ]
    longest = max(width_of(corner), *(row.indent + width_of(row.label) for row in rows))
    shortest = max(_MIN_LABEL, *(row.indent + _HANG + longest_part(row.label) for row in rows))
    blocks = column_blocks(sizes, width - min(shortest, longest, width // 2))
    taken = [sum(sizes[column] + len(GAP) for column in block) for block in blocks]
    room = width - max(taken)
    with_bars = width >= WIDE and any(row.share is not None for row in rows)
    if with_bars:
        room -= _MIN_BAR + len(GAP)
    label_size = min(longest, max(room, _MIN_LABEL))
    bar_size = min(_MAX_BAR, _MIN_BAR + room - label_size) if with_bars else 0
    if bar_size < _MIN_BAR:
        bar_size = 0
    lines = []
    for block, cells_size in zip(blocks, taken, strict=True):
        layout = _Layout(label_size + max(taken) - cells_size, [sizes[column] for column in block], bar_size)
        lines += _header_lines(corner, [headers[column] for column in block], layout)
        for row in rows:
            lines += _row_lines(_part(row, block), layout, unicode, paint)
    return lines


@dataclass(frozen=True, slots=True)
class _Layout:
    """The widths of the labels, of each column and of the bars (0: none)."""

    label: int
    columns: Sequence[int]
    bar: int


def column_blocks(sizes: Sequence[int], room: int) -> list[list[int]]:
    """The columns of each of several tables, one below the other, whose columns have ``room`` in all."""
    blocks: list[list[int]] = [[]]
    for column, size in enumerate(sizes):
        taken = sum(sizes[other] + len(GAP) for other in blocks[-1])
        if blocks[-1] and taken + size + len(GAP) > room:
            blocks.append([])
        blocks[-1].append(column)
    return blocks


def _part(row: Row, columns: Sequence[int]) -> Row:
    """The row with some of its columns."""
    colours = {number: row.colours[column] for number, column in enumerate(columns) if column in row.colours}
    return replace(row, cells=tuple(row.cells[column] for column in columns), colours=colours)


def _header_lines(corner: str, headers: Sequence[Sequence[str]], layout: _Layout) -> list[str]:
    lines = []
    height = max(map(len, headers))
    padded = [[""] * (height - len(header)) + list(header) for header in headers]
    for number in range(height):
        label = corner if number == height - 1 else ""
        cells = [right(header[number], size) for header, size in zip(padded, layout.columns, strict=True)]
        line = GAP.join([left(label, layout.label), *cells])
        lines.append(line + " " * (layout.bar + len(GAP) if layout.bar else 0))
    return lines


def _row_lines(row: Row, layout: _Layout, unicode: bool, paint: Paint) -> list[str]:
    label_size, sizes, bar_size = layout.label, layout.columns, layout.bar
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
