"""Loads the suites of a session once each, and checks them against judge, replay and baseline."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.plugin.command_line import CommandLine
from pytest_llmeval.plugin.pytest_internals import without_capture
from pytest_llmeval.plugin.requested import find_place
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.suites.source import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmeval.suites.suite import Suite


class NothingSelected(Exception):
    """``-k`` can select none of the benchmark's questions."""


def load_suite(
    name: str, start: Path, config: pytest.Config, function: str, selectable: Callable[[Sequence[str]], bool]
) -> Suite:
    """Load the suite called ``name`` for a test function (its node id), once per session.

    ``selectable`` returns whether ``-k`` can select a question of any of these subjects. Raises
    ``NothingSelected`` if it cannot, and ``UserError`` for an invalid benchmark.
    """
    session = config.stash[SESSION]
    source = source_of(name)
    place = find_place(name, start, config)
    key = source.result_name(name, place)
    session.names.add(key, function)
    if key not in session.suites:
        subjects = source.numbered_subjects(name, place)
        if subjects is not None and not selectable(subjects):
            raise NothingSelected
        settings, only = session.settings, None
        if session.replay is not None:
            settings, only = session.replay.settings_of(key, settings), session.replay.ids
        with without_capture(config):  # a download shows its progress
            suite, notes = source.load(name, place, settings, only)
        if session.replay is not None:
            notes += session.replay.check_ids(suite.questions, suite.name)
        _check_metric(suite, session.settings.metric)
        _check_labels(suite, place, config)
        _add_judge(suite, config)
        _register(suite, notes, config)
    suite = session.suites[key]
    if os.path.realpath(place) not in map(os.path.realpath, suite.places):
        raise UserError(f"two benchmarks are called {key!r}: {suite.places[0]} and {place}")
    return suite


def check_judge(benchmarks: set[str], config: pytest.Config) -> None:
    """Check that the judge can answer, if any of the benchmarks needs it.

    Raises ``UserError``, also for a judge of the command line that none of them needs.
    """
    session = config.stash[SESSION]
    suites = [session.suites[name] for name in benchmarks]
    spec = CommandLine.of(config).value("judge", config)
    if spec and suites and not any(suite.judge_prompt is not None or suite.has_labels for suite in suites):
        names = one_line(", ".join(sorted(benchmarks)), 120)
        raise UserError(
            f"--llm-judge={one_line(spec, 80)}: no judge is needed: {names} "
            f"{'is' if len(suites) == 1 else 'are'} scored without one; leave out the option"
        )
    needed = any(suite.judge_prompt is not None and not suite.judged_before for suite in suites)
    if session.models.configs and needed:
        session.models.check_judge()


def _check_metric(suite: Suite, metric: str | None) -> None:
    """Raise ``UserError`` if --llm-metric names another metric than the benchmark's own."""
    if metric not in (None, suite.info.metric):
        raise UserError(
            f"{suite.name}: its metric is set to {suite.info.metric}; leave out --llm-metric={metric}, "
            "which is for files of questions, or change the benchmark.toml"
        )


def _check_labels(suite: Suite, place: Path, config: pytest.Config) -> None:
    """Raise ``UserError`` if --llm-judge-labels names a file without labels."""
    labels = config.stash[SESSION].settings.judge_labels
    if labels is None or suite.has_labels:
        return
    if find_place(labels, config.invocation_params.dir, config) == place:
        raise UserError(
            f"--llm-judge-labels={labels}: no answers with labels; "
            "it needs the columns question, response and label"
        )


def _add_judge(suite: Suite, config: pytest.Config) -> None:
    """Set the suite's judge: the one in the settings, or else that of the replayed run.

    Raises ``UserError`` if the suite needs a judge and there is none.
    """
    from pytest_llmeval.analysis.conditions import JudgeModel

    session = config.stash[SESSION]
    settings = session.settings
    if suite.judge_prompt is None or not settings.models or settings.show_prompts:
        return
    if config.option.collectonly:
        return
    earlier = None if session.replay is None else session.replay.judge_of(suite.name)
    if settings.judge is None:
        if earlier is None:
            raise UserError(
                f"{suite.name}: its answers are judged by a model; "
                'name it with --llm-judge=SPEC, or in llmeval.toml: [judge] model = "SPEC"'
            )
        suite.with_judge(earlier, judged_before=True)
        return
    concurrency, workers = settings.judge.model.concurrency, settings.judge.model.share[1]
    if concurrency is not None and concurrency < workers:
        raise UserError(
            f"the judge {settings.judge.model.name}: each of the {workers} workers uses it, but its "
            f"concurrency is {concurrency}; use -n{concurrency}, or raise its concurrency"
        )
    judge = JudgeModel(
        settings.judge.model.name,
        session.models.judge_identity(),
        suite.judge_prompt.sha256,
        settings.judge.price_in,
        settings.judge.price_out,
    )
    if earlier is not None and not judge.judges_like(earlier):
        config.stash[FINDINGS].notes.append(
            f"{suite.name}: judged again, by {judge.description}; the earlier judge was {earlier.description}"
        )
    suite.with_judge(judge, judged_before=judge.judges_like(earlier))


def _register(suite: Suite, notes: tuple[str, ...], config: pytest.Config) -> None:
    """Add a suite to the session. Raises ``UserError`` if the baseline ran it under other conditions."""
    session = config.stash[SESSION]
    if session.settings.repeats is not None:
        suite.info = replace(suite.info, repeats=session.settings.repeats)
    elif suite.info.repeats > 1 and session.replay is None:
        notes += (
            f"{suite.name} asks each question {suite.info.repeats} times, as its protocol does; "
            "--llm-repeats=1 asks it once",
        )
    if session.replay is not None:
        suite.info, replay_notes = session.replay.with_prompts(suite.info)
        notes += replay_notes
    if session.baseline is not None and not session.settings.baseline_force:
        for model in session.settings.models:
            conditions = replace(suite.info.conditions, system=model.system)
            session.baseline.check(suite.name, conditions, model.name)
    session.suites[suite.name] = suite
    config.stash[FINDINGS].notes += notes
