"""The current run: its counts, its results, and its folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.models.base import Storable
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.run_folder import new_run_folder
from pytest_llmeval.results.suite_average import SuiteResult
from pytest_llmeval.results.summary import Result
from pytest_llmeval.results.tally import Tally

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison
    from pytest_llmeval.analysis.gate import GateResult


class CurrentRun:
    """The state of the run in the reporting process.

    ``infos`` describe the benchmarks of the run by name, ``order`` is the index of each item by node id
    (xdist only). ``results``, ``verdicts``, ``comparisons`` and ``suites``
    are set at the end; ``shown_path`` is set when the files were written, to the folder's path for display.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.session = config.stash[SESSION]
        self.findings = config.stash[FINDINGS]
        self.tally = Tally()
        self.infos: dict[str, BenchmarkInfo] = {}
        self.order: Mapping[str, int] = {}
        #: the index and (id, model) of each counted question, if ``order`` is known
        self.record_keys: list[tuple[int, tuple[str, str]]] = []
        self.results: tuple[Result, ...] = ()
        self.verdicts: tuple[GateResult, ...] = ()
        self.comparisons: tuple[Comparison, ...] = ()
        self.suites: tuple[SuiteResult, ...] = ()
        self.started = time.time()
        self.shown_path: str | None = None
        self.ended_early = False
        self._created_report_dir = False

    @cached_property
    def folder(self) -> Path:
        """The run's folder, created at first use. Raises ``UserError``."""
        settings = self.session.settings
        self._created_report_dir = not settings.report_dir.exists()
        name = "+".join(model.name for model in settings.models)
        return new_run_folder(settings.report_dir, settings.run_name, model=name)

    @property
    def shown_folder(self) -> str:
        """The run's folder, relative to the folder in which pytest was started."""
        return os.path.relpath(self.folder, self.config.invocation_params.dir)

    def remove_folder(self) -> None:
        """Remove the folder of a run without results, unless it has a server's log, which may say why."""
        if "folder" not in self.__dict__ or any(self.folder.glob("*.log")):
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._created_report_dir:
            with contextlib.suppress(OSError):  # another run has started in it
                self.folder.parent.rmdir()

    def add_infos(self, infos: Mapping[str, BenchmarkInfo]) -> None:
        """Add the descriptions of benchmarks from this or another process."""
        for name, info in infos.items():
            self.infos.setdefault(name, info)

    @property
    def errors(self) -> list[tuple[str, str]]:
        """The questions that ended in an error: id and message."""
        return [
            (record.id, record.completion.error)
            for record in self.tally
            if record.completion.error is not None
        ]

    def repeats(self, name: str) -> int:
        """How often each question of a result is asked."""
        info = self.infos.get(name)
        if info is None:  # without xdist, infos are complete at the end only
            suite = self.session.suites.get(self.session.names.benchmark_of(name))
            info = None if suite is None else suite.info
        return 1 if info is None else info.repeats

    @property
    def missing(self) -> int:
        """The number of selected questions (times repeats) that were not counted."""
        selected = sum(
            number * self.repeats(name)
            for name, models in self.findings.plan.items()
            for subjects in models.values()
            for number in subjects.values()
        )
        return selected - self.tally.counts().requested

    @property
    def unanswered(self) -> int:
        """The number of selected questions (times repeats) that have no answer."""
        return self.missing + self.tally.counts().error

    @property
    def stores_answers(self) -> bool:
        """Whether a later run finds the answers of this one in the store."""
        settings, models = self.session.settings, self.session.models
        if settings.no_cache or settings.refresh or self.session.replay is not None:
            return False
        return all(isinstance(models.make(config), Storable) for config in models.configs.values())

    @property
    def complete(self) -> bool:
        """Whether every selected question was answered, apart from allowed errors."""
        return not self.ended_early and self.failed_questions <= self.session.settings.allow_errors

    @property
    def failed_questions(self) -> int:
        """The number of questions (of each model) with an error in any of their repeats."""
        return sum(record.completion.error is not None for record in self.tally)
