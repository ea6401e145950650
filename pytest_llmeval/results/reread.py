"""What changes if a run's texts are read again: question by question, and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ReadingKind(StrEnum):
    """How a second reading of a text differs from the first."""

    SAME = "same answer"
    FOUND = "answer found now"
    LOST = "no answer now"
    OTHER = "another answer"


@dataclass(frozen=True, slots=True)
class Reading:
    """One text, read twice. ``text`` is the completion's text, ``target`` the gold answer or None."""

    id: str
    text: str
    target: str | None
    before: str | None
    after: str | None
    correct_before: bool
    correct_after: bool

    @property
    def kind(self) -> ReadingKind:
        """How the readings differ."""
        if self.before == self.after:
            return ReadingKind.SAME
        if self.before is None:
            return ReadingKind.FOUND
        return ReadingKind.LOST if self.after is None else ReadingKind.OTHER


@dataclass(frozen=True, slots=True)
class Reread:
    """The readings of one model's texts on one benchmark; ``extractor`` is the name of the second reader."""

    benchmark: str
    model: str
    extractor: str
    readings: Sequence[Reading]

    def of_kind(self, kind: ReadingKind) -> list[Reading]:
        """The readings of one kind."""
        return [reading for reading in self.readings if reading.kind is kind]

    @property
    def accuracies(self) -> tuple[float, float] | None:
        """The accuracy before and after, over the texts with a gold answer; None without any."""
        scored = [reading for reading in self.readings if reading.target is not None]
        if not scored:
            return None
        before = sum(reading.correct_before for reading in scored)
        return before / len(scored), sum(reading.correct_after for reading in scored) / len(scored)
