"""``--llm-fetch``: downloads the data of benchmarks beforehand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_llmeval.config.settings import Settings
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.plugin.requested import find_requested
from pytest_llmeval.suites.source import source_of


def split_names(texts: Iterable[str], start: Path) -> tuple[str, ...]:
    """The names in the values of the option, each of which is a name, a path, or several between commas."""
    return tuple(
        name.strip()
        for text in texts
        for name in ([text] if os.path.exists(start / text) else text.split(","))
        if name.strip()
    )


class Fetching:
    """Downloads the data of the benchmarks that ``settings`` names; no model is asked.

    ``failed`` counts those whose data is still missing. Raises ``UserError`` for an unknown benchmark.
    """

    def __init__(self, settings: Settings, config: pytest.Config) -> None:
        self._settings = settings
        self._requested = find_requested(settings, config)
        self.failed = 0

    def lines(self) -> Iterator[str]:
        """A line for each benchmark once its data is there or could not be had, and a last one on all."""
        for item in self._requested:
            try:
                name = item.name.whole
                about = source_of(item.name.base).fetch(name, item.place, self._settings)
                yield f"{item.result}: {about}"
            except UserError as error:
                self.failed += 1
                yield f"failed: {error}"
        yield self._total(self._requested)

    def _total(self, requested: Sequence[object]) -> str:
        count = f"{len(requested)} benchmark{'s' if len(requested) != 1 else ''}"
        if self.failed:
            return f"{count}: the data of {self.failed} could not be fetched"
        return f"{count}: all data is on this machine"
