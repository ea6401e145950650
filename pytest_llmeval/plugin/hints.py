"""Lines for a run in which nothing was asked: which benchmarks there are, and how to ask for them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.plugin.pytest_internals import keyword_expression
from pytest_llmeval.plugin.state import FINDINGS, SESSION
from pytest_llmeval.suites import catalog
from pytest_llmeval.suites.benchmark import Benchmark

_MAX_NAMES = 12
_MAX_HINTS = 3


def nothing_asked_lines(config: pytest.Config) -> list[str]:
    """What to do if a run with a model has selected no question; empty if another line says why."""
    session, findings = config.stash[SESSION], config.stash[FINDINGS]
    if not session.settings.models or findings.plan or findings.left_out or session.replay is not None:
        return []
    try:
        benchmarks = _benchmarks(config)
    except UserError:  # a broken benchmark, which was not asked for
        return []
    keyword = config.option.keyword
    if keyword:
        return list(_part_hints(keyword, benchmarks))
    if session.requested:
        return []
    names = [name for name, benchmark in benchmarks.items() if benchmark.variant is None]
    more = ", ..." if len(names) > _MAX_NAMES else ""
    return [
        "no benchmark was selected: name one with --llm-benchmark=NAME, such as "
        f"{', '.join(names[:_MAX_NAMES])}{more} (--llm-list describes them), or your own folder or file"
    ]


def _benchmarks(config: pytest.Config) -> Mapping[str, Benchmark]:
    """The requested benchmarks, or else all that the session may refer to; by their names in results."""
    session, start = config.stash[SESSION], config.invocation_params.dir
    names = {item.result for item in session.requested}
    places = [str(item.place) for item in session.requested if item.place.exists()]
    benchmarks = catalog.load_all(start, places, config.args)
    return {name: item for name, item in benchmarks.items() if not names or name in names}


def _part_hints(keyword: str, benchmarks: Mapping[str, Benchmark]) -> Iterator[str]:
    """How to ask for the groups and subjects that are words of ``-k``."""
    try:
        words = keyword_expression(keyword).words()
    except SyntaxError:
        return
    plain = {name: item for name, item in benchmarks.items() if item.variant is None}
    named = {name: item for name, item in plain.items() if name in words or f"test_{name}" in words}
    options = {
        word: [
            shlex.quote(f"--llm-benchmark={name}:{word}")
            for name, benchmark in (named or plain).items()
            if word in benchmark.groups or word in benchmark.subjects
        ]
        for word in sorted(words)
    }
    for word, found in options.items():
        if found:
            shown = " or ".join(found[:_MAX_HINTS]) + (" ..." if len(found) > _MAX_HINTS else "")
            yield f"-k selected no question; to ask the group or subject {word}: {shown}"
