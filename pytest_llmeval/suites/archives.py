"""Unpacks the tables of archives. Archives are untrusted input."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.suites.formats import data_suffix

_MOST_BYTES = 2_000_000_000
_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


def is_archive(name: str) -> bool:
    """Whether the name is that of a zip or tar."""
    return name.lower().endswith(_SUFFIXES)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the tables and texts of a zip or tar into ``folder``.

    Raises ``ValueError`` if the archive is broken, is too large, or has a member outside its folder, and
    OSError if the folder cannot be written.
    """
    with _broken(), _members(archive) as members:
        for member, _, _ in members:
            inside = PurePosixPath(member)
            if inside.is_absolute() or ".." in inside.parts or "\\" in member:
                raise ValueError("has a member outside its folder")
        if sum(size for _, size, _ in members) > _MOST_BYTES:
            raise ValueError("unpacks to over 2 GB, which is too large")
        if not members:
            raise ValueError("has no tables")
        for member, _, open_member in members:  # reading verifies each member's checksum
            path = folder.joinpath(*PurePosixPath(member).parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_member() as source, path.open("wb") as out:
                shutil.copyfileobj(source, out)


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except ValueError:
        raise
    # RuntimeError: encrypted, or compressed with a method that this Python does not support
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise ValueError(f"cannot be unpacked ({one_line(error, 80)})") from None


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[list[tuple[str, int, Callable[[], IO[bytes]]]]]:
    """Name, size in bytes and opener of each wanted file in a zip or tar."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            files = [member for member in tar if member.isfile() and _is_wanted(member.name)]
            yield [(file.name, file.size, partial(_open_member, tar, file)) for file in files]
        return
    with zipfile.ZipFile(archive) as zipped:
        infos = [info for info in zipped.infolist() if _is_wanted(info.filename)]
        yield [(info.filename, info.file_size, partial(zipped.open, info)) for info in infos]


def _is_wanted(name: str) -> bool:
    """Whether a member is a table, or a text such as published few-shot examples."""
    return not name.endswith("/") and (data_suffix(name) is not None or name.lower().endswith(".txt"))


def _open_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:  # a link or a folder; _members already skips these
        raise OSError(f"{member.name} is not a file")
    return file
