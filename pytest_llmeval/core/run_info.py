"""The description of a run as a whole in results.json."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

_PACKAGES = ("pytest-llmeval-harness", "pytest", "pytest-xdist", "transformers", "torch", "openai")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as a whole: ``started`` is in ISO 8601 with a time zone, ``duration_s`` in seconds."""

    name: str
    started: str
    duration_s: float
    complete: bool
    command: str
    versions: Mapping[str, str]
    machine: Mapping[str, object]


def versions() -> dict[str, str]:
    """The versions of Python and of the installed packages that may affect results."""
    packages = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            packages[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return packages


def machine() -> dict[str, object]:
    """The platform, processor and number of CPUs of this machine."""
    return {"platform": platform.platform(), "processor": platform.machine(), "cpus": os.cpu_count()}
