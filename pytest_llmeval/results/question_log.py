"""Write, read and merge questions.jsonl, which holds one JSON line per record."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from pytest_llmeval.results.record import Record
from pytest_llmeval.results.run_folder import QUESTIONS, encode, replacing, trouble, writing

__all__ = ["QUESTIONS", "QuestionLog", "merge", "placed_records", "read_records"]

_FLUSH_EVERY_S = 0.25
_BUFFER_BYTES = 1 << 18
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class QuestionLog:
    """Appends records to questions.jsonl or an xdist worker's part of it, flushing a few times a second.

    Raises ``LLMEvalError`` naming the folder.
    """

    def __init__(self, path: Path, *, each_line: bool = False) -> None:
        """``each_line`` flushes every line before ``write`` returns."""
        self._every_s = -1.0 if each_line else _FLUSH_EVERY_S
        self._folder = path.parent
        self._flushed = 0.0
        with writing(self._folder):
            torn = _is_torn(path)
            self._file = path.open("ab", _BUFFER_BYTES)
            if torn:
                self._file.write(b"\n")

    def write(self, record: Record) -> None:
        """Append the record's line; a killed process loses at most the lines since the last flush."""
        line = encode(_JSON.encode(record.to_json()))
        now = time.monotonic()
        try:
            self._file.write(line + b"\n")
            if now - self._flushed > self._every_s:
                self._file.flush()
                self._flushed = now
        except OSError as error:
            raise trouble(self._folder, error) from error

    def close(self) -> None:
        """Flush and close the file."""
        with writing(self._folder):
            self._file.close()

    def __enter__(self) -> QuestionLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _is_torn(path: Path) -> bool:
    """Whether the file's last line is incomplete, as after a killed process."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except FileNotFoundError:
        return False


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a question log in order, skipping lines that a crash cut off.

    Raises OSError and whatever ``Record.from_json`` raises.
    """
    return (record for _, record in placed_records(path))


def placed_records(path: Path) -> Iterator[tuple[int, Record]]:
    """Like ``read_records``, but yield each record with the byte offset of its line."""
    return ((start, Record.from_json(row)) for start, row in placed_rows(path))


def placed_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each complete line of a question log as parsed JSON, with its byte offset."""
    with path.open("rb") as file:
        start = 0
        for line in file:
            if (row := parse_line(line)) is not None:
                yield start, row
            start += len(line)


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Parse a line of a question log; None if a crash cut it off."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "id" in row and "model" in row else None


def merge(parts: Iterable[Path], target: Path, order: Iterable[tuple[str, str]] | None = None) -> int:
    """Join question logs into ``target`` (which may be one of them); returns the number of lines.

    The last line for a question, model and repeat wins; lines that a crash cut off are skipped.
    ``order`` lists the (id, model) pairs to include, in that order: an interrupted worker may have
    written lines that were never counted. Memory holds only the offsets of the lines.
    Raises ``LLMEvalError`` naming the target's folder.
    """
    with writing(target.parent):
        paths = [path for path in parts if path.exists()]
        places: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
        for number, path in enumerate(paths):
            for start, row in placed_rows(path):
                key = str(row["id"]), str(row["model"])
                places.setdefault(key, {})[row.get("repeat", 0)] = number, start
        keys = list(places if order is None else dict.fromkeys(key for key in order if key in places))
        files = [path.open("rb") for path in paths]
        try:
            with replacing(target) as out:
                for number, start in (place for key in keys for place in places[key].values()):
                    files[number].seek(start)
                    out.write(files[number].readline().rstrip(b"\r\n") + b"\n")
        finally:
            for file in files:
                file.close()
    return sum(len(places[key]) for key in keys)
