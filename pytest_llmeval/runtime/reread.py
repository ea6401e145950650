"""``python -m pytest_llmeval reread``: extracts the answers of a finished run again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import read_file, resolve
from pytest_llmeval.core.errors import RequestFailed, UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.reread import Reading, Reread
from pytest_llmeval.results.run_folder import find_run
from pytest_llmeval.runtime.replay import Replay, read_replay
from pytest_llmeval.scoring.answer_sets import relabel
from pytest_llmeval.suites.choice_order import original, presented
from pytest_llmeval.suites.folder_suite import FolderSuite
from pytest_llmeval.suites.source import source_of


def reread(
    run: str, extractor: str | None, benchmarks: Sequence[str], options: Mapping[str, object], start: Path
) -> list[Reread]:
    """Read the texts of ``run`` again, with ``extractor`` or, if None, with that of each benchmark now.

    ``benchmarks`` are names or paths; empty means those of the run. ``options`` are options of a run, such as
    ``report_dir`` and ``data_dir``. Raises ``UserError``.
    """
    settings = resolve(options, read_file([start]), start=start, environ=os.environ)
    find_run(run, settings.report_dir, start, f"reread {run}")
    replay = read_replay(run, settings.report_dir, start)
    settings = replay.settings(settings, paths=False)
    rereads = []
    for name in benchmarks or settings.benchmarks:
        source = source_of(name)
        try:
            place = source.place(name, start)
        except UserError as error:
            raise replay.unknown_benchmark(error, [name]) from None
        asked = replay.settings_of(source.result_name(name, place), settings)
        suite, _ = source.load(name, place, asked, replay.ids)
        if not isinstance(suite, FolderSuite):
            raise UserError(f"reread: {name}: its answers are not read by an extractor")
        if extractor is not None:
            suite = suite.with_extractor(extractor)
        questions = {question.id: question for question in suite.questions}
        for model in replay.models:
            readings = list(_readings(suite, questions, replay, model))
            if readings:
                rereads.append(Reread(suite.name, model, suite.extractor, readings))
    if not rereads:
        raise UserError(
            f"reread: {replay.folder} has no texts of {', '.join(benchmarks or settings.benchmarks)}"
        )
    return rereads


def _readings(
    suite: FolderSuite, questions: Mapping[str, Question], replay: Replay, model: str
) -> Iterator[Reading]:
    config = ModelConfig(name=model, backend="replay")
    for (id, *_), record in replay.answers.get(model, {}).items():
        question = questions.get(id)
        if question is not None and record.completion.error is None and not record.completion.scores:
            yield _reading(suite, question, record, config)


def _reading(suite: FolderSuite, question: Question, record: Record, config: ModelConfig) -> Reading:
    order = record.order or tuple(question.choices)
    shown = presented(question, order)
    answer = None
    try:
        answer = suite.read(shown, record.completion)
        correct = suite.grade(shown, record.completion, config, record.judgement).correct
    except RequestFailed:
        correct = False
    labels = original(question, order)
    return Reading(
        record.id,
        record.completion.text,
        record.target,
        record.answer,
        answer if answer is None else relabel(answer, labels, tuple(question.choices)),
        record.outcome.value == "correct",
        correct,
    )
