"""The pytest plugin: adds the options, and registers the other modules' plugins if a session needs them.

Loading this module imports pytest and the standard library only. If no option of this plugin is
used and no llmeval.toml sets a model, nothing is recorded, printed or written.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.hostile_text import escaped, without_commands
from pytest_llmeval.plugin.command_line import CommandLine, misspelt_options
from pytest_llmeval.plugin.llm_fixture import llm
from pytest_llmeval.plugin.pytest_internals import (
    check_supported,
    collectable,
    command_line_paths,
    is_controller,
    is_worker,
    set_paths,
    use_one_process,
)
from pytest_llmeval.plugin.state import FINDINGS, SESSION, Findings, Session

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import File, Settings
    from pytest_llmeval.models.base import Model
    from pytest_llmeval.plugin.requested import Requested
    from pytest_llmeval.results.runs import Run
    from pytest_llmeval.runtime.replay import Replay
    from pytest_llmeval.runtime.store import Store
    from pytest_llmeval.scoring.extract import Extractor
    from pytest_llmeval.scoring.metrics import Metric
    from pytest_llmeval.suites.suite import Suite

__all__ = ["llm"]

_CONTROLLER = "llmeval-session"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options; ``config.settings.resolve`` validates their values together."""
    CommandLine(parser, pluginmanager)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Watch for options of the same names until all plugins have added theirs; refuse misspelt ones."""
    try:
        result = yield
    finally:
        CommandLine.of(early_config).stop_watching()
    known = early_config.known_args_namespace
    if not (known.help or known.version):
        _, unknown = parser.parse_known_and_unknown_args(args, copy(known))
        if problem := misspelt_options(unknown):
            raise pytest.UsageError(problem)
    return result


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the options that another plugin has taken."""
    line = CommandLine.of(config).conflict_line
    return [f"llmeval: {line}"] if line else []


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that other plugins may implement."""
    from pytest_llmeval.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_llmeval_metrics() -> Mapping[str, Metric]:
    """Provide the packaged metrics."""
    from pytest_llmeval.scoring.metrics import METRICS

    return METRICS


def pytest_llmeval_extractors() -> Mapping[str, Extractor]:
    """Provide the packaged extractors."""
    from pytest_llmeval.scoring.extract import EXTRACTORS

    return EXTRACTORS


@pytest.hookimpl(trylast=True)
def pytest_llmeval_find_benchmark(name: str, start: Path) -> Path:
    """Find a packaged benchmark, a folder or a file of questions. Raises ``UserError``."""
    from pytest_llmeval.suites.catalog import find

    return find(name, start)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the options that need no session; show prompts in one process."""
    command_line = CommandLine.of(config)
    if command_line.value("show_prompts", config):
        use_one_process(config)
    new_benchmark = command_line.value("new_benchmark", config)
    if new_benchmark is not None:
        from pytest_llmeval.suites.scaffold import write_benchmark

        try:
            metric = command_line.value("metric", config) or "choice"
            for line in write_benchmark(new_benchmark, metric, config.invocation_params.dir):
                print(line)
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        return int(pytest.ExitCode.OK)
    if names := command_line.value("fetch", config):
        return _fetch(names, config)
    list_words = command_line.value("list", config)
    if list_words is None:
        return None
    from pytest_llmeval.suites.listing import listing

    words, file = " ".join(list_words).split(), _file(config)
    try:
        settings = _data_settings(config, file)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    for line in listing(words, file, config.invocation_params.dir, settings):
        print(line)
    return int(pytest.ExitCode.OK)


def _fetch(texts: Sequence[str], config: pytest.Config) -> int:
    """Download data, and return the exit code: 1 if that of a benchmark could not be had."""
    from pytest_llmeval.plugin.fetch import Fetching, split_names
    from pytest_llmeval.scoring import registry

    registry.use(config.hook.pytest_llmeval_metrics, config.hook.pytest_llmeval_extractors)
    config.add_cleanup(lambda: registry.use(None, None))
    names = split_names(texts, config.invocation_params.dir)
    try:
        fetching = Fetching(_data_settings(config, _file(config), benchmark=list(names)), config)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    for line in fetching.lines():
        print(line, flush=True)
    return int(pytest.ExitCode.TESTS_FAILED if fetching.failed else pytest.ExitCode.OK)


def _data_settings(config: pytest.Config, file: File, **options: object) -> Settings:
    """The settings of where data is; models are not among them. Raises ``UserError``."""
    from pytest_llmeval.config.settings import resolve

    command_line = CommandLine.of(config)
    folders = {key: command_line.value(key, config) for key in ("data_dir", "cache_dir")}
    places = {key: value for key, value in file.values.items() if key in folders}
    only_data = replace(file, values=places)
    return resolve({**folders, **options}, only_data, start=config.invocation_params.dir, environ=os.environ)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Limit ``-n auto`` to the workers that local models have resources for."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    from pytest_llmeval.models.worker_resources import auto_workers

    try:
        settings, replay = _settings(config, _file(config))
        return None if replay is not None else auto_workers(settings.models, os.environ)
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
    """Validate the options; register the recording and reporting plugins if there is a model to run."""
    config.addinivalue_line(
        "markers",
        "llmeval(benchmark): generate one item per question; the test takes `question` and `llm`",
    )
    from pytest_llmeval.scoring import registry

    registry.use(config.hook.pytest_llmeval_metrics, config.hook.pytest_llmeval_extractors)
    config.add_cleanup(lambda: registry.use(None, None))
    try:
        session = _start_session(config, _file(config))
        _check_models(config, session)
        settings = session.settings
        if settings.benchmarks:
            _replace_paths(config, session)
        if settings.show_prompts:
            from pytest_llmeval.plugin.show_prompts import PromptPrinter

            config.pluginmanager.register(PromptPrinter(), "llmeval-prompts")
        elif (settings.models or settings.fail_under or settings.max_drop) and not config.option.collectonly:
            check_supported(config)
            _check_expressions(config)
            _register_listeners(config)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None


def _start_session(config: pytest.Config, file: File) -> Session:
    """Create the session and its findings in ``config.stash``. Raises ``UserError``."""
    from pytest_llmeval.runtime.pool import ModelPool

    start = config.invocation_params.dir
    settings, replay = _settings(config, file)
    if replay is None and not is_worker(config):
        settings = _with_found_names(config, settings)
    findings = config.stash[FINDINGS] = Findings(notes=_greedy_repeats(settings))
    if replay is not None:
        findings.notes.append(
            f"answers were replayed from {os.path.relpath(replay.folder, start)} and scored again"
        )

    def make_judge(model: ModelConfig) -> Model:
        return _make_model(config, model, settings.cache_dir)

    def make(model: ModelConfig) -> Model:
        return make_judge(model) if replay is None else replay.model(model.name)

    def open_store() -> Store:
        from pytest_llmeval.runtime.store import FILE_NAME, Store

        return Store(settings.cache_dir / FILE_NAME, findings.notes.append)

    suites: dict[str, Suite] = {}
    models = ModelPool(
        settings.models,
        make,
        suites,
        findings.notes.append,
        None if settings.no_cache else open_store,
        refresh=settings.refresh,
        replay=replay,
        judge=settings.judge,
        make_judge=make_judge,
    )
    requested = _requested(config, settings, replay)
    session = Session(settings, models, suites, replay, _baseline(settings, start), requested=requested)
    config.stash[SESSION] = session
    config.pluginmanager.register(session.names, "llmeval-result-names")
    return session


def _requested(config: pytest.Config, settings: Settings, replay: Replay | None) -> tuple[Requested, ...]:
    """The benchmarks of ``--llm-benchmark``. Raises ``UserError`` for an unknown one."""
    if not settings.benchmarks:
        return ()
    from pytest_llmeval.plugin.requested import find_requested

    try:
        return find_requested(settings, config)
    except UserError as error:
        if replay is None:
            raise
        raise replay.unknown_benchmark(error, settings.benchmarks) from None


def _check_models(config: pytest.Config, session: Session) -> None:
    """Raise ``UserError`` for a model or judge that cannot be created."""
    models = [(session.models.make, model) for model in session.settings.models]
    if session.settings.judge is not None:
        models.append((session.models.make_judge, session.settings.judge.model))
    for make, model in models:
        make(model)
        if model.ray is not None and is_controller(config):
            raise UserError(
                f"--llm-ray={model.ray} distributes the questions itself; omit xdist's -n (or use -n0)"
            )


def _settings(config: pytest.Config, file: File) -> tuple[Settings, Replay | None]:
    """Resolve the settings, and the run to replay if any. Raises ``UserError``."""
    from pytest_llmeval.config.settings import resolve

    start = config.invocation_params.dir
    options = CommandLine.of(config).values(config)
    settings = resolve(options, file, start=start, environ=os.environ)
    if settings.replay is not None:
        from pytest_llmeval.runtime.replay import read_replay

        replay = read_replay(settings.replay, settings.report_dir, start)
        return replay.settings(settings, paths=bool(command_line_paths(config))), replay
    if is_worker(config):
        from pytest_llmeval.models.worker_resources import max_workers
        from pytest_llmeval.plugin.xdist.messages import WorkerInput

        start_message = WorkerInput.of(config)
        number, workers = start_message.share
        models = [
            replace(start_message.named(model), share=(number, max_workers(model, workers)))
            for model in settings.models
        ]
        settings = replace(settings, models=tuple(models))
        if settings.judge is not None:
            judge = replace(settings.judge, model=replace(settings.judge.model, share=(number, workers)))
            settings = replace(settings, judge=judge)
    return settings, None


def _with_found_names(config: pytest.Config, settings: Settings) -> Settings:
    """Name models without a name after those that their servers have, unless nothing will be asked."""
    if (
        config.option.collectonly
        or settings.show_prompts
        or not any(model.backend == "openai" for model in settings.models)
    ):
        return settings
    from pytest_llmeval.models.openai.found_names import with_found_names

    return replace(settings, models=with_found_names(settings.models))


def _greedy_repeats(settings: Settings) -> list[str]:
    """Notes on models whose repeats would be mostly identical."""
    if settings.repeats in (None, 1) or settings.replay is not None:
        return []
    greedy = [model.name for model in settings.models if not model.temperature]
    note = "at temperature 0 repeats are mostly identical; set for example --llm-temperature=0.7"
    return [f"{name}: {note}" for name in greedy]


def _baseline(settings: Settings, start: Path) -> Run | None:
    """Read the run to compare with; ``latest`` is the run before this one. Raises ``UserError``."""
    if settings.baseline is None or not settings.models:
        return None
    from pytest_llmeval.results.runs import read_run

    run = read_run(settings.baseline, settings.report_dir, start, "--llm-baseline")
    for model in settings.models:
        run.counterpart(model.name)
    return run


def _check_expressions(config: pytest.Config) -> None:
    """Validate ``-k`` and ``-m`` early: a syntax error in an xdist worker would be an internal error."""
    from pytest_llmeval.plugin.keyword import syntax_problem

    if is_controller(config):
        for option, expression in (("-k", config.option.keyword), ("-m", config.option.markexpr)):
            if problem := expression and syntax_problem(option, expression):
                raise UserError(problem)


def _register_listeners(config: pytest.Config) -> None:
    from pytest_llmeval.plugin.recorder import Recorder

    register = config.pluginmanager.register
    if is_worker(config):
        from pytest_llmeval.plugin.xdist.messages import WorkerInput
        from pytest_llmeval.plugin.xdist.worker import WorkerSide, queue

        start = WorkerInput.of(config)
        recorder = Recorder(config, lambda: start.folder, start.part_name, queue(config), start.suspects)
        register(recorder, "llmeval-recorder")
        register(WorkerSide(config), "llmeval-worker")
        return
    from pytest_llmeval.plugin.session import Controller

    controller = Controller(config)
    register(controller, _CONTROLLER)
    if is_controller(config):
        from pytest_llmeval.plugin.xdist.controller import ControllerSide

        register(ControllerSide(config, controller.run), "llmeval-xdist")
    else:
        register(Recorder(config, lambda: controller.run.folder, "questions.jsonl"), "llmeval-recorder")


def _make_model(config: pytest.Config, model: ModelConfig, cache_dir: Path) -> Model:
    backend: Model | None = config.hook.pytest_llmeval_make_model(config=model, cache_dir=cache_dir)
    if backend is not None:
        return backend
    from pytest_llmeval.models.registry import make_model
    from pytest_llmeval.plugin.xdist.messages import find_server

    def run_folder() -> Path:
        controller: Any = config.pluginmanager.get_plugin(_CONTROLLER)
        return Path(controller.run.folder)

    return make_model(model, cache_dir, run_folder, find_server(config, model.name))


def _replace_paths(config: pytest.Config, session: Session) -> None:
    """Make pytest collect the benchmarks of ``--llm-benchmark`` instead of its default paths."""
    from pytest_llmeval.plugin.collect import BenchmarkFiles, benchmark_files

    files = benchmark_files(session.requested)
    paths = command_line_paths(config)
    set_paths(config, [*paths, *dict.fromkeys(map(collectable, files))])
    given = [config.invocation_params.dir / path.partition("::")[0] for path in paths]
    config.pluginmanager.register(BenchmarkFiles(files, given), "llmeval-paths")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generate one item per question."""
    if "llm" in metafunc.fixturenames or metafunc.definition.get_closest_marker("llmeval"):
        from pytest_llmeval.plugin.collect import generate_tests

        generate_tests(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise problems found during collection, and remove items of benchmarks that cannot run."""
    findings = config.stash[FINDINGS]
    if findings.problems or findings.left_out or findings.without_model or config.stash[SESSION].suites:
        from pytest_llmeval.plugin.collect import finish_collection

        finish_collection(config, items)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send an xdist worker's findings to the controller after its models were closed."""
    config = session.config
    if is_worker(config) and SESSION in config.stash:
        findings = config.stash[FINDINGS]
        if findings != Findings() or config.stash[SESSION].suites:
            from pytest_llmeval.plugin.xdist.messages import WorkerMessage

            WorkerMessage.of(config).send(config)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_testnodedown(node: Any) -> None:
    """Merge the findings of a finished worker; a crashed worker sends none."""
    from pytest_llmeval.plugin.xdist.messages import WorkerMessage

    message = WorkerMessage.read(node)
    if message is not None:
        node.config.stash[FINDINGS].merge(message.findings)
        controller = node.config.pluginmanager.get_plugin(_CONTROLLER)
        if controller is not None:
            controller.run.add_infos(message.infos)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report the benchmarks that did not run, and why."""
    findings = config.stash[FINDINGS]
    lines = list(findings.left_out)
    if findings.without_model:
        from pytest_llmeval.plugin.collect import without_model_line

        lines.append(without_model_line(config))
    for line in lines:
        terminalreporter.write_line(f"llmeval: {without_commands(escaped(line))}", yellow=True)
