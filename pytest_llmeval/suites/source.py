"""The interface of a source of suites: one class in its own file, and one entry in ``core/sources.py``."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.core import sources

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import Settings
    from pytest_llmeval.results.record import Record
    from pytest_llmeval.results.task_scores import TaskScores
    from pytest_llmeval.suites.suite import Suite


class Source(ABC):
    """A kind of suite: it resolves the names of its benchmarks and loads them.

    Names are whole, as in ``lm-eval:arc_easy`` or ``mmlu_pro@lm-eval``; the part of ``ceval:stem`` is not
    among them. All methods raise ``UserError`` for an unknown name.

        ``tests/suites/test_source.py`` has a complete one, whose questions come from a database::

            class DatabaseSource(Source):
                def place(self, name, near):
                    return near / name.removeprefix("sqlite:")

                def load(self, name, place, settings, only=None):
                    return DatabaseSuite(...), ()
    """

    #: the part of node ids before ``::test_NAME[...]``; None for pytest's own name of the file
    node_name: str | None = None
    #: whether benchmarks define mode, shots and split, regardless of --llm-mode, --llm-shots and --llm-split
    fixes_conditions = False

    @abstractmethod
    def place(self, name: str, near: Path) -> Path:
        """The folder or file from which pytest collects the benchmark; relative paths begin at ``near``."""

    @abstractmethod
    def load(
        self, name: str, place: Path, settings: Settings, only: Collection[str] | None = None
    ) -> tuple[Suite, tuple[str, ...]]:
        """The suite, and notes for the user; ``only`` restricts it to the questions with these ids.

        Raises ``DataMissing`` if its data is missing.
        """

    @abstractmethod
    def outline(self, name: str, place: Path, settings: Settings) -> tuple[Sequence[str], Sequence[str]]:
        """The names of its groups and subjects, without reading its questions."""

    def fetch(self, name: str, place: Path, settings: Settings) -> str:
        """Download the data unless it is on this machine, and describe it in a few words.

        Raises ``DataMissing`` if it cannot be had.
        """
        return "has nothing to download"

    def result_name(self, name: str, place: Path) -> str:
        """The benchmark's name in results."""
        return name

    def numbered_subjects(self, name: str, place: Path) -> Sequence[str] | None:
        """All subjects if question ids are known to be whole numbers, else None.

        With them ``-k`` can be evaluated before any data is read.
        """
        return None

    def wants_judge(self, name: str, place: Path) -> bool:
        """Whether a model judges the answers."""
        return False

    def task_scores(self, name: str, settings: Settings, records: Iterable[Record]) -> TaskScores | None:
        """Final numbers beside accuracy, from all records of one model; None if it has none.

        Raises whatever the code of a task raises.
        """
        return None

    def test_files(self, place: Path) -> Sequence[Path]:
        """The files from which pytest collects its tests; a file that is not Python gets a generated test."""
        return (place,)

    def tests(self, place: Path, names: Sequence[str]) -> Mapping[str, str]:
        """The test functions to generate for a file: function name -> benchmark, as in a marker.

        ``names`` are the requested benchmarks with this place.
        """
        functions: dict[str, str] = {}
        for name in names:
            function = "test_" + re.sub(r"\W", "_", name.removeprefix(f"{sources.prefix_of(name)}:"))
            while function in functions:  # a-b and a_b
                function += "_"
            functions[function] = name
        return functions


def source_of(benchmark: str) -> Source:
    """The source of a benchmark, by the prefix of its name."""
    return _source(sources.SOURCES.get(sources.prefix_of(benchmark), sources.FOLDERS))


@cache
def _source(entry: str) -> Source:
    module, _, name = entry.partition(":")
    source: Source = getattr(import_module(module), name)()
    return source
