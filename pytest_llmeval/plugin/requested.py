"""The benchmarks that ``--llm-benchmark`` names, with their variants and parts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_llmeval.config.settings import Settings
from pytest_llmeval.core.benchmark_name import BenchmarkName
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.sources import prefix_of
from pytest_llmeval.results.suite_average import Member
from pytest_llmeval.suites.catalog import is_path
from pytest_llmeval.suites.source import source_of


@dataclass(frozen=True, slots=True)
class Requested:
    """One benchmark of ``--llm-benchmark``, or one variant of it.

    ``name`` has no part; ``parts`` are the groups and subjects to ask, empty for all. ``place`` is the folder
    or file from which pytest collects it, ``result`` its name in results. ``only_in_suites`` marks a
    benchmark that only suites name, which is left out if its data is missing.
    """

    name: BenchmarkName
    place: Path
    result: str
    parts: tuple[str, ...] = ()
    only_in_suites: bool = False


def parse_name(text: str, start: Path, config: pytest.Config) -> BenchmarkName:
    """A benchmark's name; what exists, or another plugin finds, has no variant and no part."""
    plugin = config.pluginmanager.get_plugin("llmeval")
    find = config.pluginmanager.subset_hook_caller("pytest_llmeval_find_benchmark", [plugin])

    def is_found(text: str) -> bool:
        return is_path(text, start) or find(name=text, start=start) is not None

    return BenchmarkName.parse(text, is_found)


def find_place(name: str, start: Path, config: pytest.Config) -> Path:
    """The folder or file from which pytest collects a benchmark; other plugins may provide it.

    Raises ``UserError`` for an unknown benchmark.
    """
    if prefix_of(name):
        return source_of(name).place(name, start)
    base = parse_name(name, start, config).base
    place: Path = config.hook.pytest_llmeval_find_benchmark(name=base, start=start)
    return place


def find_requested(settings: Settings, config: pytest.Config) -> tuple[Requested, ...]:
    """The benchmarks that the settings name, each once, with the parts of all its names.

    Raises ``UserError`` for an unknown benchmark or variant.
    """
    start = config.invocation_params.dir
    in_suites = {text for suite in settings.suites for text in suite.benchmarks}
    found: dict[str, Requested] = {}
    for text in settings.benchmarks:
        name = parse_name(text, start, config)
        if name.part == "":
            raise UserError(
                f"--llm-benchmark={one_line(text, 120)}: the part is missing; write NAME:GROUP_OR_SUBJECT"
            )
        only_in_suites = text in in_suites and text not in settings.named
        place = find_place(name.whole, start, config)
        result = source_of(name.base).result_name(name.whole, place)
        parts: tuple[str, ...] = () if name.part is None else (name.part,)
        earlier = found.get(result)
        if earlier is not None and os.path.realpath(earlier.place) == os.path.realpath(place):
            optional = only_in_suites and earlier.only_in_suites
            parts = _union(earlier.parts, parts)
            found[result] = Requested(earlier.name, place, result, parts, optional)
        else:  # another benchmark of this name is found out when it is loaded
            key = result if earlier is None else str(place)
            whole = BenchmarkName(name.base, name.variant)
            found[key] = Requested(whole, place, result, parts, only_in_suites)
    return tuple(found.values())


def find_members(settings: Settings, config: pytest.Config) -> dict[str, tuple[Member, ...]]:
    """The benchmarks of each requested suite; several parts of one are one member. Raises ``UserError``."""
    suites = {}
    for suite in settings.suites:
        members: dict[str, Member] = {}
        for text in suite.benchmarks:
            (item,) = find_requested(replace(settings, benchmarks=(text,)), config)
            earlier = members.get(item.result, Member(item.result, item.parts, suite.weight(text)))
            members[item.result] = replace(earlier, parts=_union(earlier.parts, item.parts))
        suites[suite.name] = tuple(members.values())
    return suites


def _union(parts: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """The parts of both; none of one stands for the whole benchmark, which has them all."""
    return tuple(dict.fromkeys((*parts, *others))) if parts and others else ()


class AskedBenchmark(NamedTuple):
    """A benchmark that a test asks, by its name without a part; ``parts`` are empty for all of it."""

    name: str
    parts: tuple[str, ...]


def asked_by(
    benchmark: str, requested: Sequence[Requested], start: Path, config: pytest.Config
) -> list[AskedBenchmark]:
    """What a test marked with ``benchmark`` asks: of the variants and parts that were requested of it.

    A marker that names a variant asks that one, and a marker that names a part asks that part. What was not
    requested is asked as it is marked. Raises ``UserError`` for an unknown benchmark.
    """
    name = parse_name(benchmark, start, config)
    place = os.path.realpath(find_place(name.whole, start, config))
    asked = [
        AskedBenchmark(str(BenchmarkName(name.base, item.name.variant)), item.parts)
        for item in requested
        if os.path.realpath(item.place) == place and _may_ask(name, item.name)
    ]
    asked = asked or [AskedBenchmark(name.whole, ())]
    return asked if name.part is None else [item._replace(parts=(name.part,)) for item in asked]


def _may_ask(marked: BenchmarkName, name: BenchmarkName) -> bool:
    """Whether a test asks the requested ``name``; both have the same place."""
    if prefix_of(marked.base):  # all benchmarks of a source may have one place
        return name.base == marked.base
    return marked.variant in (None, name.variant)
