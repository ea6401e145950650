"""Read files of questions as rows of text. Data files are untrusted input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites.cells import Row, TypedRow, text_rows
from pytest_llmeval.suites.decoding import decode
from pytest_llmeval.suites.delimited import delimited_rows
from pytest_llmeval.suites.json_rows import json_rows, listed_rows

#: formats of files of questions, and their file suffixes
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet")
#: more suffixes
_OTHER_SUFFIXES = {"ndjson": "jsonl", "tab": "tsv"}


def is_gzip(path: Path) -> bool:
    """Whether the suffix of a file says that it is compressed with gzip."""
    return path.suffix.lower() == ".gz"


def stem_of(path: Path) -> str:
    """A file's name without its suffixes: ``test`` of ``test.jsonl.gz``."""
    return (path.with_suffix("") if is_gzip(path) else path).stem


def format_of(path: Path) -> str | None:
    """The format that the suffix of a file tells, also before ``.gz``, or None."""
    suffix = (path.with_suffix("") if is_gzip(path) else path).suffix.lower().removeprefix(".")
    return suffix if suffix in FORMATS else _OTHER_SUFFIXES.get(suffix)


def data_suffix(name: str) -> str | None:
    """The suffix of a file of questions, such as ``.jsonl.gz``; None for other files."""
    if format_of(Path(name)) is None:
        return None
    path = Path(name.lower())
    return Path(path.stem).suffix + path.suffix if is_gzip(path) else path.suffix


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The columns of all rows without a problem, or of the first row if every row has one."""
    valid = [fields for _, fields, problem in rows if problem is None]
    return list(dict.fromkeys(name for fields in valid or [rows[0][1]] for name in fields))


def read_rows(
    raw: bytes, path: Path, format: str, header: Sequence[str] = (), rows: str | None = None
) -> list[Row]:
    """Parse the rows of one file, each with its line number and its problem, if any.

    ``header`` names the columns of a CSV file without a header line. ``rows`` names the list of rows in the
    object of a JSON file. Raises ``UserError``.
    """
    return list(map(_encodable, text_rows(list(_typed_rows(raw, path, format, header, rows)))))


def _typed_rows(
    raw: bytes, path: Path, format: str, header: Sequence[str], rows: str | None
) -> Iterable[TypedRow]:
    if "parquet" in (format, format_of(path)):
        return _parquet_rows(raw, path)
    text = decode(raw, path)
    if format in ("csv", "tsv"):
        return delimited_rows(text, path, header, tabs=format == "tsv")
    if rows is not None:
        return listed_rows(text, path, rows)
    return json_rows(text, path, lines=format == "jsonl")


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
