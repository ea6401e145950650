"""The Hugging Face hub, through huggingface_hub: what a repository has, and its files.

The client reads HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and the other variables that its documentation names.
"""

from __future__ import annotations

import contextlib
import logging
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.core.errors import one_line

if TYPE_CHECKING:
    from filelock import BaseFileLock

_TIMEOUT_S = 10
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository; size in bytes and SHA-256 are None where the hub does not tell."""

    path: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """The files of a data set's repository at a commit, and the ``configs`` of its README's metadata."""

    name: str
    commit: str
    files: Mapping[str, HubFile]
    configs: tuple[Mapping[str, object], ...]


class HubError(Exception):
    """The hub did not give what was asked for; the text says why.

    ``by_hand`` tells whether files downloaded in another way would help.
    """

    def __init__(self, text: str, *, by_hand: bool = True) -> None:
        super().__init__(text)
        self.by_hand = by_hand


def available() -> bool:
    """Whether huggingface_hub is installed."""
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        return False
    return True


def page(repo: str) -> str:
    """The address of a data set's page, where terms are accepted and files downloaded by hand."""
    return f"https://huggingface.co/datasets/{repo}"


def repository(repo: str, revision: str | None, *, gated: bool = False) -> Repository:
    """List a repository, which ``gated`` says to have terms to accept. Raises ``HubError``."""
    from huggingface_hub import HfApi, constants

    with _errors(repo, revision, gated), _quiet():
        if constants.HF_HUB_OFFLINE:
            raise HubError("HF_HUB_OFFLINE is set")
        _check_reachable(constants.ENDPOINT)
        info = HfApi().dataset_info(repo, revision=revision, files_metadata=True)
    if info.sha is None:
        raise HubError("the hub names no commit")
    files = {
        entry.rfilename: HubFile(
            entry.rfilename, entry.size, entry.lfs.sha256 if entry.lfs is not None else None
        )
        for entry in info.siblings or ()
    }
    configs = getattr(info.card_data, "configs", None)
    entries = configs if isinstance(configs, list) else []
    return Repository(repo, info.sha, files, tuple(entry for entry in entries if isinstance(entry, dict)))


def download(
    repository: Repository, files: Sequence[str], folder: Path, *, gated: bool = False
) -> dict[str, Path]:
    """Download files into ``folder``; those that an earlier call has downloaded stay. Raises ``HubError``.

    The client resumes a file after a lost connection, but not in another call.
    """
    from huggingface_hub import hf_hub_download

    for part in folder.rglob("*.incomplete"):  # of a process that was killed
        part.unlink(missing_ok=True)

    def get(file: str) -> Path:
        return Path(
            hf_hub_download(
                repository.name, file, repo_type="dataset", revision=repository.commit, local_dir=folder
            )
        )

    with _errors(repository.name, repository.commit, gated), _quiet():
        executor = ThreadPoolExecutor(max_workers=_AT_ONCE)
        try:
            return dict(zip(files, executor.map(get, files), strict=True))
        finally:
            executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes respect."""
    from filelock import FileLock, SoftFileLock  # a dependency of huggingface_hub

    path.parent.mkdir(parents=True, exist_ok=True)
    lock: BaseFileLock = FileLock(path)
    try:
        lock.acquire()
    except NotImplementedError:  # a file system without locks
        lock = SoftFileLock(path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Turn off the client's own progress bars and its warnings on retries."""
    bars = import_module("huggingface_hub.utils.tqdm")  # the package has a class of the module's name

    logger = logging.getLogger("huggingface_hub")
    level, shows_bars = logger.level, not bars.are_progress_bars_disabled()
    with warnings.catch_warnings():  # where HF_HUB_DISABLE_PROGRESS_BARS=0 keeps the bars
        warnings.simplefilter("ignore")
        bars.disable_progress_bars()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if shows_bars:
            bars.enable_progress_bars()


@contextlib.contextmanager
def _errors(repo: str, revision: str | None, gated: bool) -> Iterator[None]:
    """Raise ``HubError`` for every error of the client, which wraps those of the network in many types."""
    from huggingface_hub import errors

    try:
        yield
    except HubError:
        raise
    except errors.RevisionNotFoundError:
        raise HubError(f"it has no revision {one_line(revision, 80)!r}", by_hand=False) from None
    except Exception as error:
        # LocalEntryNotFoundError only says that the file is not cached; its cause is the network error
        cause = (error.__cause__ or error) if isinstance(error, errors.LocalEntryNotFoundError) else error
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(cause, errors.GatedRepoError) or (gated and status in (401, 403, 404)):
            raise HubError(_gated(repo), by_hand=False) from None
        if status in (401, 403, 404):
            raise HubError(f"HTTP {status}: {_refused(status)}") from None
        raise HubError(f"{type(cause).__name__}: {one_line(_without_token(str(cause)), 120)}") from None


def _gated(repo: str) -> str:
    step = f"it is gated: accept its terms at {page(repo)}"
    if _token() is None:
        return f"{step}, and set HF_TOKEN to a token of that account"
    return f"{step} with the account of your token (HF_TOKEN)"


def _refused(status: int) -> str:
    if _token() is None:
        return "no such data set, or one for which HF_TOKEN must have a token"
    if status == 401:
        return "the token in HF_TOKEN is not valid, or has no access"
    return "no such data set, or one to which the token in HF_TOKEN has no access"


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def _without_token(text: str) -> str:
    token = _token()
    return text.replace(token, "***") if token else text


def _check_reachable(endpoint: str) -> None:
    """Raise OSError quickly if the hub is unreachable; the client retries for half a minute."""
    try:
        urllib.request.urlopen(endpoint, timeout=_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # an error status is still an answer
