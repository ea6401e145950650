"""What one session knows, kept in ``config.stash``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.results.runs import Run
    from pytest_llmeval.runtime.pool import Models
    from pytest_llmeval.runtime.replay import Earlier
    from pytest_llmeval.suites.suite import Suite


@dataclass(slots=True)
class State:
    """One process's view of the session.

    ``problems`` are user errors found while collecting, ``left_out`` lines about benchmarks that
    were not run, ``without_model`` the benchmarks that only want a model, ``fatal`` why the model
    cannot be asked any more, ``earlier`` the run whose answers are scored again, ``baseline`` the one
    to compare with.
    """

    settings: Settings
    models: Models
    suites: dict[str, Suite] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    without_model: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    planned: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    fatal: str | None = None
    earlier: Earlier | None = None
    baseline: Run | None = None


STATE = pytest.StashKey[State]()
#: the key under which the controller tells a worker its number
WORKER_NUMBER = "llmeval_number"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker."""
    return hasattr(config, "workerinput")


def worker_share(config: pytest.Config) -> tuple[int, int]:
    """The number of this xdist worker, from 0, and how many there are."""
    told: Mapping[str, Any] = getattr(config, "workerinput")  # noqa: B009
    return int(told.get(WORKER_NUMBER, 0)), int(told["workercount"])


def is_controller(config: pytest.Config) -> bool:
    """Whether this process hands its items to xdist workers."""
    return bool(
        getattr(config.option, "dist", "no") != "no"
        and getattr(config.option, "tx", None)
        and not is_worker(config)
    )
