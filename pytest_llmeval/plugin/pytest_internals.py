"""The private parts of pytest and pytest-xdist that this package uses, each behind one function.

No other module imports ``_pytest`` or touches a private attribute of either (``tests/test_layers.py``).
If a private name is missing, the function that needs it raises ``pytest.UsageError`` with one line that names
the supported versions. ``check_supported`` looks names up in advance, if that is possible without a test.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Generator, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from operator import attrgetter
from pathlib import Path
from queue import Empty
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScheduling
    from xdist.workermanage import WorkerController

    from pytest_llmeval.report.live import TextFile

T = TypeVar("T")

#: the versions that pyproject.toml allows
SUPPORTED = {"pytest": ">=9,<10", "pytest-xdist": ">=3.8,<4"}

#: queued tests that ``queued_items`` looks at; several times any model's window
_MAX_QUEUED = 4096


@dataclass(frozen=True, slots=True)
class _Name:
    """A private name that can be looked up without an instance.

    ``path`` starts at ``module``; ``purpose`` completes "used to ...".
    """

    module: str
    path: str
    purpose: str

    def value(self) -> Any:
        """The object with this name. Raises ``pytest.UsageError`` if there is none."""
        try:
            return attrgetter(self.path)(importlib.import_module(self.module))
        except (ImportError, AttributeError):
            package = "pytest-xdist" if self.module.startswith("xdist") else "pytest"
            raise _unsupported(package, f"{self.module}.{self.path}", self.purpose) from None


def _attribute(owner: object, path: str, purpose: str, package: str = "pytest") -> Any:
    """A private attribute of an object. Raises ``pytest.UsageError`` if it has none."""
    try:
        return attrgetter(path)(owner)
    except AttributeError:
        raise _unsupported(package, f"{type(owner).__name__}.{path}", purpose) from None


_xdist_attribute = partial(_attribute, package="pytest-xdist")


def _unsupported(package: str, name: str, purpose: str) -> pytest.UsageError:
    return pytest.UsageError(
        f"pytest-llmeval needs {package}{SUPPORTED[package]}, "
        f"because {package} {version(package)} has no {name} (used to {purpose})"
    )


_PURPOSE_OF_NAMES = "let other plugins have options of the same names"
_COMPARE = _Name("_pytest.assertion.util", "_reprcompare", "compare answers without an assertion diff")
_CACHE_KEY = _Name("pytest", "FixtureDef.cache_key", "provide the llm fixture")
_MATCHER = _Name("_pytest.mark", "KeywordMatcher.from_item", "skip benchmarks that -k excludes")
_COMPILE = _Name("_pytest.mark.expression", "Expression.compile", "read -k and -m")
_EVALUATE = _Name("_pytest.mark.expression", "Expression.evaluate", "evaluate -k")
_GET_OBJECT = _Name("pytest", "Module._getobj", "collect benchmarks that have no test file")
_SOURCES = _Name("pytest", "Config.ArgsSource", "add benchmarks to the paths to collect")
_SAME_COLLECTION = _Name(
    "xdist.scheduler",
    "LoadScheduling._check_nodes_have_same_collection",
    "compare what the workers collected",
)
_HANDLE_FAILURES = _Name("xdist.dsession", "DSession._handlefailures", "apply --maxfail")
_INTERACTOR = _Name("xdist.remote", "WorkerInteractor", "look ahead in a worker")
_QUEUE_LOCK = _Name("xdist.remote", "TestQueue.lock", "look ahead in a worker")

_OF_PYTEST = (_COMPARE, _CACHE_KEY, _MATCHER, _COMPILE, _EVALUATE, _GET_OBJECT, _SOURCES)
_OF_XDIST = (_SAME_COLLECTION, _HANDLE_FAILURES, _INTERACTOR, _QUEUE_LOCK)


def check_supported(config: pytest.Config) -> None:
    """Look up, before a run, every private name that can be looked up without a running test.

    xdist's names are looked up only in the process that distributes tests to workers. Raises
    ``pytest.UsageError``.
    """
    for name in _OF_PYTEST + (_OF_XDIST if is_controller(config) else ()):
        name.value()
    reporter = terminal_reporter(config)
    if reporter is not None:
        terminal_width(reporter), terminal_markup(reporter), terminal_file(reporter)


# Tests and fixtures


@contextmanager
def without_assertion_diff() -> Generator[None]:
    """Let assertions fail without pytest's explanation of the difference.

    A wrong answer is a failed comparison of two strings. Their diff is never shown, and costs more than
    the rest of the test.
    """
    compare = _COMPARE.value()
    util = importlib.import_module(_COMPARE.module)
    util._reprcompare = None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        util._reprcompare = compare  # type: ignore[attr-defined]


def parametrized_value(item: pytest.Item, name: str) -> Any:
    """The value of an item's parameter ``name``; None if the item has no such parameter.

    For an empty list of values pytest makes one skipped item, whose value is a marker of its own.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        if isinstance(item, pytest.Function) and item.name.startswith(f"{item.originalname}["):
            raise _unsupported("pytest", "Function.callspec", "find the question of a test")
        return None
    return _attribute(callspec, "params", "find the question of a test").get(name)


def parameter_ids(item: pytest.Item) -> list[str]:
    """The parts of an item's name in brackets: an id for each time that its test was parametrized."""
    callspec = getattr(item, "callspec", None)
    return [] if callspec is None else list(_attribute(callspec, "_idlist", "tell results apart"))


def parameter_names(item: pytest.Item) -> frozenset[str]:
    """The names of an item's parameters."""
    callspec = getattr(item, "callspec", None)
    return frozenset(() if callspec is None else _attribute(callspec, "params", "tell results apart"))


def set_fixture_value(fixturedef: pytest.FixtureDef[T], request: pytest.FixtureRequest, value: T) -> None:
    """Set a fixture's value from ``pytest_fixture_setup``, in place of calling the fixture function.

    A session fixture that requested ``request`` would make each item twice as expensive to set up.
    """
    _attribute(fixturedef, "cached_result", _CACHE_KEY.purpose)
    key = _attribute(fixturedef, "cache_key", _CACHE_KEY.purpose)(request)
    fixturedef.cached_result = (value, key, None)


_FIXTURES_PURPOSE = "find a project's own llm fixture"


def fixture_definitions(test: pytest.Metafunc | pytest.Item, name: str) -> Sequence[pytest.FixtureDef[Any]]:
    """The fixtures called ``name`` that a test sees; each overrides the one before it."""
    definition = test.definition if isinstance(test, pytest.Metafunc) else test
    by_name = _attribute(definition, "_fixtureinfo.name2fixturedefs", _FIXTURES_PURPOSE)
    definitions: Sequence[pytest.FixtureDef[Any]] = by_name.get(name, ())
    return definitions


def has_other_parameters(metafunc: pytest.Metafunc) -> bool:
    """Whether marks or fixtures give a test parameters, whose values its items' names contain."""
    by_name = _attribute(metafunc.definition, "_fixtureinfo.name2fixturedefs", _FIXTURES_PURPOSE)
    return any(metafunc.definition.iter_markers("parametrize")) or any(
        definitions and definitions[-1].params for definitions in by_name.values()
    )


def use_fixture(metafunc: pytest.Metafunc, fixture: pytest.FixtureDef[Any]) -> None:
    """Let a test use ``fixture`` instead of fixtures that override it, and drop what only those need."""
    info = _attribute(metafunc.definition, "_fixtureinfo", _FIXTURES_PURPOSE)
    info.name2fixturedefs[fixture.argname] = (fixture,)
    _attribute(info, "prune_dependency_tree", _FIXTURES_PURPOSE)()


def stop_session(session: pytest.Session, reason: str) -> None:
    """Run no further test in this process; pytest prints ``reason`` and exits as interrupted (2)."""
    _attribute(session, "shouldstop", "stop a run whose model is unusable")
    session.shouldstop = reason


class GeneratedModule(pytest.Module):
    """A test module that is created in memory; subclasses define ``make_module``."""

    def make_module(self) -> ModuleType:
        """The module whose tests pytest collects."""
        raise NotImplementedError

    def _getobj(self) -> ModuleType:
        return self.make_module()


# The command line


class KeywordExpression:
    """A ``-k`` or ``-m`` expression as pytest reads it."""

    def __init__(self, text: str) -> None:
        """Raises ``SyntaxError``, with pytest's message and column, for text that pytest cannot read."""
        self._compiled = _COMPILE.value()(text)

    def words(self) -> frozenset[str]:
        """All words that the expression refers to."""
        if hasattr(self._compiled, "idents"):
            return frozenset(self._compiled.idents())
        # pytest 9.0 keeps only the compiled code, in which each word has a prefix
        names = _attribute(self._compiled, "_code.co_names", _MATCHER.purpose)
        return frozenset(name.removeprefix("$") for name in names)

    def evaluate(self, matches: Callable[[str], bool]) -> bool:
        """Evaluate the expression; ``matches`` returns whether a word is true."""
        return bool(self._compiled.evaluate(lambda word, /, **_: matches(word)))


def keyword_expression(text: str) -> KeywordExpression:
    """Parse a ``-k`` or ``-m`` expression. Raises ``SyntaxError``, with pytest's message and column."""
    return KeywordExpression(text)


def keyword_matcher(item: pytest.Item) -> Callable[[str], bool]:
    """The predicate that ``-k`` applies to words: whether one occurs in the item's names or markers."""
    matcher: Callable[[str], bool] = _MATCHER.value()(item)
    return matcher


class ArgumentNames:
    """The names of the options of groups, which can give way to another plugin's."""

    def __init__(self, groups: Sequence[pytest.OptionGroup]) -> None:
        self._groups = groups
        self._hidden: dict[str, Any] = {}

    def taken(self) -> Mapping[str, object]:
        """The names of all options of all plugins."""
        return self._actions()

    def hide(self) -> None:
        """Let another plugin add options of the same names."""
        actions = self._actions()
        for group in self._groups:
            for option in group.options:
                for name in option.names():
                    self._hidden[name] = actions.pop(name)

    def restore(self) -> list[str]:
        """Undo ``hide``; withdraw the options whose names were taken, and return these names."""
        actions, taken = self._actions(), []
        for name, action in self._hidden.items():
            if actions.setdefault(name, action) is not action:
                taken.append(name)
                (group,) = (group for group in self._groups if self._has(group, name))
                _attribute(group, "_arggroup._remove_action", _PURPOSE_OF_NAMES)(action)
        self._hidden.clear()
        for group in self._groups:
            group.options[:] = [
                option for option in group.options if not set(taken).intersection(option.names())
            ]
        return taken

    @staticmethod
    def _has(group: pytest.OptionGroup, name: str) -> bool:
        return any(name in option.names() for option in group.options)

    def _actions(self) -> dict[str, Any]:
        actions: dict[str, Any] = _attribute(
            self._groups[0], "_arggroup._option_string_actions", _PURPOSE_OF_NAMES
        )
        return actions


def command_line_paths(config: pytest.Config) -> list[str]:
    """The paths and node ids on the command line; empty if pytest uses its default paths."""
    source = _attribute(config, "args_source", _SOURCES.purpose)
    return list(config.args) if source is _SOURCES.value().ARGS else []


def set_paths(config: pytest.Config, paths: Sequence[Path | str]) -> None:
    """Make pytest collect ``paths`` and nothing else. Call it from ``pytest_configure``."""
    config.args = [str(path) for path in paths]


def collectable(path: Path) -> Path:
    """``path``, or the nearest folder above it that pytest accepts as an argument.

    pytest takes a bracket in an argument for the beginning of parameters, and two colons for that of a test.
    """
    return next(place for place in (path, *path.parents) if "[" not in str(place) and "::" not in str(place))


def use_one_process(config: pytest.Config) -> None:
    """Ignore ``-n`` and ``--dist``. Call it from ``pytest_cmdline_main``, before xdist reads them."""
    if hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []


# The terminal


def terminal_reporter(config: pytest.Config) -> pytest.TerminalReporter | None:
    """pytest's terminal reporter; None under ``-p no:terminal`` and in an xdist worker."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    return reporter


def terminal_width(reporter: pytest.TerminalReporter) -> int:
    """The terminal's width in columns."""
    return int(_attribute(reporter, "_tw.fullwidth", "fit tables to the terminal"))


def terminal_markup(reporter: pytest.TerminalReporter) -> Callable[..., str]:
    """pytest's ``markup(text, **styles)``, which adds colours if the terminal shows colours."""
    markup: Callable[..., str] = _attribute(reporter, "_tw.markup", "colour tables")
    return markup


def terminal_file(reporter: pytest.TerminalReporter) -> TextFile:
    """The file that the reporter writes to."""
    file: TextFile = _attribute(reporter, "_tw._file", "show progress in place")
    return file


def set_terminal_file(reporter: pytest.TerminalReporter, file: TextFile) -> None:
    """Make the reporter write to ``file``."""
    terminal_file(reporter)
    reporter._tw._file = file


def finish_terminal_line(reporter: pytest.TerminalReporter) -> None:
    """Start a new line unless the terminal is at the start of one.

    ``ensure_newline`` alone misses the result letters that xdist's workers print.
    """
    reporter.ensure_newline()
    if _attribute(reporter, "_tw.width_of_current_line", "print lines between results"):
        reporter._tw.line()


def set_outcome_order(reporter: pytest.TerminalReporter, outcomes: Iterable[str]) -> None:
    """Fix the order in which pytest's last line counts ``outcomes``; otherwise the first to occur leads."""
    stats = _attribute(reporter, "stats", "count outcomes")
    for outcome in outcomes:
        stats.setdefault(outcome, [])


def name_interruption(reporter: pytest.TerminalReporter, text: str) -> None:
    """Let the last lines of an interrupted session say ``text``, without the place of the interruption.

    Call it from ``pytest_keyboard_interrupt``, after the reporter. While a test waits for a model, that place
    is in Python's own modules.
    """
    crash = _attribute(reporter, "_keyboardinterrupt_memo.reprcrash", "say that a session was interrupted")
    if crash is not None:
        crash.message = text


def without_capture(config: pytest.Config) -> AbstractContextManager[None]:
    """Write to the real terminal, even while a test runs."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is None:
        return nullcontext()
    disabled: AbstractContextManager[None] = _attribute(
        capture, "global_and_fixture_disabled", "print lines while a test runs"
    )()
    return disabled


# xdist: either side


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is an xdist worker."""
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    """Whether this process distributes its tests to xdist workers."""
    option = config.option
    distributes = getattr(option, "dist", "no") != "no" and getattr(option, "tx", None)
    return bool(distributes) and not is_worker(config)


# xdist: a worker


def worker_input(config: pytest.Config) -> Mapping[str, Any]:
    """The values that the controller sent this worker before its start, under keys of xdist and plugins."""
    values: Mapping[str, Any] = _xdist_attribute(config, "workerinput", "read the controller's settings")
    return values


def worker_output(config: pytest.Config) -> MutableMapping[str, Any]:
    """The values that this worker sends the controller at its end; ``pytest_sessionfinish`` may add some.

    Values must be built from None, booleans, numbers, strings, lists, tuples and dicts.
    """
    values: MutableMapping[str, Any] = _xdist_attribute(
        config, "workeroutput", "send results to the controller"
    )
    return values


def worker_id(config: pytest.Config) -> str:
    """This worker's name: ``gw0``, ``gw1``, ... A worker that replaces a crashed one has a new name."""
    return str(worker_input(config)["workerid"])


def worker_count(config: pytest.Config) -> int:
    """The number of workers in the session, including this one."""
    return int(worker_input(config)["workercount"])


def queued_items(config: pytest.Config) -> list[pytest.Item]:
    """The items that were sent to this worker and have not started, in order, without the next one.

    xdist takes the next one off the queue early, and passes it to hooks as ``nextitem``. The list holds at
    most 4,096 items.
    """
    # xdist runs its module in the worker under another name, so its class is not xdist.remote's
    plugins = (p for p in config.pluginmanager.get_plugins() if type(p).__name__ == "WorkerInteractor")
    interactor = next(plugins, None)
    if interactor is None:
        raise _unsupported("pytest-xdist", "WorkerInteractor", _INTERACTOR.purpose)
    items = _xdist_attribute(interactor, "session.items", _INTERACTOR.purpose)
    with _xdist_attribute(interactor, "torun.lock", _INTERACTOR.purpose)() as queue:
        # at shutdown the queue ends with a marker, which is not an index
        indices = [index for index in islice(queue, _MAX_QUEUED) if isinstance(index, int)]
    return [items[index] for index in indices]


# xdist: the controller


def node_id(node: WorkerController) -> str:
    """A worker's name: ``gw0``, ``gw1``, ..."""
    return str(_xdist_attribute(node, "gateway.id", "tell workers apart"))


def node_count(node: WorkerController) -> int:
    """The number of workers in the session."""
    return len(_xdist_attribute(node, "nodemanager.specs", "number the workers"))


def worker_index(node: WorkerController) -> int:
    """A worker's number, from 0. A worker that replaces a crashed one has the same number."""
    specs = _xdist_attribute(node, "nodemanager.specs", "number the workers")
    own_spec = _xdist_attribute(node, "gateway.spec", "number the workers")
    return next(index for index, spec in enumerate(specs) if spec is own_spec)


def node_input(node: WorkerController) -> MutableMapping[str, Any]:
    """The values sent to a worker before its start; ``pytest_configure_node`` may add some."""
    values: MutableMapping[str, Any] = _xdist_attribute(node, "workerinput", "send a worker its settings")
    return values


def node_output(node: WorkerController) -> Mapping[str, Any]:
    """The values that a worker sent at its end; empty if the worker crashed."""
    values: Mapping[str, Any] = getattr(node, "workeroutput", {})
    return values


def reporting_node(report: pytest.TestReport) -> WorkerController | None:
    """The worker that sent a report; None without xdist."""
    return getattr(report, "node", None)


def set_reporting_node(report: pytest.TestReport, node: WorkerController) -> None:
    """Mark a report that the controller created as sent by ``node``."""
    report.node = node  # type: ignore[attr-defined]


def apply_maxfail(config: pytest.Config, report: pytest.TestReport) -> None:
    """Count a report that the controller created towards ``-x`` and ``--maxfail``."""
    session = config.pluginmanager.get_plugin("dsession")
    _xdist_attribute(session, "_handlefailures", _HANDLE_FAILURES.purpose)(report)


def call_when_idle(config: pytest.Config, call: Callable[[], object], every_s: float) -> None:
    """Call ``call`` in the controller's main thread while no worker has anything to report.

    Call this before the controller begins to wait for its workers.
    """
    session = config.pluginmanager.get_plugin("dsession")
    queue = _xdist_attribute(session, "queue", "report progress while workers wait")
    get = queue.get

    def get_or_call(timeout: float) -> object:
        end = time.monotonic() + timeout
        while (remaining_s := end - time.monotonic()) > every_s:
            try:
                return get(timeout=every_s)
            except Empty:
                call()
        return get(timeout=max(remaining_s, 0.0))

    queue.get = get_or_call


def same_collection(scheduler: LoadScheduling) -> bool:
    """Whether all workers collected the same items; if not, xdist reports the difference as an error."""
    return bool(_xdist_attribute(scheduler, "_check_nodes_have_same_collection", _SAME_COLLECTION.purpose)())
