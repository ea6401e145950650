"""A stand-in for a model that always gives the first choice: for trying out suites, and for tests."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models.base import Job, Jobs, run_batches


def answer(request: Request) -> Completion:
    """The first choice: as the highest score where choices are scored, otherwise as the letter A."""
    if request.choices:
        scores = {label: -float(rank) for rank, label in enumerate(request.choices)}
        greedy = {label: rank == 0 for rank, label in enumerate(request.choices)} if request.lm_eval else {}
        return Completion(
            scores=scores, greedy=greedy, finish_reason="scored", prompt_tokens=0, completion_tokens=0
        )
    return Completion(text="A", finish_reason="stop", prompt_tokens=0, completion_tokens=1)


class EchoModel:
    """``--llm-model=echo``."""

    window = 1024  # answers take no time: a large window saves switches between threads

    def check(self) -> None:
        """Always succeeds."""

    def identity(self) -> str:
        """Always ``echo``."""
        return "echo"

    def run(self, jobs: Jobs) -> None:
        """Answer jobs until ``jobs`` is closed."""
        run_batches(jobs, self._answer, self.window)

    def _answer(self, batch: Sequence[Job]) -> None:
        for job in batch:
            job.finish(answer(job.request))
