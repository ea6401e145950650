"""Writes the files of a finished run into its folder."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.redact import redact
from pytest_llmeval.core.run_info import RunInfo, machine, versions
from pytest_llmeval.plugin.command_line import CommandLine
from pytest_llmeval.report.run_files import write_run
from pytest_llmeval.results.question_log import QUESTIONS, merge, read_records
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.run_folder import LATEST, point_latest
from pytest_llmeval.results.submission import write_submissions
from pytest_llmeval.suites.source import source_of

if TYPE_CHECKING:
    from pytest_llmeval.plugin.current_run import CurrentRun
    from pytest_llmeval.results.summary import Result


def write_files(run: CurrentRun) -> None:
    """Write results.json and all files derived from it, each on its own.

    A file that cannot be written becomes a line of the findings and costs no other file.
    """
    folder, findings = run.folder, run.findings
    with _each(QUESTIONS, findings.unwritten):
        _merge_parts(run)
    run.results = tuple(_with_task_scores(result, run) for result in run.results)
    info = RunInfo(
        name=folder.name,
        started=datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        duration_s=round(time.time() - run.started, 3),
        complete=run.complete,
        command=command_line(run.config),
        versions=versions(),
        machine=machine(),
    )
    each = partial(_each, lines=findings.unwritten)
    write_run(folder, info, run.results, run.verdicts, run.errors, run.comparisons, run.suites, each)
    if any(result.counts.answered for result in run.results):
        with _each("the submission", findings.unwritten):
            write_submissions(folder)
    with _each(LATEST, findings.notes):
        point_latest(folder.parent, folder)
    run.shown_path = run.shown_folder
    _write_outlets(run, info)


@contextmanager
def _each(name: str, lines: list[str]) -> Iterator[None]:
    """Turn an error while the file ``name`` is written into one of the ``lines``."""
    try:
        yield
    except Exception as error:
        lines.append(f"{name} could not be written: {one_line(error)}")


def _merge_parts(run: CurrentRun) -> None:
    """Merge the parts of questions.jsonl that xdist workers wrote."""
    folder = run.folder
    # a worker may crash between writing a line and reporting it: then a later worker's line counts
    parts = sorted(folder.glob("questions.gw*.jsonl"), key=_start_order)
    if parts:
        merge(parts, folder / QUESTIONS, [key for _, key in sorted(run.record_keys)] or None)
        for part in parts:
            part.unlink()


def _start_order(part: Path) -> float:
    """The sort key of a part: the number of its worker; the controller's part is last."""
    number = part.name.removeprefix("questions.gw").removesuffix(".jsonl")
    return int(number) if number.isdigit() else float("inf")


def _with_task_scores(result: Result, run: CurrentRun) -> Result:
    """Add the scores that the benchmark's source computes beside accuracy, if any."""
    records = (
        record
        for record in read_records(run.folder / QUESTIONS)
        if record.model == result.model and record.benchmark == result.benchmark
    )
    source, settings = source_of(result.base), run.session.settings
    try:
        return replace(result, task_scores=source.task_scores(result.base, settings, records))
    except Exception as error:  # raised by code of a task or library
        run.findings.notes.append(f"{result.benchmark}: task scores could not be computed: {one_line(error)}")
        return result


def _write_outlets(run: CurrentRun, info: RunInfo) -> None:
    from pytest_llmeval.report import outlets

    settings = run.session.settings
    try:
        rerun = _rerun(run)
    except Exception:  # a benchmark's folder was deleted during the run
        rerun = Rerun()
    report = outlets.Report(
        run.folder,
        info,
        run.results,
        run.verdicts,
        tuple(run.errors),
        rerun,
        run.comparisons,
        run.suites,
    )
    wanted = outlets.select_outlets(settings.badge, settings.plot, os.environ, sheet=settings.questions_csv)
    for outlet in wanted:
        with _each(outlet.name, run.findings.notes):
            outlet.write(report)


def _rerun(run: CurrentRun) -> Rerun:
    """Describe how this run was started, for commands that rerun one question."""
    config, session = run.config, run.session
    start = config.invocation_params.dir
    values = CommandLine.of(config).values(config)
    if session.replay is not None:  # "latest" will refer to another run
        values["replay"] = os.path.relpath(session.replay.folder, start)
    selected = {item.result: item.name.whole for item in session.requested}
    names = {info.name: selected[info.benchmark] for info in run.infos.values() if info.benchmark in selected}
    tests = {info.name: info.test for info in run.infos.values() if info.name != info.benchmark and info.test}
    specs = zip((model.name for model in session.settings.models), session.settings.specs, strict=False)
    return Rerun(values, dict(specs), names, config.rootpath, start, tests)


def command_line(config: pytest.Config) -> str:
    """The command line on one line, with credentials in URLs redacted."""
    return shlex.join(["pytest", *(redact(one_line(arg, 1000)) for arg in config.invocation_params.args)])
