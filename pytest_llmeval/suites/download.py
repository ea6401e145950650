"""Downloads a benchmark's files from the Hugging Face hub into the cache, checked, all or nothing."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TextIO

from pytest_llmeval.core.errors import DataMissing, one_line
from pytest_llmeval.suites import hub_client
from pytest_llmeval.suites.archives import is_archive, unpack
from pytest_llmeval.suites.data_cache import (
    Manifest,
    cache_folder,
    hub_splits,
    read_manifest,
    write_manifest,
)
from pytest_llmeval.suites.download_progress import Progress, shown, size_text
from pytest_llmeval.suites.formats import data_suffix
from pytest_llmeval.suites.hub_client import HubError, Repository
from pytest_llmeval.suites.hub_files import CONVERTED, DEFAULT, split_files
from pytest_llmeval.suites.shards import join_parts
from pytest_llmeval.suites.splits import locate

if TYPE_CHECKING:
    from pytest_llmeval.suites.spec import Benchmark, Hub


def fetch(benchmark: Benchmark, cache_dir: Path, stream: TextIO | None = None) -> Path:
    """Download the benchmark's files into its folder of the cache, and return that folder.

    Another process that downloads the same files is waited for. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE
    are honoured; the progress goes to ``stream`` (default: standard error). Raises ``DataMissing``.
    """
    hub = benchmark.data.hub
    if hub is None:
        raise DataMissing(f"{benchmark.name} has nothing to download; see {benchmark.source}")
    if not hub_client.available():
        raise DataMissing(
            f"{benchmark.name}: no local data, and huggingface_hub is not installed to download it; "
            "pip install huggingface_hub, or give the folder with --llm-data-dir"
        )
    folder = cache_folder(benchmark, cache_dir)
    downloads = cache_dir / "downloads" / folder.name
    try:
        with hub_client.locked(downloads.with_name(f"{downloads.name}.lock")):
            if read_manifest(folder) is None:
                _download(benchmark, hub, folder, downloads, stream or sys.stderr)
    except HubError as error:
        raise DataMissing(_failure(benchmark, hub, error)) from None
    except OSError as error:
        raise DataMissing(f"{benchmark.name}: cannot write to {cache_dir}: {one_line(error, 120)}") from None
    return folder


def ensure(benchmark: Benchmark, data_dir: Path | None, cache_dir: Path) -> str:
    """Download the benchmark's files unless they are on this machine, and say where they are.

    Raises ``DataMissing``.
    """
    if benchmark.data.inside:
        return f"its data is in {benchmark.folder}"
    folder = cache_folder(benchmark, cache_dir)
    try:
        root = locate(benchmark, benchmark.split, data_dir, cache_dir).root
    except DataMissing:
        root = fetch(benchmark, cache_dir)
        locate(benchmark, benchmark.split, data_dir, cache_dir)
    downloaded = read_manifest(folder) if root == folder else None
    if downloaded is None:
        return f"its data is in {root}"
    count = f"{len(downloaded.files)} file{'s' if len(downloaded.files) != 1 else ''}"
    return f"{count}, {size_text(downloaded.bytes)}, of {downloaded.source} in {folder}"


def _failure(benchmark: Benchmark, hub: Hub, error: HubError) -> str:
    text = f"{benchmark.name}: no local data, and {hub.repo} cannot be downloaded: {error}"
    if not error.by_hand:
        return text
    what = ", ".join(hub.files) if hub.files else "its files"
    verb = "unpack it, and give" if any(map(is_archive, hub.files)) else "and give"
    return (
        f"{text}; download {what} from {hub_client.page(hub.repo)}, {verb} the folder with --llm-data-dir "
        "(or name a mirror of the hub in HF_ENDPOINT)"
    )


def _download(benchmark: Benchmark, hub: Hub, folder: Path, downloads: Path, stream: TextIO) -> None:
    """Raises ``HubError`` or OSError."""
    repository, plan = _plan(benchmark, hub)
    wanted = list(dict.fromkeys(path for paths in plan.values() for path in paths))
    sizes = [repository.files[path].size for path in wanted]
    total = sum(size for size in sizes if size is not None) if None not in sizes else None
    progress = Progress(f"downloading {hub.repo} for {benchmark.name}", total, downloads, stream)
    with shown(progress):
        paths = hub_client.download(repository, wanted, downloads, gated=hub.gated)
    _check_digests(repository, hub, paths)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for target, parts in plan.items():
            _place([paths[part] for part in parts], temporary, target)
        files = {str(path.relative_to(temporary)): path.stat().st_size for path in _files_in(temporary)}
        write_manifest(temporary, Manifest(hub.repo, hub.revision, repository.commit, files))
        temporary.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(downloads, ignore_errors=True)


def _plan(benchmark: Benchmark, hub: Hub) -> tuple[Repository, Mapping[str, Sequence[str]]]:
    """The repository, and the files to make in the cache, each of the files of the repository it consists of.

    Raises ``HubError``.
    """
    repository = hub_client.repository(hub.repo, hub.revision, gated=hub.gated)
    if hub.files:
        for file in hub.files:
            if file not in repository.files:
                near = one_line(", ".join(sorted(repository.files)), 200)
                raise HubError(f"it has no file {file!r}; its files are {near}", by_hand=False)
        return repository, {file: (file,) for file in hub.files}
    try:
        return repository, _split_plan(benchmark, hub, repository)
    except ValueError as error:
        if hub.revision is not None:
            raise HubError(f'{error} (at revision "{hub.revision}")', by_hand=False) from None
        reason = str(error)
    try:
        converted = hub_client.repository(hub.repo, CONVERTED, gated=hub.gated)
        return converted, _split_plan(benchmark, hub, converted)
    except (HubError, ValueError):
        raise HubError(reason, by_hand=False) from None


def _split_plan(benchmark: Benchmark, hub: Hub, repository: Repository) -> dict[str, tuple[str, ...]]:
    """Files named ``CONFIG/SPLIT.SUFFIX``. Raises ``ValueError``."""
    subjects = list(benchmark.subjects) if "{subject}" in (hub.config or "") else [""]
    plan = {}
    for subject in subjects:
        config = None if hub.config is None else hub.config.replace("{subject}", subject)
        for split, hub_split in hub_splits(benchmark).items():
            parts = split_files(list(repository.files), repository.configs, config, hub_split)
            target = f"{config or DEFAULT}/{split}{data_suffix(parts[0])}"
            named = {
                template.format(split=split, subject=key)
                for template in benchmark.data.paths
                for key in ([subject] if subject else [*benchmark.subjects, benchmark.name])
            }
            if target not in named:
                raise ValueError(f"its files will be named {target}, which is not among [data] paths; add it")
            plan[target] = parts
    return plan


def _place(parts: Sequence[Path], folder: Path, target: str) -> None:
    """Make one file of the folder, or all files of an archive. Raises ``HubError`` or OSError."""
    try:
        if is_archive(target):
            unpack(parts[0], folder)
            return
        if PurePosixPath(target).is_absolute() or ".." in PurePosixPath(target).parts:
            raise ValueError(f"{target} is outside the repository")
        join_parts(parts, folder / target)
    except ValueError as error:
        for part in parts:
            part.unlink(missing_ok=True)
        name = f"{target} " if is_archive(target) else ""
        raise HubError(f"{name}{one_line(error, 200)}; the download was removed") from None


def _check_digests(repository: Repository, hub: Hub, paths: Mapping[str, Path]) -> None:
    """Compare with the digests that the benchmark.toml and the hub name. Raises ``HubError``."""
    if unknown := hub.sha256.keys() - paths.keys():
        names = one_line(", ".join(paths), 200)
        text = f"sha256 names {min(unknown)}, which is not downloaded; the files are {names}"
        raise HubError(text, by_hand=False)
    for file, path in paths.items():
        expected = {"[data.hub] sha256": hub.sha256.get(file), "the hub": repository.files[file].sha256}
        actual = _sha256(path) if any(expected.values()) else None
        for who, digest in expected.items():
            if digest is not None and digest.lower() != actual:
                path.unlink(missing_ok=True)
                raise HubError(
                    f"{file} at {repository.commit[:12]} has SHA-256 {actual}, but {who} says {digest}; "
                    "the download was removed",
                    by_hand=False,
                )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_in(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
