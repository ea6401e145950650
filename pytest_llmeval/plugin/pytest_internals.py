"""Every private name of pytest and pytest-xdist that the plugin needs, each behind a named function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pytest
from _pytest.assertion import util as _assertion_util
from _pytest.mark import KeywordMatcher
from _pytest.mark.expression import Expression
from _pytest.outcomes import Failed

__all__ = ["Failed"]

_FURTHEST = 4096


@contextmanager
def without_assertion_diff() -> Iterator[None]:
    """Skip pytest's assertion diff: it is never shown, and costs more than the test itself."""
    diff, _assertion_util._reprcompare = _assertion_util._reprcompare, None
    try:
        yield
    finally:
        _assertion_util._reprcompare = diff


def call_test_function(item: pytest.Function) -> None:
    """Call an item's test function once more, with the fixtures that it has."""
    item.obj(**{name: item.funcargs[name] for name in item._fixtureinfo.argnames})


def parametrized_value(item: pytest.Item, name: str) -> Any:
    """The value of one of an item's parameters; None where it has no such parameter."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(name)


def has_parameter(item: pytest.Item, name: str) -> bool:
    """Whether an item is parametrized by ``name``."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and name in callspec.params


def set_fixture_value(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest, value: object
) -> None:
    """Let a fixture have this value, as its function would have returned it."""
    fixturedef.cached_result = (value, fixturedef.cache_key(request), None)  # type: ignore[arg-type]


def fixture_function(fixturedef: pytest.FixtureDef[object]) -> object:
    """The function that computes a fixture."""
    return fixturedef.func


def keyword_matcher(item: pytest.Item) -> Callable[[str], bool]:
    """What ``-k`` matches of all items of a test function."""
    return KeywordMatcher.from_item(item)


def keyword_expression(text: str) -> Expression:
    """The compiled expression of ``-k`` or ``-m``. Raises SyntaxError with ``offset`` and ``msg``."""
    return Expression.compile(text)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of xdist."""
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    """Whether this process hands its items to workers of xdist."""
    return bool(
        getattr(config.option, "dist", "no") != "no"
        and getattr(config.option, "tx", None)
        and not is_worker(config)
    )


def worker_input(config: pytest.Config) -> Mapping[str, Any]:
    """What the controller sent this worker before it started; empty in other processes."""
    values: Mapping[str, Any] = getattr(config, "workerinput", {})
    return values


def worker_output(config: pytest.Config) -> MutableMapping[str, Any]:
    """What this worker sends the controller when it ends."""
    values: MutableMapping[str, Any] = config.workeroutput  # type: ignore[attr-defined]
    return values


def queued_items(config: pytest.Config) -> Callable[[], list[pytest.Item]]:
    """What gives the items that this worker was sent, after the next one: the queue that xdist fills."""
    plugins = config.pluginmanager.get_plugins()
    interactor: Any = next(plugin for plugin in plugins if type(plugin).__name__ == "WorkerInteractor")

    def items() -> list[pytest.Item]:
        with interactor.torun.lock() as queue:
            indices = [index for index in islice(queue, _FURTHEST) if isinstance(index, int)]
        return [interactor.session.items[index] for index in indices]

    return items


def worker_index(node: Any) -> int:
    """A worker's number, from 0: the place of its spec, which a crashed worker's replacement takes over."""
    specs = node.nodemanager.specs
    return next(place for place, spec in enumerate(specs) if spec is node.gateway.spec)


def worker_count(node: Any) -> int:
    """How many workers there are."""
    return len(node.nodemanager.specs)


def apply_maxfail(config: pytest.Config, report: pytest.TestReport) -> None:
    """Let ``-x`` and ``--maxfail`` count a failure that no worker has reported."""
    session: Any = config.pluginmanager.get_plugin("dsession")
    session._handlefailures(report)


def terminal_width(reporter: pytest.TerminalReporter) -> int:
    """The width of the terminal in columns."""
    return int(reporter._tw.fullwidth)


def terminal_markup(reporter: pytest.TerminalReporter) -> Callable[..., str]:
    """What colours a text, where the terminal has colours."""
    return reporter._tw.markup


def terminal_file(reporter: pytest.TerminalReporter) -> Any:
    """The file that the terminal's lines are written to."""
    return reporter._tw._file


def set_terminal_file(reporter: pytest.TerminalReporter, file: Any) -> None:
    """Write the terminal's lines to another file."""
    reporter._tw._file = file


def finish_terminal_line(reporter: pytest.TerminalReporter) -> None:
    """End a line of letters that has begun."""
    reporter.ensure_newline()
    if reporter._tw.width_of_current_line:  # the letters of xdist's workers
        reporter._tw.line()
