"""Fetch a benchmark's archive from the Hugging Face hub, check it, and unpack it into the cache."""

from __future__ import annotations

import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from pytest_llmeval.benchmark import Benchmark
from pytest_llmeval.errors import DataMissing, one_line

_MOST_BYTES = 2_000_000_000
_HUB_TIMEOUT_S = 10
_WANTED = (".csv", ".jsonl")


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
    print(f"llmeval: downloading {hub.repo} ({hub.file}) for {benchmark.name}", file=sys.stderr)
    folder = cache_dir / "downloads" / benchmark.name
    try:
        if not (constants.HF_HUB_OFFLINE or (folder / hub.file).exists()):
            _knock(constants.ENDPOINT)
        archive = hf_hub_download(hub.repo, hub.file, repo_type="dataset", local_dir=folder)
    except Exception as error:  # the hub's client raises many kinds, all with the network as their cause
        # that one only says that the file is not here either; why the hub could not be asked is below it
        cause = (error.__cause__ or error) if isinstance(error, LocalEntryNotFoundError) else error
        raise DataMissing(
            f"{benchmark.name}: no data here, and the download of {hub.repo} failed "
            f"({type(cause).__name__}: {one_line(cause, 120)}); download {hub.file} from "
            f"https://huggingface.co/datasets/{hub.repo}, unpack it, and give the folder with --llm-data-dir "
            "(or name a mirror of the hub in HF_ENDPOINT)"
        ) from None
    return unpack(Path(archive), cache_dir / benchmark.name, benchmark.name)


def _knock(endpoint: str) -> None:
    """Raise OSError at once where the hub cannot be reached: its own client tries for half a minute."""
    try:
        urllib.request.urlopen(endpoint, timeout=_HUB_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # it answered


def unpack(archive: Path, target: Path, name: str) -> Path:
    """Unpack the tables of a zip into ``target``, all or nothing.

    Raises ``DataMissing`` for an archive that is broken, too large, or reaches out of its folder.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise DataMissing(f"{name}: cannot unpack into {target.parent}: {error.strerror}") from None
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [member for member in zipped.infolist() if member.filename.lower().endswith(_WANTED)]
            for member in members:
                parts = PurePosixPath(member.filename).parts
                if PurePosixPath(member.filename).is_absolute() or ".." in parts or "\\" in member.filename:
                    raise DataMissing(
                        f"{name}: {archive} has a member that leads out of it; delete that file"
                    )
            if sum(member.file_size for member in members) > _MOST_BYTES:
                raise DataMissing(f"{name}: {archive} unpacks to over 2 GB; this cannot be the benchmark")
            for member in members:  # reading checks each member's checksum
                place = temporary.joinpath(*PurePosixPath(member.filename).parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(member) as source, place.open("wb") as out:
                    shutil.copyfileobj(source, out)
        if not members:
            raise DataMissing(f"{name}: no tables in {archive}; delete that file and try again")
        _put(temporary, target)
    # RuntimeError: encrypted, or a compression that this Python does not know
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise DataMissing(
            f"{name}: {archive} cannot be unpacked ({one_line(error, 80)}); delete it and try again"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


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
