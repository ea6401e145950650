"""Read CSV, JSONL and Parquet files as rows of text. Data files are untrusted input."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites.cells import Row, TypedRow, parse_json, text_rows

#: formats of files of questions, and their file suffixes
FORMATS = ("csv", "jsonl", "parquet")


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns of all rows without a problem, or of the first row if every row has one."""
    valid = [fields for _, fields, problem in rows if problem is None]
    return list(dict.fromkeys(name for fields in valid or [rows[0][1]] for name in fields))


def read_rows(raw: bytes, path: Path, format: str, header: Sequence[str] = ()) -> list[Row]:
    """Parse the rows of one file, each with its line number and its problem, if any.

    ``header`` names the columns of a CSV file without a header line. Raises ``UserError``.
    """
    return list(map(_encodable, text_rows(list(_typed_rows(raw, path, format, header)))))


def _typed_rows(raw: bytes, path: Path, format: str, header: Sequence[str]) -> Iterable[TypedRow]:
    if "parquet" in (format, path.suffix.lower().removeprefix(".")):
        return _parquet_rows(raw, path)
    text = _decode(raw, path)
    return _csv_rows(text, path, header) if format == "csv" else _jsonl_rows(text, path)


def _encodable(row: Row) -> Row:
    """The row with texts that UTF-8 can encode in a file, request or report; others are its problem.

    JSON can escape a lone surrogate, and parquet can hold one, or a NUL.
    """
    line, cells, problem = row
    broken = {key: cell for key, cell in cells.items() if not (_is_encodable(key) and _is_encodable(cell))}
    if not broken:
        return row
    clean = {_utf8(key): cell if key not in broken else _utf8(cell) for key, cell in cells.items()}
    nul = any("\0" in text for item in broken.items() for text in item)
    what = "a NUL character" if nul else "half a surrogate pair"
    return line, clean, problem or f"a character is broken ({what})"


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


def _csv_rows(text: str, path: Path, columns: Sequence[str] = ()) -> Iterator[TypedRow]:
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


def _jsonl_rows(text: str, path: Path) -> list[TypedRow]:
    rows: list[TypedRow] = []
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


def _json_object(row: str) -> tuple[dict[str, object], str | None]:
    """The cells of one line, and its problem, if any."""
    try:
        value = parse_json(row)
    except json.JSONDecodeError as error:
        return {}, f"not JSON: {one_line(error.msg)} (column {error.colno})"
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON: {one_line(error, 120)}"
    if not isinstance(value, dict):
        return {}, 'a row must be an object, as in {"question": ...}'
    return value, None


def _parquet_rows(raw: bytes, path: Path) -> Iterator[TypedRow]:
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
                yield line, {str(key): cell for key, cell in row.items()}, None
    except (ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable parquet file: {one_line(error, 120)}") from None


def _is_encodable(text: str) -> bool:
    return "\0" not in text and (text.isascii() or _utf8(text) == text)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
