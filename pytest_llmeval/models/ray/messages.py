"""What pytest's process and the one that talks with Ray tell each other, pickled, over pipes.

To Ray's side: a ``Start``, then lists of numbered requests until its standard input ends. Back:
``Answer``, ``Status``, ``Note``, ``Level`` and, as the last, ``Failed``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.types import Completion


@dataclass(frozen=True, slots=True)
class Start:
    """``config`` is the replicas'.

    ``samples`` and ``digests`` are what ``fingerprint.weights`` gives for the weights where pytest runs, by
    samples and by all of each file: None where they are not there, and ``digests`` where nothing is stored.
    """

    address: str
    config: ModelConfig
    samples: list[Any] | None
    digests: list[Any] | None
    cpus: int
    gpus: int
    patience_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The completion of the request with this number."""

    number: int
    completion: Completion


@dataclass(frozen=True, slots=True)
class Status:
    """What is being waited for; None when nothing is."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the end of the run."""

    text: str


@dataclass(frozen=True, slots=True)
class Level:
    """How many requests all replicas take at once."""

    hold: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No further question can be answered."""

    why: str
