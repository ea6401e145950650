"""From benchmark folders to pytest items."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from _pytest.mark import KeywordMatcher

from pytest_llmeval.core.errors import DataMissing, UserError
from pytest_llmeval.lm_eval.names import function_name, is_task
from pytest_llmeval.plugin.state import STATE, State, is_worker
from pytest_llmeval.suites.suite import Suite, load_suite

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.core.types import Question


def generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item a question (and model) of a test marked ``llmeval``."""
    state = metafunc.config.stash[STATE]
    models = list(state.models.configs)
    marker = metafunc.definition.get_closest_marker("llmeval")
    if marker is not None and "question" in metafunc.fixturenames:
        questions = _questions(metafunc, marker, state)
        metafunc.parametrize("question", questions, ids=[f"{q.subject}-{q.key}" for q in questions])
    if len(models) > 1 and "llm" in metafunc.fixturenames:
        metafunc.parametrize("llm", models, ids=models, indirect=True, scope="session")


def _questions(metafunc: pytest.Metafunc, marker: pytest.Mark, state: State) -> Sequence[Question]:
    config = metafunc.config
    here = metafunc.definition.path.parent
    if len(marker.args) != 1 or not isinstance(marker.args[0], str):
        state.problems.append(f'{metafunc.definition.nodeid}: write @pytest.mark.llmeval("BENCHMARK")')
        return ()
    name = marker.args[0]
    if not (state.models.configs or config.option.collectonly or state.settings.show_prompts):
        state.without_model.append(name)
        return ()
    try:
        return suite_for(name, here, metafunc, state).questions
    except DataMissing as error:
        if _asked_for(name, state.settings):
            state.problems.append(str(error))
        else:
            state.left_out.append(f"{name} left out: {error}")
    except _NothingSelected:
        pass
    except UserError as error:
        state.problems.append(str(error))
    return ()


class _NothingSelected(Exception):
    """``-k`` can select none of the benchmark's questions."""


def suite_for(name: str, near: Path, metafunc: pytest.Metafunc, state: State) -> Suite:
    """The suite called ``name``, read once a session. Raises ``UserError``."""
    from pytest_llmeval.suites import catalog

    only = None if state.earlier is None else state.earlier.ids
    if is_task(name):
        if name not in state.suites:
            from pytest_llmeval.lm_eval.suite import load_task_suite

            _take(*load_task_suite(name, state.settings, only), state)
        return state.suites[name]
    folder = find_benchmark(name, near, metafunc.config)
    called = catalog.load(folder).name
    if called not in state.suites:
        if not _selectable(metafunc, folder, state):
            raise _NothingSelected
        suite, notes = load_suite(folder, state.settings, only)
        _take(_with_judge(suite, folder, metafunc.config, state), notes, state)
    elif folder not in (state.suites[called].benchmark.folder, state.suites[called].benchmark.file):
        raise UserError(
            f"two benchmarks are called {called!r}: {state.suites[called].benchmark.folder} and {folder}"
        )
    return state.suites[called]


def _with_judge(suite: Suite, folder: Path, config: pytest.Config, state: State) -> Suite:
    """The suite with the judge of its answers: today's, or that of the run that is scored again.

    Raises ``UserError`` where none is named, and for labels that are none.
    """
    from pytest_llmeval.results.judge_usage import JudgeInfo
    from pytest_llmeval.scoring.metrics.agreement import LabelledPrompts

    settings, name = state.settings, suite.benchmark.name
    labels = settings.judge_labels
    if (
        labels is not None
        and not isinstance(suite.builder, LabelledPrompts)
        and find_benchmark(labels, config.invocation_params.dir, config) == folder
    ):
        raise UserError(
            f"--llm-judge-labels={labels}: no answers with labels; "
            "it needs the columns question, response and label"
        )
    if suite.grading is None or not settings.models or config.option.collectonly or settings.show_prompts:
        return suite
    before = None if state.earlier is None else state.earlier.judges.get(name)
    if settings.judge is None:
        if before is None:
            raise UserError(
                f"{name}: its answers are judged by a model; "
                'name it with --llm-judge=SPEC, or in llmeval.toml: [judge] model = "SPEC"'
            )
        return replace(suite, info=replace(suite.info, judge=before), judged_before=True)
    most, workers = settings.judge.model.concurrency, settings.judge.model.share[1]
    if most is not None and most < workers:
        raise UserError(
            f"the judge {settings.judge.model.name}: each of the {workers} workers asks it, but its "
            f"concurrency is {most}; give -n{most}, or more concurrency"
        )
    judge = JudgeInfo(
        settings.judge.model.name,
        state.models.judge_identity(),
        suite.grading.sha256,
        settings.judge.price_in,
        settings.judge.price_out,
    )
    if before is not None and not judge.same(before):
        state.notes.append(f"{name}: judged again, by {judge.way}; then it was {before.way}")
    return replace(suite, info=replace(suite.info, judge=judge), judged_before=judge.same(before))


def check_judge(items: Sequence[pytest.Item], state: State) -> None:
    """Look whether the judge can answer, if any of the items wants it. Raises ``UserError``."""
    wanted = {question.benchmark for item in items if (question := question_of(item)) is not None}
    suites = (state.suites[name] for name in wanted)
    if state.models.configs and any(one.grading is not None and not one.judged_before for one in suites):
        state.models.check_judge()


def _take(suite: Suite, notes: Sequence[str], state: State) -> None:
    """Let a suite be the session's. Raises ``UserError`` where the baseline was asked in another way."""
    if state.earlier is not None:
        info, said = state.earlier.asked_as(suite.info)
        suite, notes = replace(suite, info=info), (*notes, *said)
    if state.baseline is not None and not state.settings.baseline_force:
        from pytest_llmeval.results.runs import way_of

        state.baseline.check(suite.benchmark.name, way_of(suite.info))
    state.suites[suite.benchmark.name] = suite
    state.notes += notes


def find_benchmark(name: str, near: Path, config: pytest.Config) -> Path:
    """The folder or file of questions that ``name`` means; plugins are asked first. Raises ``UserError``.

    All tasks of lm-evaluation-harness have one place, from which they are collected.
    """
    if is_task(name):
        from pytest_llmeval.lm_eval.suite import PLACE

        return PLACE
    found: Path = config.hook.pytest_llmeval_find_benchmark(name=name, start=near)
    return found


def _selectable(metafunc: pytest.Metafunc, folder: Path, state: State) -> bool:
    from pytest_llmeval.plugin.keyword import may_select
    from pytest_llmeval.suites import catalog

    expression = metafunc.config.option.keyword
    if not expression:
        return True
    benchmark = catalog.load(folder)
    if benchmark.data.ids != "number" or not benchmark.subjects:
        return True
    function = metafunc.definition.name
    models = list(state.models.configs)
    ends = [f"-{model}]" for model in models] if len(models) > 1 else ["]"]
    names = [(f"{function}[{subject}-", end) for subject in benchmark.subjects for end in ends]
    return may_select(expression, KeywordMatcher.from_item(metafunc.definition), names)


def _asked_for(name: str, settings: Settings) -> bool:
    gated = any(
        expression.replace(":", "=").partition("=")[0].strip(" >") == name
        for expression in (*settings.fail_under, *settings.max_drop)
    )
    return gated or any(Path(given).name == Path(name).name for given in settings.benchmarks)


def finish_collection(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what cannot run and raise what was found wrong.

    Raises ``pytest.UsageError``; an xdist worker instead drops all items and lets the controller
    report the problem.
    """
    state = config.stash[STATE]
    if state.problems:
        if not is_worker(config):
            said = tuple(dict.fromkeys(state.problems))
            state.problems.clear()  # pytest itself prints them
            raise pytest.UsageError(*said)
        items[:] = []
        return
    items[:] = [item for item in items if not _is_empty(item)]
    try:
        if not (config.option.collectonly or state.settings.show_prompts):
            check_judge(items, state)
    except UserError as error:
        if not is_worker(config):
            raise pytest.UsageError(str(error)) from None
        state.problems.append(str(error))
        items[:] = []


def without_model(state: State) -> str:
    """The line that says which benchmarks were not asked for want of a model, and what to do."""
    names = list(dict.fromkeys(state.without_model))
    asked = [shlex.quote(f"--llm-benchmark={name}") for name in state.settings.benchmarks]
    chosen = " ".join(asked or [f"-k test_{names[-1]}"])
    return f"{', '.join(names)}: no model given; try: pytest --llm-model=smollm2 {chosen}"


def _is_empty(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if callspec is None or item.get_closest_marker("llmeval") is None:
        return False
    return question_of(item) is None and "question" in callspec.params


def question_of(item: pytest.Item) -> Question | None:
    """The question that an item asks, if it is one of ours."""
    callspec = getattr(item, "callspec", None)
    question = None if callspec is None else callspec.params.get("question")
    return question if hasattr(question, "benchmark") else None


def model_of(item: pytest.Item, state: State) -> str:
    """The name of the model that an item asks."""
    name: str | None = getattr(item, "callspec").params.get("llm")  # noqa: B009
    return name if name is not None else next(iter(state.models.configs))


def planned(items: Sequence[pytest.Item], state: State) -> dict[str, dict[str, dict[str, int]]]:
    """How many questions are to be asked: benchmark -> model -> subject -> count."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for item in items:
        question = question_of(item)
        if question is not None and state.models.configs:
            subjects = counts.setdefault(question.benchmark, {}).setdefault(model_of(item, state), {})
            subjects[question.subject] = subjects.get(question.subject, 0) + 1
    return counts


def benchmark_paths(settings: Settings, start: Path, config: pytest.Config) -> list[Path]:
    """What pytest should collect for ``--llm-benchmark``. Raises ``UserError`` for an unknown one."""
    from pytest_llmeval.suites.spec import FILE_NAME

    paths = []
    for given in settings.benchmarks:
        folder = find_benchmark(given, start, config)
        if folder.is_file():
            paths.append(folder)
            continue
        tests = sorted(folder.glob("test_*.py"))
        paths += tests or [folder / FILE_NAME]
    return list(dict.fromkeys(paths))


def benchmark_name(given: str, start: Path, config: pytest.Config) -> str:
    """What a benchmark that was asked for is called in results. Raises ``UserError``."""
    from pytest_llmeval.suites import catalog

    return given if is_task(given) else catalog.load(find_benchmark(given, start, config)).name


class BenchmarkFile(pytest.Module):
    """A benchmark folder without a test file, or a file of questions: the test that everybody would write."""

    def _getobj(self) -> ModuleType:
        from pytest_llmeval.suites.catalog import load
        from pytest_llmeval.suites.spec import FILE_NAME

        try:
            place = self.path.parent if self.path.name == FILE_NAME else self.path
            name = load(place).name
        except UserError as error:
            self.config.stash[STATE].problems.append(str(error))
            return ModuleType("empty")
        module = ModuleType(f"test_{name}")
        setattr(module, f"test_{name.replace('-', '_')}", _make_test(name if place.is_dir() else place.name))
        return module


def _make_test(place: str) -> Callable[..., None]:
    @pytest.mark.llmeval(place)
    def test(question: Question, llm: object) -> None:
        assert llm.correct(question)  # type: ignore[attr-defined]

    return test


class TaskFile(pytest.Module):
    """The tests of all tasks of lm-evaluation-harness that were asked for."""

    def _getobj(self) -> ModuleType:
        module = ModuleType("test_lm_eval")
        for name in self.config.stash[STATE].settings.benchmarks:
            if is_task(name):
                called = function_name(name)
                while hasattr(module, called):  # a-b and a_b
                    called += "_"
                setattr(module, called, _make_test(name))
        return module


class BenchmarkPaths:
    """Collects the files of ``--llm-benchmark`` wherever they lie, also in a virtual environment."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = set(paths)
        self._parents = {parent for path in paths for parent in path.parents}

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Never ignore a benchmark's file or what leads to it."""
        return False if collection_path in self._paths or collection_path in self._parents else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """A folder without a test file is collected by its benchmark.toml, a file of questions by itself."""
        if file_path in self._paths and file_path.suffix != ".py":
            if any(map(is_task, parent.config.stash[STATE].settings.benchmarks)):
                from pytest_llmeval.lm_eval.suite import NODE, PLACE

                if file_path == PLACE:
                    return TaskFile.from_parent(parent, path=file_path, nodeid=NODE)
            return BenchmarkFile.from_parent(parent, path=file_path, nodeid=_nodeid(file_path, parent))
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        """Name what lies outside of the project's folder: there pytest's node ids have no file at all."""
        nodeid = _nodeid(module_path, parent) if module_path in self._paths else None
        if nodeid is None:
            return None
        module: pytest.Module = pytest.Module.from_parent(parent, path=module_path, nodeid=nodeid)
        return module


def _nodeid(path: Path, parent: pytest.Collector) -> str | None:
    """``ceval/test_ceval.py`` for a file outside of the project's folder, None for pytest's own name."""
    return None if path.is_relative_to(parent.config.rootpath) else f"{path.parent.name}/{path.name}"
