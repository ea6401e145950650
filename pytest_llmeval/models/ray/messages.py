"""The messages between pytest's process and the Ray driver process, pickled, over pipes.

To the driver: a ``Start``, then lists of numbered requests until its standard input ends. From the
driver: ``Answer``, ``Status``, ``Note`` and ``Capacity``; ``Failure`` is the last message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.types import Completion


@dataclass(frozen=True, slots=True)
class Start:
    """The cluster's address, and the configuration and resources of each replica.

    ``samples`` and ``digests`` are the ``fingerprint.weights`` of the weights where pytest runs, from
    samples and from the whole of each file. They are None if there are no weights; ``digests`` also if
    nothing is stored. ``timeout_s`` is the time to wait for the first replica.
    """

    address: str
    config: ModelConfig
    samples: list[Any] | None
    digests: list[Any] | None
    cpus: int
    gpus: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The completion of the request with this number."""

    number: int
    completion: Completion


@dataclass(frozen=True, slots=True)
class Status:
    """A text about what the run is waiting for; None if it is not waiting."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the end of the run."""

    text: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """The number of requests that all replicas together take at once."""

    requests: int


@dataclass(frozen=True, slots=True)
class Failure:
    """No further request can be answered."""

    reason: str
