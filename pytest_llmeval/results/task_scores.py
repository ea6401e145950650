"""The numbers that lm-evaluation-harness would report of its tasks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a task or group; ``stderr`` is None where there is none."""

    filter: str
    metric: str
    value: float | str
    stderr: float | None
    higher_is_better: bool | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """The numbers of a task or group, over ``documents`` of them."""

    name: str
    alias: str
    documents: int
    shots: int | None
    version: str
    numbers: tuple[Number, ...]
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class TaskScores:
    """What lm-evaluation-harness would report; ``library`` is its version. Groups come after the tasks."""

    library: str
    scored: tuple[Scored, ...]
