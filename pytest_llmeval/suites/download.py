"""Download a benchmark's archive from the Hugging Face hub, check it, and unpack it into the cache."""

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
_TABLES = (".csv", ".jsonl", ".parquet")


def fetch(benchmark: Benchmark, cache_dir: Path) -> Path:
    """Download and unpack the benchmark's data into ``cache_dir/NAME``, and return that folder.

    HF_ENDPOINT is honoured. Raises ``DataMissing`` with instructions for a manual download.
    """
    hub = benchmark.data.hub
    if hub is None:
        raise DataMissing(f"{benchmark.name} has nothing to download; see {benchmark.source}")
    try:
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        raise DataMissing(
            f"{benchmark.name}: no local data, and huggingface_hub is not installed to download it; "
            "pip install huggingface_hub, or give the folder with --llm-data-dir"
        ) from None
    files = ", ".join(hub.files)
    print(f"llmeval: downloading {hub.repo} ({files}) for {benchmark.name}", file=sys.stderr)
    folder = cache_dir / "downloads" / benchmark.name
    try:
        if not (constants.HF_HUB_OFFLINE or all((folder / file).exists() for file in hub.files)):
            _check_reachable(constants.ENDPOINT)
        downloads = [
            Path(hf_hub_download(hub.repo, file, repo_type="dataset", local_dir=folder)) for file in hub.files
        ]
    except Exception as error:  # the hub client wraps network errors in many types
        # LocalEntryNotFoundError only says that the file is not cached; its cause is the network error
        cause = (error.__cause__ or error) if isinstance(error, LocalEntryNotFoundError) else error
        raise DataMissing(
            f"{benchmark.name}: no local data, and the download of {hub.repo} failed "
            f"({type(cause).__name__}: {one_line(cause, 120)}); download {files} from "
            f"https://huggingface.co/datasets/{hub.repo}, unpack it, and give the folder with --llm-data-dir "
            "(or name a mirror of the hub in HF_ENDPOINT)"
        ) from None
    target = cache_dir / benchmark.name
    if downloads[0].suffix in _TABLES:
        return _copy(dict(zip(hub.files, downloads, strict=True)), target, benchmark.name)
    return unpack(downloads[0], target, benchmark.name)


def _copy(tables: Mapping[str, Path], target: Path, name: str) -> Path:
    """Copy downloaded tables to where an unpacked archive would be."""
    try:
        for file, table in tables.items():
            path = target / file
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(table, path.with_name(path.name + ".part"))
            path.with_name(path.name + ".part").replace(path)
    except OSError as error:
        raise DataMissing(f"{name}: cannot write to {target}: {error.strerror}") from None
    return target


def _check_reachable(endpoint: str) -> None:
    """Raise OSError quickly if the hub is unreachable; the hub client retries for half a minute."""
    try:
        urllib.request.urlopen(endpoint, timeout=_HUB_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # an error status is still an answer


def unpack(archive: Path, target: Path, name: str) -> Path:
    """Unpack the tables of a zip or tar into ``target``, all or nothing.

    Raises ``DataMissing`` if the archive is broken, is too large, or has a member outside its folder.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise DataMissing(f"{name}: cannot unpack into {target.parent}: {error.strerror}") from None
    try:
        with _members(archive) as members:
            for member, _, _ in members:
                if (
                    PurePosixPath(member).is_absolute()
                    or ".." in PurePosixPath(member).parts
                    or "\\" in member
                ):
                    raise DataMissing(f"{name}: {archive} has a member outside its folder; delete that file")
            if sum(size for _, size, _ in members) > _MOST_BYTES:
                raise DataMissing(f"{name}: {archive} unpacks to over 2 GB, which is too large")
            for member, _, open_member in members:  # reading verifies each member's checksum
                path = temporary.joinpath(*PurePosixPath(member).parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with open_member() as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out)
        if not members:
            raise DataMissing(f"{name}: no tables in {archive}; delete that file and try again")
        _replace(temporary, target)
    # RuntimeError: encrypted, or compressed with a method that this Python does not support
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise DataMissing(
            f"{name}: {archive} cannot be unpacked ({one_line(error, 80)}); delete it and try again"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[list[tuple[str, int, Callable[[], IO[bytes]]]]]:
    """Name, size in bytes and opener of each table in a zip or tar."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            tables = [member for member in tar if member.isfile() and member.name.lower().endswith(_TABLES)]
            yield [(table.name, table.size, partial(_open_member, tar, table)) for table in tables]
        return
    with zipfile.ZipFile(archive) as zipped:
        infos = [info for info in zipped.infolist() if info.filename.lower().endswith(_TABLES)]
        yield [(info.filename, info.file_size, partial(zipped.open, info)) for info in infos]


def _open_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:  # a link or a folder; _members already skips these
        raise OSError(f"{member.name} is not a file")
    return file


def _replace(folder: Path, target: Path) -> None:
    # another process (such as an xdist worker) may have unpacked the same files and be reading them
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
