"""Failures in a row that are alike: evidence that no later request will be answered either."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class FailureStreak:
    """How many failures in a row, without an answer in between, were alike, and since when."""

    count: int = 0
    since: float = 0.0
    _what: Hashable = None

    def extend(self, what: Hashable, now: float = 0.0) -> int:
        """Count a failure at the time ``now``; returns how many in a row had an equal ``what``."""
        if not self.count or what != self._what:
            self.count, self.since, self._what = 0, now, what
        self.count += 1
        return self.count

    def end(self) -> None:
        """An answer arrived."""
        self.count = 0
