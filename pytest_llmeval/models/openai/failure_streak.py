"""Failures in a row that are alike: evidence that no later request will be answered either."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class FailureStreak:
    """How many failures in a row, without an answer in between, were alike."""

    count: int = 0
    _what: Hashable = None

    def extend(self, what: Hashable) -> int:
        """Count a failure; returns how many in a row were alike. Alike means equal ``what``."""
        self.count = self.count + 1 if what == self._what else 1
        self._what = what
        return self.count

    def end(self) -> None:
        """An answer arrived."""
        self.count, self._what = 0, None
