"""Where the tables of a benchmark are: in one file, in the files of a folder, or in a zip archive."""

from __future__ import annotations

import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.suites.formats import format_of, is_gzip, stem_of

#: suffixes of files of questions, for messages
SUFFIXES = ".csv, .tsv, .jsonl, .json, .parquet (also with .gz) or .zip"
_ARCHIVE = ".zip"
_MAX_UNPACKED = 2 * 1024**3
_SPLIT = re.compile(r"(train|dev|val|valid|validation|test)(?:ing|-\d+-of-\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``path`` is its file, or the archive's path with the name in the archive after it.

    ``subject`` is the key of its own subject if it is one of several tables, and ``title`` the name that this
    comes from.
    """

    path: Path
    raw: bytes
    subject: str | None = None
    title: str = ""

    @property
    def format(self) -> str | None:
        """The format that the suffix tells, or None."""
        return format_of(self.path)


def is_table(path: Path) -> bool:
    """Whether ``path`` is an existing file with the suffix of a file of questions, or an archive."""
    suffix = path.suffix.lower()
    return (suffix == _ARCHIVE or format_of(path) is not None) and os.path.isfile(path)


def has_tables(path: Path) -> bool:
    """Whether ``path`` is an existing file, a folder with files of questions, or a pattern of such files."""
    return os.path.isfile(path) or bool(tables_in(path))


def tables_in(place: Path) -> list[Path]:
    """The files of questions in a folder, in order of their names.

    If the last part of ``place`` is a pattern, as in ``test[2-6].jsonl``, only those that it matches.
    """
    is_pattern = any(sign in place.name for sign in "*?[") and not os.path.lexists(place)
    folder, pattern = (place.parent, place.name) if is_pattern else (place, "*")
    try:
        paths = sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(".") and fnmatchcase(path.name, pattern) and is_table(path)
        )
    except OSError:
        return []
    archives = [path for path in paths if format_of(path) is None]
    return _without_metadata(paths) or (archives if len(archives) == 1 else [])


def _without_metadata(paths: Iterable[Path]) -> list[Path]:
    """The tables among ``paths``; those in JSON only if there are no others, which they would describe."""
    formats = {path: format for path in paths if (format := format_of(path)) is not None}
    return [path for path, format in formats.items() if format != "json"] or list(formats)


def open_tables(path: Path) -> list[Table]:
    """The tables in a file, an archive or a folder. Raises ``UserError``."""
    if path.is_dir() or (not os.path.lexists(path) and tables_in(path)):
        return _several(path, [(file, _read(file)) for file in tables_in(path)])
    raw = _read(path)
    return _unpacked(path) if path.suffix.lower() == _ARCHIVE else [Table(path, raw)]


def _read(path: Path) -> bytes:
    """The content of a file, decompressed if it is compressed. Raises ``UserError``."""
    try:
        return _decompressed(path, path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _decompressed(path: Path, raw: bytes) -> bytes:
    """The content of a file with this name, decompressed if it is compressed. Raises ``UserError``."""
    if not is_gzip(path):
        return raw
    try:
        with gzip.open(io.BytesIO(raw)) as file:
            content = file.read(_MAX_UNPACKED + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path}: cannot be decompressed: {one_line(error, 120)}") from None
    if len(content) > _MAX_UNPACKED:
        raise UserError(f"{path}: more than {_MAX_UNPACKED >> 30} GiB when decompressed; split it")
    return content


def _unpacked(path: Path) -> list[Table]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                path / info.filename.lstrip("/"): info
                for info in sorted(archive.infolist(), key=lambda info: info.filename)
                if not info.is_dir() and not _is_hidden(info.filename)
            }
            paths = _without_metadata(members)
            if not paths:
                raise UserError(f"{path}: no file of questions in the archive ({SUFFIXES})")
            if sum(members[member].file_size for member in paths) > _MAX_UNPACKED:
                raise UserError(
                    f"{path}: more than {_MAX_UNPACKED >> 30} GiB when unpacked; unzip it yourself"
                )
            return _several(
                path, [(member, _decompressed(member, archive.read(members[member]))) for member in paths]
            )
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path}: cannot be unpacked: {one_line(error, 120)}; unzip it yourself") from None


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _several(place: Path, files: Sequence[tuple[Path, bytes]]) -> list[Table]:
    """The tables of an archive or a folder; each has a subject of its own if there are several.

    Raises ``UserError`` if they are the splits of a benchmark.
    """
    if len(files) == 1:
        return [Table(*files[0])]
    splits = {match[1].lower() for path, _ in files if (match := _SPLIT.fullmatch(stem_of(path)))}
    if len(splits) > 1:
        where = "unzip it, and name one of them" if place.is_file() else "name one of them"
        raise UserError(
            f"{place}: the files are the splits of a benchmark ({', '.join(sorted(splits))}); {where}"
        )
    tables, keys = [], set[str]()
    for number, (path, raw) in enumerate(files, start=1):
        key = re.sub(r"[^A-Za-z0-9_-]+", "_", stem_of(path)).strip("_-")[:70]
        if not key or key in keys:
            key = f"{key or 'file'}_{number}"
        keys.add(key)
        tables.append(Table(path, raw, key, stem_of(path)))
    return tables
