"""Fetch a benchmark's archive from the Hugging Face hub, check it, and unpack it into the cache."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from pytest_llmeval.core.errors import DataMissing, one_line
from pytest_llmeval.suites.spec import Benchmark

_MOST_BYTES = 2_000_000_000
_HUB_TIMEOUT_S = 10
_WANTED = (".csv", ".jsonl", ".parquet")


def fetch(benchmark: Benchmark, cache_dir: Path) -> Path:
    """Download and unpack the benchmark's data into ``cache_dir/NAME``; returns that folder.

    HF_ENDPOINT is honoured. Raises ``DataMissing`` with how to get the data by hand.
    """
    hub = benchmark.data.hub
    if hub is None:
        raise DataMissing(f"{benchmark.name}: has nothing to download; see {benchmark.source}")
    try:
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        raise DataMissing(
            f"{benchmark.name}: no data here, and huggingface_hub is not installed to download it; "
            "pip install huggingface_hub, or give the folder with --llm-data-dir"
        ) from None
    named = ", ".join(hub.files)
    print(f"llmeval: downloading {hub.repo} ({named}) for {benchmark.name}", file=sys.stderr)
    folder = cache_dir / "downloads" / benchmark.name
    try:
        if not (constants.HF_HUB_OFFLINE or all((folder / file).exists() for file in hub.files)):
            _knock(constants.ENDPOINT)
        got = [
            Path(hf_hub_download(hub.repo, file, repo_type="dataset", local_dir=folder)) for file in hub.files
        ]
    except Exception as error:  # the hub's client raises many kinds, all with the network as their cause
        # that one only says that the file is not here either; why the hub could not be asked is below it
        cause = (error.__cause__ or error) if isinstance(error, LocalEntryNotFoundError) else error
        raise DataMissing(
            f"{benchmark.name}: no data here, and the download of {hub.repo} failed "
            f"({type(cause).__name__}: {one_line(cause, 120)}); download {named} from "
            f"https://huggingface.co/datasets/{hub.repo}, unpack it, and give the folder with --llm-data-dir "
            "(or name a mirror of the hub in HF_ENDPOINT)"
        ) from None
    target = cache_dir / benchmark.name
    if got[0].suffix in _WANTED:
        return _copy(dict(zip(hub.files, got, strict=True)), target, benchmark.name)
    return unpack(got[0], target, benchmark.name)


def _copy(tables: Mapping[str, Path], target: Path, name: str) -> Path:
    """Put single tables where an unpacked archive would be."""
    try:
        for place, table in tables.items():
            into = target / place
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(table, into.with_name(into.name + ".part"))
            into.with_name(into.name + ".part").replace(into)
    except OSError as error:
        raise DataMissing(f"{name}: cannot write to {target}: {error.strerror}") from None
    return target


def _knock(endpoint: str) -> None:
    """Raise OSError at once where the hub cannot be reached: its own client tries for half a minute."""
    try:
        urllib.request.urlopen(endpoint, timeout=_HUB_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # it answered


def unpack(archive: Path, target: Path, name: str) -> Path:
    """Unpack the tables of a zip or tar into ``target``, all or nothing.

    Raises ``DataMissing`` for an archive that is broken, too large, or reaches out of its folder.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise DataMissing(f"{name}: cannot unpack into {target.parent}: {error.strerror}") from None
    try:
        with _members(archive) as members:
            for place, _, _ in members:
                if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts or "\\" in place:
                    raise DataMissing(
                        f"{name}: {archive} has a member that leads out of it; delete that file"
                    )
            if sum(size for _, size, _ in members) > _MOST_BYTES:
                raise DataMissing(f"{name}: {archive} unpacks to over 2 GB; this cannot be the benchmark")
            for place, _, opened in members:  # reading checks each member's checksum
                path = temporary.joinpath(*PurePosixPath(place).parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened() as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out)
        if not members:
            raise DataMissing(f"{name}: no tables in {archive}; delete that file and try again")
        _put(temporary, target)
    # RuntimeError: encrypted, or a compression that this Python does not know
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise DataMissing(
            f"{name}: {archive} cannot be unpacked ({one_line(error, 80)}); delete it and try again"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[list[tuple[str, int, Callable[[], IO[bytes]]]]]:
    """The tables of a zip or tar: name, size in bytes, and how to open each."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            wanted = [one for one in tar if one.isfile() and one.name.lower().endswith(_WANTED)]
            yield [(one.name, one.size, partial(_extracted, tar, one)) for one in wanted]
        return
    with zipfile.ZipFile(archive) as zipped:
        infos = [one for one in zipped.infolist() if one.filename.lower().endswith(_WANTED)]
        yield [(one.filename, one.file_size, partial(zipped.open, one)) for one in infos]


def _extracted(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = tar.extractfile(member)
    if opened is None:  # only a link or a folder has none, and those were left out
        raise OSError(f"{member.name} is no file")
    return opened


def _put(folder: Path, target: Path) -> None:
    # another process (a worker of xdist) may have put the same there just now, and be reading it
    if _sizes(folder) == _sizes(target):
        return
    shutil.rmtree(target, ignore_errors=True)
    try:
        folder.rename(target)
    except OSError:
        if _sizes(folder) != _sizes(target):
            raise


def _sizes(folder: Path) -> dict[Path, int]:
    return {file.relative_to(folder): file.stat().st_size for file in folder.rglob("*") if file.is_file()}
