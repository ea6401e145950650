"""Turns benchmarks into pytest items."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.core.benchmark_name import item_name
from pytest_llmeval.core.errors import DataMissing, UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.plugin.command_line import CommandLine
from pytest_llmeval.plugin.items import is_empty, question_of
from pytest_llmeval.plugin.llm_fixture import has_llm, use_own_llm
from pytest_llmeval.plugin.pytest_internals import (
    GeneratedModule,
    collectable,
    has_other_parameters,
    is_worker,
    keyword_matcher,
)
from pytest_llmeval.plugin.requested import asked_by
from pytest_llmeval.plugin.session_gates import check_selected, check_tests
from pytest_llmeval.plugin.session_suites import NothingSelected, check_judge, load_suite
from pytest_llmeval.plugin.state import FINDINGS, SESSION, Session
from pytest_llmeval.suites.source import source_of

if TYPE_CHECKING:
    from pytest_llmeval.plugin.requested import Requested
    from pytest_llmeval.runtime.llm import LLM


def generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generate one item per question (and model) of a test marked ``llmeval``."""
    models = list(metafunc.config.stash[SESSION].models.configs)
    marker = metafunc.definition.get_closest_marker("llmeval")
    if marker is not None:
        try:
            use_own_llm(metafunc)
        except UserError as error:
            metafunc.config.stash[FINDINGS].problems.append(str(error))
    if marker is not None and "question" in metafunc.fixturenames:
        questions = _questions(metafunc, marker)
        ids = [item_name(question.benchmark, question.subject, question.key) for question in questions]
        metafunc.parametrize("question", questions, ids=ids)
    if len(models) > 1 and has_llm(metafunc):
        metafunc.parametrize("llm", models, ids=models, indirect=True, scope="session")


def _questions(metafunc: pytest.Metafunc, marker: pytest.Mark) -> Sequence[Question]:
    config = metafunc.config
    session, findings = config.stash[SESSION], config.stash[FINDINGS]
    start = metafunc.definition.path.parent
    if len(marker.args) != 1 or not isinstance(marker.args[0], str):
        findings.problems.append(f'{metafunc.definition.nodeid}: write @pytest.mark.llmeval("BENCHMARK")')
        return ()
    name = marker.args[0]
    if not (session.models.configs or config.option.collectonly or session.settings.show_prompts):
        findings.without_model.append(name)
        return ()
    questions: list[Question] = []
    try:
        for asked in asked_by(name, session.requested, start, config):
            questions += _questions_of(metafunc, asked.name, asked.parts)
    except UserError as error:
        findings.problems.append(str(error))
    return questions


def _questions_of(metafunc: pytest.Metafunc, name: str, parts: Sequence[str]) -> Sequence[Question]:
    """The questions that a test asks of the benchmark ``name``. Raises ``UserError``."""
    config = metafunc.config
    session, findings = config.stash[SESSION], config.stash[FINDINGS]
    start, function = metafunc.definition.path.parent, metafunc.definition.nodeid
    try:
        suite = load_suite(
            name, start, config, function, lambda subjects: _selectable(metafunc, name, subjects)
        )
    except DataMissing as error:
        if _is_requested(name, session):
            raise
        findings.left_out.append(f"{name} left out: {error}")
        return ()
    except NothingSelected:
        return ()
    return suite.questions_in(parts)


def _selectable(metafunc: pytest.Metafunc, benchmark: str, subjects: Sequence[str]) -> bool:
    """Whether ``-k`` can select a question of any of these subjects."""
    from pytest_llmeval.plugin.keyword import may_select

    expression = metafunc.config.option.keyword
    if not expression or has_other_parameters(metafunc):
        return True
    function = metafunc.definition.name
    models = list(metafunc.config.stash[SESSION].models.configs)
    suffixes = [f"-{model}]" for model in models] if len(models) > 1 else ["]"]
    heads = [f"{function}[{item_name(benchmark, subject, '')}" for subject in subjects]
    names = [(head, suffix) for head in heads for suffix in suffixes]
    return may_select(expression, keyword_matcher(metafunc.definition), names)


def _is_requested(name: str, session: Session) -> bool:
    """Whether an option or a gate on the command line names the benchmark."""
    settings = session.settings
    in_gate = any(
        f"{expression.replace(':', '=').partition('=')[0].strip(' >')}/".startswith(f"{name}/")
        for expression in (*settings.fail_under, *settings.max_drop)
    )
    return in_gate or any(
        Path(item.name.whole).name == Path(name).name and not item.only_in_suites
        for item in session.requested
    )


def finish_collection(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remove items that cannot run, and raise ``pytest.UsageError`` for problems found during collection.

    An xdist worker instead removes all items, and the controller reports the problems.
    """
    session, findings = config.stash[SESSION], config.stash[FINDINGS]
    if findings.problems:
        if not is_worker(config):
            problems = tuple(dict.fromkeys(findings.problems))
            findings.problems.clear()  # pytest itself prints them
            raise pytest.UsageError(*problems)
        items[:] = []
        return
    items[:] = [item for item in items if not is_empty(item)]
    try:
        if not (config.option.collectonly or session.settings.show_prompts):
            questions = [question for item in items if (question := question_of(item)) is not None]
            benchmarks = {question.benchmark for question in questions}
            check_judge(benchmarks, config)
            if session.models.configs:
                check_selected(benchmarks, config)
            check_tests(config)
    except UserError as error:
        if not is_worker(config):
            raise pytest.UsageError(str(error)) from None
        findings.problems.append(str(error))
        items[:] = []


def without_model_line(config: pytest.Config) -> str:
    """The line that lists the benchmarks that did not run for lack of a model, and the option to add."""
    names = list(dict.fromkeys(config.stash[FINDINGS].without_model))
    command_line = CommandLine.of(config)
    if "--llm-model" in command_line.conflicts:
        return f"{', '.join(names)}: no model given; {command_line.conflict_line}"
    benchmarks = config.stash[SESSION].settings.named
    options = [shlex.quote(f"--llm-benchmark={name}") for name in benchmarks]
    selection = " ".join(options or [f"-k test_{Path(names[-1]).stem}"])
    from pytest_llmeval.models.smollm2 import is_installed

    model, meaning = ("smollm2", "") if is_installed() else ("echo", " (always the first choice)")
    return f"{', '.join(names)}: no model given; try: pytest --llm-model={model} {selection}{meaning}"


def benchmark_files(requested: Iterable[Requested]) -> dict[Path, list[str]]:
    """The files that pytest collects for ``--llm-benchmark``, each with the names of its benchmarks."""
    files: dict[Path, list[str]] = {}
    for item in requested:
        for file in source_of(item.name.base).test_files(item.place):
            files.setdefault(file, []).append(item.name.whole)
    return files


class SuiteFile(GeneratedModule):
    """The generated tests of benchmarks without a test file."""

    names: Sequence[str] = ()

    def make_module(self) -> ModuleType:
        """Create a module with one test per benchmark."""
        module = ModuleType("llmeval_tests")
        try:
            tests = source_of(self.names[0]).tests(self.path, self.names)
        except UserError as error:
            self.config.stash[FINDINGS].problems.append(str(error))
            return module
        for function, benchmark in tests.items():
            setattr(module, function, _make_test(benchmark))
        return module


def _make_test(benchmark: str) -> Callable[..., None]:
    @pytest.mark.llmeval(benchmark)
    def test(question: Question, llm: LLM) -> None:
        assert llm.correct(question)

    return test


class BenchmarkFiles:
    """Collects the files of ``--llm-benchmark`` from any folder, including virtual environments.

    ``given`` are the paths on the command line. If pytest collects a folder only because it accepts no path
    to a file in it, nothing else in the folder is collected.
    """

    def __init__(self, files: Mapping[Path, Sequence[str]], given: Sequence[Path]) -> None:
        self._files = files
        self._parents = {parent for path in files for parent in path.parents}
        self._searched = {folder for path in files if (folder := collectable(path)) != path}
        self._given = given

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Collect a benchmark's file and the folders above it, even if pytest would ignore them."""
        if collection_path in self._files or collection_path in self._parents:
            return False
        if self._searched.isdisjoint(collection_path.parents):
            return None
        is_given = any(
            path.is_relative_to(collection_path) or collection_path.is_relative_to(path)
            for path in self._given
        )
        return None if is_given else True

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Generate tests for a folder of files of questions."""
        return self._suite_file(path, parent) if path in self._files else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Generate tests for a file that is not Python: a benchmark.toml or a file of questions."""
        if file_path not in self._files or file_path.suffix == ".py":
            return None
        return self._suite_file(file_path, parent)

    def _suite_file(self, path: Path, parent: pytest.Collector) -> SuiteFile:
        names = self._files[path]
        nodeid = source_of(names[0]).node_name or _nodeid(path, parent)
        file: SuiteFile = SuiteFile.from_parent(parent, path=path, nodeid=nodeid)
        file.names = names
        return file

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        """Set the node ids of files outside the project's folder; pytest's own would contain no file name."""
        nodeid = _nodeid(module_path, parent) if module_path in self._files else None
        if nodeid is None:
            return None
        module: pytest.Module = pytest.Module.from_parent(parent, path=module_path, nodeid=nodeid)
        return module


def _nodeid(path: Path, parent: pytest.Collector) -> str | None:
    """The node id of a file outside the project's folder, as ``ceval/test_ceval.py``; else None."""
    return None if path.is_relative_to(parent.config.rootpath) else f"{path.parent.name}/{path.name}"
