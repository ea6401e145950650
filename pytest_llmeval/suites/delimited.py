"""Read rows from text with separators: commas, semicolons, tabs or bars, as spreadsheets write it."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites.cells import TypedRow

#: the line of a record, the line after it, and its cells
Record: TypeAlias = tuple[int, int, list[str]]

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE = 100
#: a first line by which Excel tells the separator
_EXCEL_LINE = re.compile(r"sep=([,;|\t])(?:\r\n?|\n)")
_PROBLEMS = {
    "unexpected end of data": "a quote that opens here is never closed",
    "expected after": 'text follows a closing quote (write a quote within quotes twice: "")',
}


def delimited_rows(
    text: str, path: Path, columns: Sequence[str] = (), *, tabs: bool = False
) -> list[TypedRow]:
    """The rows of a table with a header, each with its line and its problem, if any.

    The separator is the one that splits the rows as it splits the header; ``tabs`` prefers tabs, and
    otherwise commas are preferred. ``columns`` names the columns of a table without a header. Rows without
    any text, rows that repeat the header, and columns that have neither name nor text are skipped. Raises
    ``UserError``.
    """
    csv.field_size_limit(2**31 - 1)
    skipped = 0
    if line := _EXCEL_LINE.match(text):
        separator, text, skipped = line[1], text[line.end() :], 1
    else:
        separator = _separator(text, columns, preferred="\t" if tabs else ",")
    try:
        rows = _rows(_records(text, separator), path, columns, separator)
    except csv.Error as error:
        if separator != "\t":
            problem = next((said for part, said in _PROBLEMS.items() if part in str(error)), one_line(error))
            number = _broken_line(text, separator) + skipped
            raise UserError(f"{path}, line {number}: broken CSV: {problem}; check the quotes") from None
        rows = []
    if separator == "\t" and (not rows or any(problem for _, _, problem in rows)):
        # many tools write tabs between texts as they are, where a quote is a character like any other
        plain = _rows(_records(text, separator, quotes=False), path, columns, separator)
        rows = plain if not rows or _problems(plain) < _problems(rows) else rows
    return [(line + skipped, cells, problem) for line, cells, problem in rows]


def _problems(rows: Sequence[TypedRow]) -> int:
    return sum(problem is not None for _, _, problem in rows)


def _records(text: str, separator: str, *, quotes: bool = True, strict: bool = True) -> Iterator[Record]:
    """The records with any text. Raises ``csv.Error``."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        strict=strict,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
    )
    before = 0
    for cells in reader:
        line, before = before + 1, reader.line_num
        if any(cell.strip() for cell in cells):
            yield line, before + 1, cells


def _broken_line(text: str, separator: str) -> int:
    """The line of the first record that cannot be read."""
    after = 1
    try:
        for _, end, _ in _records(text, separator):
            after = end
    except csv.Error:
        pass
    return after


def _separator(text: str, columns: Sequence[str], *, preferred: str) -> str:
    """The separator that splits most rows as it splits the header.

    Of several that do so equally well, the one with most cells in the header, and then the preferred one.
    """
    best, most = preferred, (0.0, 1)
    for separator in (preferred, *_SEPARATORS):
        records = list(itertools.islice(_records(text, separator, strict=False), _SAMPLE))
        if not records:
            continue
        header = list(columns) or records[0][2]
        named = len(_without_blanks(header))
        if named < 2:
            continue
        rows = records if columns else records[1:]
        fitting = sum(
            len(cells) == len(header) or len(_without_blanks(cells)) <= named <= len(cells)
            for _, _, cells in rows
        )
        score = (fitting / len(rows) if rows else 1.0, named)
        if score > most:
            best, most = separator, score
    return best


def _without_blanks(cells: Sequence[str]) -> list[str]:
    """The cells up to the last one with text."""
    count = max((number for number, cell in enumerate(cells, start=1) if cell.strip()), default=0)
    return list(cells[:count])


def _rows(records: Iterator[Record], path: Path, columns: Sequence[str], separator: str) -> list[TypedRow]:
    header, rows = list(columns), []
    for line, end, cells in records:
        if not header:
            header = _header(_without_blanks(cells), path)
            continue
        if not columns and list(map(_name, cells[: len(header)])) == header:
            continue  # tables that were joined, header included
        problem = None
        used = _without_blanks(cells)
        if len(cells) < len(header) or len(used) > len(header):
            count = max(len(used), min(len(cells), len(header)))
            problem = f"{count} cells instead of {len(header)} ({_cause(line, end, separator)})"
        rows.append((line, [*cells, *[""] * (len(header) - len(cells))], problem))
    names = _names(header, rows)
    return [(line, {name: cells[at] for at, name in names.items()}, problem) for line, cells, problem in rows]


def _names(header: Sequence[str], rows: Sequence[tuple[int, list[str], str | None]]) -> dict[int, str]:
    """The names of the columns by position. Of columns without a name, those without any text are left out.

    The first of the others, which is where pandas writes row numbers, keeps its empty name.
    """
    names = {at: name for at, name in enumerate(header) if name}
    for at, name in enumerate(header):
        if not name and any(cells[at].strip() for _, cells, problem in rows if problem is None):
            names[at] = f"Unnamed: {at}" if "" in names.values() else ""
    return dict(sorted(names.items()))


def _cause(line: int, end: int, separator: str) -> str:
    """What may have gone wrong in a record with too many cells, or too few."""
    if end - line > 1:
        return f"a quote that is not closed? the row runs from line {line} to {end - 1}"
    return f"a {_SEPARATORS[separator]} without quotes?"


def _name(cell: str) -> str:
    return cell.strip(" \t\r\n\ufeff\u00a0\u3000")


def _header(cells: Sequence[str], path: Path) -> list[str]:
    """The names of the columns, empty for columns without a name. Raises ``UserError``."""
    header = list(map(_name, cells))
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise UserError(
            f"{path}: two columns have the same name: {one_line(', '.join(header), 120)}; rename one of them"
        )
    return header
