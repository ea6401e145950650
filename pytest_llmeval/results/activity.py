"""What a model is doing while a test waits for its answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Activity:
    """What the model called ``model`` is doing.

    It took ``sent`` requests and finished ``back`` of them; requests that the store answers are not counted.
    ``quiet_s`` is how many seconds ago the last one was finished, or else the first one was taken, or made.
    ``status`` is the backend's text about what it waits for (None: just the answers).
    """

    model: str
    sent: int = 0
    back: int = 0
    quiet_s: float = 0.0
    status: str | None = None

    @classmethod
    def of_processes(cls, activities: Iterable[Activity]) -> Activity | None:
        """The activity of one model in several processes; None if there are none.

        If the processes use different models, that of the first one counts.
        """
        rows = list(activities)
        rows = [row for row in rows if row.model == rows[0].model]
        if not rows:
            return None
        return cls(
            rows[0].model,
            sum(row.sent for row in rows),
            sum(row.back for row in rows),
            min(row.quiet_s for row in rows),
            next((row.status for row in rows if row.status), None),
        )
