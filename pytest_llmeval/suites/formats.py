"""Read CSV, JSONL and Parquet files as rows of text. Data files are untrusted input."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from pytest_llmeval.core.errors import UserError, one_line

#: formats of files of questions, and their file suffixes
FORMATS = ("csv", "jsonl", "parquet")
#: a row's line number, its cells by column, and its problem, if any
Row: TypeAlias = tuple[int, Mapping[str, str], str | None]


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns of all rows without a problem, or of the first row if every row has one."""
    valid = [fields for _, fields, problem in rows if problem is None]
    return list(dict.fromkeys(name for fields in valid or [rows[0][1]] for name in fields))


def read_rows(raw: bytes, path: Path, format: str, header: Sequence[str] = ()) -> Iterable[Row]:
    """Parse the rows of one file, each with its line number and its problem, if any.

    ``header`` names the columns of a CSV file without a header line. Raises ``UserError``.
    """
    if "parquet" in (format, path.suffix.lower().removeprefix(".")):
        return _parquet_rows(raw, path)
    text = _decode(raw, path)
    return _csv_rows(text, path, header) if format == "csv" else _jsonl_rows(text, path)


def _decode(raw: bytes, path: Path) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        fix = "save it as UTF-8"
        for name, encoding in (("UTF-16", "UTF-16"), ("GBK", "GB18030")):
            if name == "UTF-16" and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                continue
            with contextlib.suppress(UnicodeDecodeError):
                raw.decode(encoding)
                fix = f"it looks like {name}: convert it with iconv -f {encoding} -t UTF-8 {path.name}"
                break
        raise UserError(f"{path}, line {line}: not UTF-8; {fix}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{path}, line {line}: not a text file (a NUL character)")
    return text


def _csv_rows(text: str, path: Path, columns: Sequence[str] = ()) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = list(columns) or None
    try:
        before = 0
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not cells:
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                if len(set(header)) < len(header):
                    raise UserError(
                        f"{path}: two columns have the same name: {one_line(', '.join(header), 120)}"
                    )
                continue
            problem = None
            if len(cells) != len(header):
                problem = f"{len(cells)} cells instead of {len(header)} (a comma without quotes?)"
                cells += [""] * (len(header) - len(cells))
            yield line, dict(zip(header, cells, strict=False)), problem
    except csv.Error as error:
        raise UserError(
            f"{path}, line {before + 1}: broken CSV: {one_line(error)}; check the quotes"
        ) from None


def _jsonl_rows(text: str, path: Path) -> list[Row]:
    rows: list[Row] = []
    broken = 0
    for line, row in enumerate(text.split("\n"), start=1):
        if not row.strip():
            continue
        fields, problem = _json_object(row)
        broken += not fields and problem is not None
        rows.append((line, fields, problem))
    if broken * 2 > len(rows):
        line, _, problem = next(row for row in rows if row[2] is not None)
        raise UserError(f"{path}, line {line}: {problem}; in a JSONL file each line is an object")
    return rows


def _json_object(row: str) -> tuple[dict[str, str], str | None]:
    """The cells of one line, and its problem, if any."""
    try:
        value = json.loads(row)
    except json.JSONDecodeError as error:
        return {}, f"not JSON: {one_line(error.msg)} (column {error.colno})"
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON: {one_line(error, 120)}"
    if not isinstance(value, dict):
        return {}, 'a row must be an object, as in {"question": ...}'
    cells = {key: _text(cell) for key, cell in value.items()}
    # JSON can escape a lone surrogate, which UTF-8 cannot encode in a file, request or report
    clean = {_utf8(key): _utf8(cell) for key, cell in cells.items()}
    return clean, None if clean == cells else "a character is broken (half a surrogate pair)"


def _parquet_rows(raw: bytes, path: Path) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException, BufferReader
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UserError(
            f'{path}: reading parquet needs pyarrow: pip install "pytest-llmeval-harness[parquet]"'
        ) from None
    line = 0
    try:
        for batch in ParquetFile(BufferReader(raw)).iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                line += 1
                cells = {str(key): _text(cell) for key, cell in row.items()}
                clean = {_utf8(key): _utf8(cell).replace("\0", "") for key, cell in cells.items()}
                yield line, clean, None if clean == cells else "a character is broken"
    except (ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable parquet file: {one_line(error, 120)}") from None


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
