"""Where the cache has a benchmark's downloaded files, and which commit of the hub they are from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llmeval.suites.spec import Benchmark

_MANIFEST = ".source.json"
_COMMIT = "[0-9a-f]{7,40}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where the files of a folder come from; ``files`` maps their paths in it to sizes in bytes.

    ``revision`` is that of the benchmark.toml: None or a branch may be another commit tomorrow.
    """

    repo: str
    revision: str | None
    commit: str
    files: Mapping[str, int]

    @property
    def pinned(self) -> bool:
        """Whether the benchmark names a commit, so that every download gives the same files."""
        return self.revision is not None and re.fullmatch(_COMMIT, self.revision) is not None

    @property
    def source(self) -> str:
        """The repository and commit, as in ``owner/name@commit``."""
        return f"{self.repo}@{self.commit}"

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(self.files.values())


def cache_folder(benchmark: Benchmark, cache_dir: Path) -> Path:
    """The folder of a benchmark's downloaded files.

    What is downloaded determines it, so another revision or configuration gets another folder, and variants
    of a benchmark share theirs. Files that are named without a revision are in ``cache_dir/NAME``.
    """
    hub = benchmark.data.hub
    if hub is None or (hub.files and hub.revision is None):
        return cache_dir / benchmark.name
    subjects = list(benchmark.subjects) if "{subject}" in (hub.config or "") else []
    parts = [hub.repo, hub.revision, hub.files, hub.config, subjects, sorted(hub_splits(benchmark).items())]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    return cache_dir / "hub" / f"{hub.repo.replace('/', '--')}-{key}"


def hub_splits(benchmark: Benchmark) -> Mapping[str, str]:
    """The splits to download, and their names on the hub."""
    hub = benchmark.data.hub
    if hub is None or hub.files:
        return {}
    own = (*benchmark.splits, *((benchmark.shots_split,) if benchmark.shots else ()))
    return hub.splits or {split: split for split in own}


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a downloaded folder; None without one, or if a file is missing or of another size."""
    try:
        content = json.loads((folder / _MANIFEST).read_text("utf-8"))
        manifest = Manifest(**content)
        complete = all((folder / file).stat().st_size == size for file, size in manifest.files.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return manifest if complete else None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder. Raises OSError."""
    (folder / _MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), "utf-8")
