"""What results.json says of a run as a whole."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

_PACKAGES = ("pytest-llmeval-harness", "pytest", "pytest-xdist", "transformers", "torch", "openai")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What results.json says of the run as a whole; ``started`` in ISO 8601 with its time zone."""

    name: str
    started: str
    duration_s: float
    complete: bool
    command: str
    versions: Mapping[str, str]
    machine: Mapping[str, object]


def versions() -> dict[str, str]:
    """The versions of what took part, as far as installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, object]:
    """What it ran on."""
    return {"platform": platform.platform(), "processor": platform.machine(), "cpus": os.cpu_count()}
