"""What one process knows of the session, kept in ``config.stash``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.results.runs import Run
    from pytest_llmeval.runtime.pool import ModelPool
    from pytest_llmeval.runtime.replay import Replay
    from pytest_llmeval.suites.suite import Suite

#: how many questions are to be asked: benchmark -> model -> subject -> number
Plan: TypeAlias = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class Session:
    """What was asked for: fixed from ``pytest_configure`` on, but for ``suites``, which collection fills.

    ``replay`` is the run whose answers are graded again, ``baseline`` the run to compare with.
    """

    settings: Settings
    models: ModelPool
    suites: dict[str, Suite]
    replay: Replay | None = None
    baseline: Run | None = None


@dataclass(slots=True)
class Findings:
    """What this process has to report at the end; a worker of xdist sends its own to the controller.

    ``problems`` are user errors found while collecting, ``left_out`` lines about benchmarks that were
    not run, ``without_model`` benchmarks that only lack a model, ``notes`` other lines, ``fatal`` why the
    model cannot be asked any more.
    """

    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    without_model: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fatal: str | None = None
    planned: Plan = field(default_factory=dict)

    def merge(self, other: Findings) -> None:
        """Take over what another process found, each line once."""
        for own, lines in (
            (self.problems, other.problems),
            (self.left_out, other.left_out),
            (self.without_model, other.without_model),
            (self.notes, other.notes),
        ):
            own.extend(line for line in lines if line not in own)
        self.fatal = self.fatal or other.fatal
        self.planned = self.planned or other.planned


SESSION = pytest.StashKey[Session]()
FINDINGS = pytest.StashKey[Findings]()
