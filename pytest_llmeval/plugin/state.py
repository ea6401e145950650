"""The state of the session in one process, stored in ``config.stash``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import pytest

from pytest_llmeval.plugin.result_names import ResultNames

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.plugin.requested import Requested
    from pytest_llmeval.results.runs import Run
    from pytest_llmeval.runtime.pool import ModelPool
    from pytest_llmeval.runtime.replay import Replay
    from pytest_llmeval.suites.suite import Suite

#: the number of selected questions: result's name -> model -> subject -> number
Plan: TypeAlias = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class Session:
    """The settings, models and suites of the session.

    Created in ``pytest_configure``; only ``suites`` and ``names`` change later, during collection. ``replay``
    is the run whose answers are graded again, ``baseline`` the run to compare with, ``requested`` are the
    benchmarks of ``--llm-benchmark``.
    """

    settings: Settings
    models: ModelPool
    suites: dict[str, Suite]
    replay: Replay | None = None
    baseline: Run | None = None
    names: ResultNames = field(default_factory=ResultNames)
    requested: tuple[Requested, ...] = ()


@dataclass(slots=True)
class Findings:
    """Messages and counts that are reported at the end; an xdist worker sends its findings to the controller.

    ``problems`` are user errors found during collection, ``left_out`` lines about benchmarks that did not
    run, ``without_model`` benchmarks that did not run because no model was set, ``unwritten`` lines about
    results that could not be written, which make the session fail, ``notes`` other lines.
    ``fatal`` is the reason why the model cannot answer any more.
    """

    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    without_model: list[str] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fatal: str | None = None
    plan: Plan = field(default_factory=dict)

    def merge(self, other: Findings) -> None:
        """Add another process's findings, without duplicate lines."""
        for target, lines in (
            (self.problems, other.problems),
            (self.left_out, other.left_out),
            (self.without_model, other.without_model),
            (self.unwritten, other.unwritten),
            (self.notes, other.notes),
        ):
            target.extend(line for line in lines if line not in target)
        self.fatal = self.fatal or other.fatal
        self.plan = self.plan or other.plan


SESSION = pytest.StashKey[Session]()
FINDINGS = pytest.StashKey[Findings]()
