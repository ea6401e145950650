"""The run of this session, as it grows: what is counted, what came of it, and where it is written."""

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

from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.run_folder import new_run_folder
from pytest_llmeval.results.summary import Result
from pytest_llmeval.results.tally import Tally

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison
    from pytest_llmeval.analysis.gate import GateResult


class CurrentRun:
    """What the process that reports knows of its run.

    ``infos`` are the benchmarks of the run, ``order`` the index of each item by its node id (xdist only).
    ``errors`` are (question id, message). ``results``, ``verdicts`` and ``comparisons`` are there at the end,
    ``written`` is then the run's folder as it is shown.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.session = config.stash[SESSION]
        self.findings = config.stash[FINDINGS]
        self.tally = Tally()
        self.infos: dict[str, BenchmarkInfo] = {}
        self.order: Mapping[str, int] = {}
        #: the index and (id, model) of each counted item, where ``order`` is known
        self.counted: list[tuple[int, tuple[str, str]]] = []
        self.errors: list[tuple[str, str]] = []
        self.results: tuple[Result, ...] = ()
        self.verdicts: tuple[GateResult, ...] = ()
        self.comparisons: tuple[Comparison, ...] = ()
        self.started = time.time()
        self.written: str | None = None
        self.ended_early = False
        self._made_report_dir = False

    @cached_property
    def folder(self) -> Path:
        """The run's folder, made when first needed. Raises ``UserError``."""
        settings = self.session.settings
        self._made_report_dir = not settings.report_dir.exists()
        name = "+".join(model.name for model in settings.models)
        return new_run_folder(settings.report_dir, settings.run_name, model=name)

    @property
    def shown_folder(self) -> str:
        """The run's folder, as seen from where pytest was started."""
        return os.path.relpath(self.folder, self.config.invocation_params.dir)

    def remove_folder(self) -> None:
        """Leave nothing of a run without results."""
        if "folder" not in self.__dict__:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._made_report_dir:
            with contextlib.suppress(OSError):  # another run has begun in it
                self.folder.parent.rmdir()

    def add_infos(self, infos: Mapping[str, BenchmarkInfo]) -> None:
        """Take over what a process knows of its benchmarks."""
        for name, info in infos.items():
            self.infos.setdefault(name, info)

    @property
    def missing(self) -> int:
        """How many of the selected questions' answers are not counted."""
        selected = sum(
            number
            for of_model in self.findings.planned.values()
            for subjects in of_model.values()
            for number in subjects.values()
        )
        return selected * self.session.settings.repeats - self.tally.counts().requested

    @property
    def complete(self) -> bool:
        """Whether every selected question was answered, but for the errors that are allowed."""
        return not self.ended_early and len(self.errors) <= self.session.settings.allow_errors
