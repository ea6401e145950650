"""The interface of an engine: takes encoded jobs and finishes them step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pytest_llmeval.models.base import Job
from pytest_llmeval.models.hf.encoded import EncodedRequest

EncodedJob: TypeAlias = tuple[Job, EncodedRequest]


class LocalEngine(Protocol):
    """Runs a loaded model: takes jobs, and finishes them in steps of one forward pass or one batch."""

    @property
    def busy(self) -> bool:
        """Whether any job is unfinished."""

    def add(self, jobs: Sequence[EncodedJob]) -> None:
        """Queue jobs; the answers of earlier jobs are needed first."""

    def step(self) -> None:
        """Do part of the work, and finish the jobs that are then complete."""


@dataclass(frozen=True, slots=True)
class PassLimit:
    """The most tokens of a prompt and its answer in a pass of one engine.

    A text that needs more goes to ``hand_over``, with the tokens written so far.
    """

    tokens: int
    hand_over: Callable[[EncodedJob], None]
