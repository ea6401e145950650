"""Keeps prompts on both sides of a model's length switch in different passes (see ``length_switch``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_llmeval.models.base import Job
from pytest_llmeval.models.hf.local_engine import EncodedJob, LocalEngine, PassLimit
from pytest_llmeval.models.joining import gather, sum_pieces


class SwitchedEngine:
    """An engine for passes of up to ``length`` tokens and one for longer passes.

    A text that grows past ``length`` is moved to the second one, which computes all of it again.
    """

    def __init__(self, make_engine: Callable[[PassLimit | None], LocalEngine], length: int) -> None:
        self._length = length
        self._long = make_engine(None)
        self._short = make_engine(PassLimit(length, lambda job: self._long.add([job])))
        self._next, self._after = self._short, self._long

    @property
    def busy(self) -> bool:
        """Whether any job is unfinished."""
        return self._short.busy or self._long.busy

    def add(self, jobs: Sequence[EncodedJob]) -> None:
        """Queue jobs; choices of one request on both sides become two jobs."""
        short: list[EncodedJob] = []
        long: list[EncodedJob] = []
        for job, encoded in jobs:
            # the last token of a choice is not an input
            room = self._length - len(encoded.ids)
            near = {label: tail for label, tail in encoded.tails.items() if len(tail) - 1 <= room}
            if len(near) in (0, len(encoded.tails)):
                (short if near or (not encoded.tails and room >= 0) else long).append((job, encoded))
                continue
            far = {label: tail for label, tail in encoded.tails.items() if label not in near}
            parts = [Job(job.request), Job(job.request)]
            short.append((parts[0], replace(encoded, tails=near)))
            long.append((parts[1], replace(encoded, tails=far)))
            gather(job, parts, sum_pieces)
        for engine, queued in ((self._short, short), (self._long, long)):
            if queued:
                engine.add(queued)

    def step(self) -> None:
        """Let the two engines take turns."""
        if self._next.busy:
            self._next.step()
        elif self._after.busy:
            self._after.step()
        self._next, self._after = self._after, self._next
