"""The pytest plugin: options, and which part of the package listens when.

Loading this module imports pytest and the standard library only. Without options of this plugin
(or an llmeval.toml that sets a model) nothing is recorded, printed or written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.options import OPTIONS
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.plugin.state import STATE, State, is_controller, is_worker, worker_share
from pytest_llmeval.runtime.pool import Models, llm, make_say

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import File, Settings
    from pytest_llmeval.models.base import Model
    from pytest_llmeval.results.runs import Run
    from pytest_llmeval.runtime.replay import Earlier
    from pytest_llmeval.runtime.store import Store
    from pytest_llmeval.scoring.extract import Extractor
    from pytest_llmeval.scoring.metrics import Metric
    from pytest_llmeval.suites.suite import Suite

__all__ = ["llm"]

_CONTROLLER = "llmeval-session"
_WITHOUT_MODEL = "llmeval_without_model"
_LIST_HELP = "list the models and benchmarks that match any of the words, and stop"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The contract's options; values are checked together in ``config.resolve``."""
    group = parser.getgroup("llmeval", "LLM evaluation (docs: README of pytest-llmeval-harness)")
    for option in OPTIONS:
        name = f"--llm-{option.name}"
        if option.flag:
            group.addoption(name, dest=option.dest, action="store_true", help=option.help)
        else:
            group.addoption(
                name,
                dest=option.dest,
                action="append" if option.many else "store",
                metavar=option.metavar,
                help=option.help,
                **({"nargs": "?", "const": True} if option.bare else {}),
            )
    group.addoption(
        "--llm-new-benchmark",
        dest="llm_new_benchmark",
        metavar="NAME",
        help="write a folder with a benchmark of one's own to start from, and stop",
    )
    group.addoption("--llm-list", dest="llm_list", nargs="*", metavar="WORD", help=_LIST_HELP)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Hooks that others may implement."""
    from pytest_llmeval.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_llmeval_metrics() -> Mapping[str, Metric]:
    """This package's own."""
    from pytest_llmeval.scoring.metrics import METRICS

    return METRICS


def pytest_llmeval_extractors() -> Mapping[str, Extractor]:
    """This package's own."""
    from pytest_llmeval.scoring.extract import EXTRACTORS

    return EXTRACTORS


@pytest.hookimpl(trylast=True)
def pytest_llmeval_find_benchmark(name: str, start: Path) -> Path:
    """A folder, a file of questions, or what is packaged. Raises ``UserError``."""
    from pytest_llmeval.suites.catalog import find

    return find(name, start)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """``--llm-list`` needs no session; ``--llm-show-prompts`` needs one process."""
    if config.option.llm_show_prompts and hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []
    if config.option.llm_new_benchmark is not None:
        from pytest_llmeval.suites.scaffold import write_benchmark

        try:
            for line in write_benchmark(config.option.llm_new_benchmark, config.invocation_params.dir):
                print(line)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        return int(pytest.ExitCode.OK)
    if config.option.llm_list is None:
        return None
    from pytest_llmeval.suites.listing import listing

    words = " ".join(config.option.llm_list).split()
    for line in listing(words, _file(config), config.invocation_params.dir):
        print(line)
    return int(pytest.ExitCode.OK)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """What ``-n auto`` means with a local model."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    from pytest_llmeval.models.worker_resources import auto_workers

    try:
        settings, earlier = _settings(config, _file(config))
        return None if earlier is not None else auto_workers(settings.models, os.environ)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


def _file(config: pytest.Config) -> File:
    from pytest_llmeval.config.settings import read_file

    try:
        return read_file(list(dict.fromkeys([config.invocation_params.dir, config.rootpath])))
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check what was asked; register the parts that listen when there is a model to ask."""
    config.addinivalue_line(
        "markers",
        "llmeval(benchmark): one item for each question of the benchmark; takes `question` and `llm`",
    )
    from pytest_llmeval.scoring import registry

    registry.use(config.hook.pytest_llmeval_metrics, config.hook.pytest_llmeval_extractors)
    config.add_cleanup(lambda: registry.use(None, None))
    file = _file(config)
    start = config.invocation_params.dir
    suites: dict[str, Suite] = {}
    try:
        settings, earlier = _settings(config, file)

        def make_judge(model: ModelConfig) -> Model:
            return _make_model(config, model, settings.cache_dir)

        def make(model: ModelConfig) -> Model:
            return make_judge(model) if earlier is None else earlier.model(model.name)

        notes: list[str] = []

        def open_store() -> Store:
            from pytest_llmeval.runtime.store import FILE_NAME, Store

            return Store(settings.cache_dir / FILE_NAME, notes.append)

        models = Models(
            settings.models,
            make,
            suites,
            make_say(config),
            notes.append,
            None if settings.no_cache else open_store,
            refresh=settings.refresh,
            earlier=None if earlier is None else earlier.completions,
            repeats=settings.repeats,
            judge=settings.judge,
            judgements=None if earlier is None else earlier.judgements,
            make_judge=make_judge,
        )
        notes += _greedy_repeats(settings)
        if earlier is not None:
            notes.append(f"the answers are those of {os.path.relpath(earlier.folder, start)}, scored again")
        baseline = _baseline(settings, start)
        state = State(settings, models, suites, notes=notes, earlier=earlier, baseline=baseline)
        config.stash[STATE] = state
        makers = [(make, model) for model in settings.models]
        makers += [] if settings.judge is None else [(make_judge, settings.judge.model)]
        for maker, model in makers:
            maker(model)
            if model.ray is not None and is_controller(config):
                raise UserError(
                    f"--llm-ray={model.ray} spreads the questions itself: leave out xdist's -n (or give -n0)"
                )
        if settings.benchmarks:
            _replace_paths(config, state, start)
        if settings.show_prompts:
            from pytest_llmeval.plugin.show_prompts import PromptShow

            config.pluginmanager.register(PromptShow(), "llmeval-prompts")
        elif (settings.models or settings.fail_under or settings.max_drop) and not config.option.collectonly:
            _check_expressions(config)
            _listen(config, state)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


def _settings(config: pytest.Config, file: File) -> tuple[Settings, Earlier | None]:
    """What was asked, and the run whose answers are to be scored again. Raises ``UserError``."""
    from pytest_llmeval.config.settings import resolve

    start = config.invocation_params.dir
    given = {option.key: getattr(config.option, option.dest) for option in OPTIONS}
    settings = resolve(given, file, start=start, environ=os.environ)
    if settings.replay is not None:
        from pytest_llmeval.runtime import replay

        earlier = replay.read(settings.replay, settings.report_dir, start)
        return earlier.settings(settings, paths=config.args_source is config.ArgsSource.ARGS), earlier
    if is_worker(config):
        from pytest_llmeval.models.worker_resources import max_workers

        number, workers = worker_share(config)
        models = [replace(one, share=(number, max_workers(one, workers))) for one in settings.models]
        settings = replace(settings, models=tuple(models))
        if settings.judge is not None:
            judge = replace(settings.judge, model=replace(settings.judge.model, share=(number, workers)))
            settings = replace(settings, judge=judge)
    return settings, None


def _greedy_repeats(settings: Settings) -> list[str]:
    """What is to be said of models that would give the same answer again and again."""
    if settings.repeats == 1 or settings.replay is not None:
        return []
    greedy = [model.name for model in settings.models if not model.temperature]
    said = "without a temperature above 0 its repeats are mostly alike; give --llm-temperature=0.7, say"
    return [f"{name}: {said}" for name in greedy]


def _baseline(settings: Settings, start: Path) -> Run | None:
    """The run to compare with; ``latest`` is the last before this one. Raises ``UserError``."""
    if settings.baseline is None or not settings.models:
        return None
    from pytest_llmeval.results.runs import read_run

    run = read_run(settings.baseline, settings.report_dir, start, "--llm-baseline")
    for model in settings.models:
        run.counterpart(model.name)
    return run


def _check_expressions(config: pytest.Config) -> None:
    """Read ``-k`` and ``-m`` now: in a worker of xdist a wrong one ends in an internal error."""
    from pytest_llmeval.plugin.keyword import syntax_problem

    if is_controller(config):
        for option, expression in (("-k", config.option.keyword), ("-m", config.option.markexpr)):
            if problem := expression and syntax_problem(option, expression):
                raise UserError(problem)


def _listen(config: pytest.Config, state: State) -> None:
    from pytest_llmeval.plugin.recorder import Recorder
    from pytest_llmeval.plugin.session import Controller
    from pytest_llmeval.plugin.xdist.roles import (
        FromWorkers,
        ToController,
        part_name,
        run_folder,
        sent,
        suspects,
    )

    register = config.pluginmanager.register
    if is_worker(config):
        part, folder = part_name(config), run_folder(config)
        recorder = Recorder(config, lambda: folder, part, sent(config), suspects(config))
        register(recorder, "llmeval-recorder")
        register(ToController(config), "llmeval-worker")
        return
    controller = Controller(config)
    register(controller, _CONTROLLER)
    if is_controller(config):
        register(FromWorkers(config, controller), "llmeval-xdist")
    else:
        register(Recorder(config, lambda: controller.folder, "questions.jsonl"), "llmeval-recorder")


def _make_model(config: pytest.Config, model: ModelConfig, cache_dir: Path) -> Model:
    made: Model | None = config.hook.pytest_llmeval_make_model(config=model, cache_dir=cache_dir)
    if made is not None:
        return made
    from pytest_llmeval.models.registry import make_model
    from pytest_llmeval.plugin.xdist.roles import started_server

    def run_folder() -> Path:
        controller: Any = config.pluginmanager.get_plugin(_CONTROLLER)
        return Path(controller.folder)

    return make_model(model, cache_dir, run_folder, started_server(config, model.name))


def _replace_paths(config: pytest.Config, state: State, start: Path) -> None:
    """Let pytest collect the benchmarks of ``--llm-benchmark``, instead of its default paths."""
    from pytest_llmeval.plugin.collect import BenchmarkPaths, benchmark_paths

    paths = benchmark_paths(state.settings, start, config)
    given = config.args if config.args_source is config.ArgsSource.ARGS else []
    config.args = [*given, *map(str, paths)]
    config.pluginmanager.register(BenchmarkPaths(paths), "llmeval-paths")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item a question."""
    if "llm" in metafunc.fixturenames or metafunc.definition.get_closest_marker("llmeval"):
        from pytest_llmeval.plugin.collect import generate_tests

        generate_tests(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise what was found wrong while collecting, and take out benchmarks that cannot run."""
    state = config.stash[STATE]
    if state.problems or state.left_out or state.without_model or state.suites:
        from pytest_llmeval.plugin.collect import finish_collection

        finish_collection(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker of xdist tell what only wants a model; without one nothing else of ours listens."""
    state = session.config.stash.get(STATE, None)
    if state is not None and state.without_model and is_worker(session.config):
        getattr(session.config, "workeroutput")[_WITHOUT_MODEL] = state.without_model  # noqa: B009


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear of it."""
    names = getattr(node, "workeroutput", {}).get(_WITHOUT_MODEL, ())
    node.config.stash[STATE].without_model.extend(names)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was left out, and why."""
    state = config.stash[STATE]
    lines = list(state.left_out)
    if state.without_model:
        from pytest_llmeval.plugin.collect import without_model

        lines.append(without_model(state))
    for line in lines:
        terminalreporter.write_line(f"llmeval: {line}", yellow=True)
