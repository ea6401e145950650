"""Read rows from JSON: objects on lines of their own, in a list, one after the other, or as columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites.cells import TypedRow, nested, parse_json
from pytest_llmeval.suites.decoding import LINE_END

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_constant=lambda name: None if name == "NaN" else float(name))
#: names under which files have their list of rows
_LISTS = (
    *("data", "rows", "questions", "examples", "example", "instances", "items", "records", "samples"),
    "test",
)


class _Broken(Exception):
    """The text at ``line`` is not JSON; ``str()`` says why."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def json_rows(text: str, path: Path, *, lines: bool) -> list[TypedRow]:
    """The rows of a file, each with its line and its problem, if any.

    ``lines`` expects an object in each line; otherwise the whole text is expected to be one value. Each is
    tried if the other fails. Raises ``UserError`` if neither is so.
    """
    by_line = _line_rows(text)
    is_list = text.lstrip().startswith("[")
    if lines and not is_list and not _are_broken(by_line):
        return by_line
    try:
        rows = _document_rows(text)
    except _Broken as error:
        starts_list = is_list and LINE_END.split(text.lstrip(), 1)[0].strip() == "["
        if (is_list or not lines) and (starts_list or _are_broken(by_line)):
            raise UserError(f"{path}, line {error.line}: {error}") from None
        rows = by_line
    if _are_broken(rows):
        line, _, problem = next(row for row in rows if row[2] is not None)
        raise UserError(f"{path}, line {line}: {problem}; in a JSONL file each line is an object")
    return rows


def listed_rows(text: str, path: Path, name: str) -> list[TypedRow]:
    """The rows of a list inside the object of a file; ``name`` is its key, with dots between nested keys.

    Raises ``UserError`` if there is no such list.
    """
    try:
        content = _DECODER.decode(text.strip())
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        problem = _problem(error) if isinstance(error, ValueError) else "not JSON: nested too deeply"
        raise UserError(f"{path}, line {line}: {problem}") from None
    inner = nested(content, name)
    if not isinstance(inner, list):
        keys = ", ".join(map(repr, content)) if isinstance(content, dict) else "none: it is no object"
        raise UserError(f"{path}: no list of rows {name!r}; its keys are {one_line(keys, 120)}")
    return [_row(number, value) for number, value in enumerate(inner, start=1)]


def _are_broken(rows: list[TypedRow]) -> bool:
    """Whether most rows have no cells."""
    return sum(not fields and problem is not None for _, fields, problem in rows) * 2 > len(rows)


def _line_rows(text: str) -> list[TypedRow]:
    rows: list[TypedRow] = []
    for line, row in enumerate(LINE_END.split(text), start=1):
        if row.strip():
            try:
                rows.append(_row(line, parse_json(row)))
            except (ValueError, RecursionError) as error:
                rows.append((line, {}, _problem(error)))
    return rows


def _problem(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {one_line(error.msg)} (column {error.colno})"
    return f"not JSON: {one_line(error, 120)}"


def _row(line: int, value: object) -> TypedRow:
    if not isinstance(value, dict):
        return line, {}, 'a row must be an object, as in {"question": ...}'
    return line, value, None


def _document_rows(text: str) -> list[TypedRow]:
    """The rows of a list of objects, of objects one after the other, or of one object with the rows.

    Raises ``_Broken``.
    """
    start = _BLANK.match(text)
    position = start.end() if start else 0
    if text.startswith("[", position):
        return [_row(line, value) for line, value in _values(text, position + 1, separator=",", end="]")]
    values = list(_values(text, position, separator="", end=""))
    if len(values) == 1:
        ((line, content),) = values
        inner = _inner_rows(content) if isinstance(content, dict) else [content]
        return [_row(line, value) for value in inner]
    return [_row(line, value) for line, value in values]


def _values(text: str, position: int, *, separator: str, end: str) -> Iterator[tuple[int, object]]:
    """The values from ``position`` to ``end`` (the end of the text if empty), with their lines.

    Raises ``_Broken``.
    """
    line, counted = 1, 0

    def advance(to: int) -> int:
        nonlocal line, counted
        line, counted = line + len(LINE_END.findall(text, counted, to)), to
        return to

    def after_blanks(start: int) -> int:
        blanks = _BLANK.match(text, start)
        return advance(blanks.end() if blanks else start)

    position = after_blanks(position)
    while position < len(text) and not (end and text.startswith(end, position)):
        begun = line
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            place = getattr(error, "pos", position)
            advance(max(place, counted))
            said = getattr(error, "msg", None) or error
            raise _Broken(line, f"not JSON: {one_line(said, 120)}") from None
        yield begun, value
        position = after_blanks(position)
        if separator and text.startswith(separator, position):
            position = after_blanks(position + 1)
        elif separator and position < len(text) and not text.startswith(end, position):
            raise _Broken(line, f"not JSON: {separator!r} or {end!r} is missing after a row")
    if end:
        if not text.startswith(end, position):
            raise _Broken(line, f"the list of rows does not end ({end!r} is missing); is the file cut off?")
        position = after_blanks(position + 1)
        if position < len(text):
            raise _Broken(line, "not JSON: text follows the list of rows")


def _inner_rows(content: Mapping[str, object]) -> Iterable[object]:
    """The rows in an object: in a list under a usual name, or in columns, as pandas writes them."""
    for name in _LISTS:
        inner = content.get(name)
        if isinstance(inner, list) and inner and all(isinstance(row, dict) for row in inner):
            return inner
    columns = [_column(value) for value in content.values()]
    sizes = {len(column) for column in columns if column is not None}
    if None in columns or len(columns) < 2 or len(sizes) != 1:
        return [content]
    keys = dict.fromkeys(key for column in columns if column is not None for key in column)
    return [
        {name: column.get(key) for name, column in zip(content, columns, strict=True) if column is not None}
        for key in keys
    ]


def _column(value: object) -> Mapping[object, object] | None:
    if isinstance(value, list):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None
