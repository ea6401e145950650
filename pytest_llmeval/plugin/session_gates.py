"""The gates of a session, from command line and config file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.analysis import gate_expressions
from pytest_llmeval.analysis.gate_expressions import Gate
from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.core.sources import prefix_of
from pytest_llmeval.plugin.command_line import CommandLine
from pytest_llmeval.plugin.state import SESSION
from pytest_llmeval.suites import catalog
from pytest_llmeval.suites.folder_suite import row_subjects
from pytest_llmeval.suites.source import source_of

if TYPE_CHECKING:
    from pytest_llmeval.suites.benchmark import Benchmark


def session_gates(config: pytest.Config) -> tuple[Gate, ...]:
    """Parse all gates. Raises ``UserError`` for an invalid gate or an unknown benchmark or subject."""
    settings = config.stash[SESSION].settings
    gates = tuple(gate_expressions.parse(expression) for expression in settings.fail_under)
    gates += gate_expressions.from_table(settings.file_gates, f"{settings.config_file} [gates]")
    gates += tuple(
        gate_expressions.parse_drop(expression, from_config=settings.max_drop_from_file)
        for expression in settings.max_drop
    )
    if any(gate.benchmark for gate in gates):
        gate_expressions.check_names(gates, _known_names(config, gates))
    return gates


def check_selected(benchmarks: Collection[str], config: pytest.Config) -> None:
    """Raise ``UserError`` for a gate or baseline of the command line without any of the ``benchmarks``.

    These are the benchmarks of which questions were selected: nothing is paid for before this is known.
    """
    if not benchmarks:
        return
    session, command_line = config.stash[SESSION], CommandLine.of(config)
    shown = one_line(", ".join(sorted(benchmarks)), 120)
    gates = [gate_expressions.parse(text) for text in command_line.value("fail_under", config) or ()]
    gates += [gate_expressions.parse_drop(text) for text in command_line.value("max_drop", config) or ()]
    for gate in gates:
        name = gate.benchmark
        if name is not None and not any(f"{name}/".startswith(f"{benchmark}/") for benchmark in benchmarks):
            raise UserError(f"{gate.where}: no question of {name} was selected, only of {shown}")
    baseline = session.baseline
    if baseline is None or not command_line.value("baseline", config):
        return
    if not any(baseline.results_for(benchmark) for benchmark in benchmarks):
        asked = one_line(", ".join(dict.fromkeys(result.base for result in baseline.results)), 120)
        raise UserError(f"{baseline.source}: {baseline.name} asked {asked}, and this run asks {shown}")


def check_tests(config: pytest.Config) -> None:
    """Raise ``UserError`` for a gate of the command line on a test that was not collected."""
    session = config.stash[SESSION]
    expressions = (*session.settings.fail_under, *session.settings.max_drop)
    if not any("/" in expression for expression in expressions):
        return
    infos = session.names.infos(session.suites).values()
    for gate in session_gates(config):
        name = gate.benchmark or ""
        tests = {info.test: "" for info in infos if info.test and name.startswith(f"{info.benchmark}/")}
        if tests and not gate.from_config and not any(info.is_called(name) for info in infos):
            raise unknown("test", name.partition("/")[2], tests, where=gate.where)


def _known_names(
    config: pytest.Config, gates: tuple[Gate, ...]
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The groups and subjects of all benchmarks that a gate may name, by benchmark."""
    session, start = config.stash[SESSION], config.invocation_params.dir
    settings = session.settings
    prefixed = [item for item in session.requested if prefix_of(item.name.base)]
    places = [str(item.place) for item in session.requested if item not in prefixed]
    benchmarks = catalog.load_all(start, places, config.args)
    names = {name: (tuple(item.groups), tuple(item.subjects)) for name, item in benchmarks.items()}
    if any(prefix_of(gate.benchmark or "") for gate in gates):
        for item in prefixed:
            whole = item.name.whole
            groups, subjects = source_of(whole).outline(whole, item.place, settings)
            names[whole] = tuple(groups), tuple(subjects)
    for name, parts in _parts_in_rows(gates, benchmarks).items():
        groups, subjects = names[name]
        found = row_subjects(benchmarks[name], settings)
        # without the data nobody knows: the gate itself reports a subject of which nothing was asked
        names[name] = groups, (*subjects, *(parts if found is None else found))
    return names


def _parts_in_rows(gates: Iterable[Gate], benchmarks: Mapping[str, Benchmark]) -> dict[str, list[str]]:
    """The parts that gates name and only the rows of a benchmark's data can, by benchmark."""
    parts: dict[str, list[str]] = {}
    for gate in gates:
        benchmark = benchmarks.get(gate.benchmark or "")
        if benchmark is None or gate.part is None or benchmark.data.subject is None:
            continue
        if gate.part not in (*benchmark.groups, *benchmark.subjects):
            parts.setdefault(benchmark.result_name, []).append(gate.part)
    return parts
