"""Several jobs as one: whoever waits for the whole sees the completion of all of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import count

from pytest_llmeval.core.types import Completion
from pytest_llmeval.models.base import Job


def gather(whole: Job, parts: Sequence[Job], merge: Callable[[Sequence[Completion]], Completion]) -> Job:
    """``whole``, which is finished with what ``merge`` makes of the completions of its ``parts``.

    Where a part is cancelled so is the whole. Without parts it is finished at once.
    """
    whole.parts = parts
    numbers = count(1)  # next() of it is safe between threads
    for part in parts:
        part.future.add_done_callback(partial(_ended, whole, merge, numbers))
    if not parts:
        whole.taken = whole.created
        whole.finish(merge(()))
    return whole


def _ended(
    whole: Job,
    merge: Callable[[Sequence[Completion]], Completion],
    numbers: Iterable[int],
    future: Future[Completion],
) -> None:
    if future.cancelled():
        whole.future.cancel()
    if next(iter(numbers)) < len(whole.parts) or whole.future.cancelled():
        return
    completions = [part.future.result() for part in whole.parts]
    # an answer out of the store was never taken
    whole.taken = min((part.taken for part in whole.parts if part.taken), default=whole.created)
    whole.finish(merge(completions))


def side_by_side(parts: Sequence[Completion]) -> Completion:
    """The completion of a request of several: counts and times of all, the text of the first, and the parts.

    An error of one is the error of all.
    """
    return replace(_summed(parts), parts=tuple(parts))


def added_up(parts: Sequence[Completion]) -> Completion:
    """The completion of one request that was read in pieces: scores of the same label are added up."""
    scores: dict[str, float] = {}
    greedy: dict[str, bool] = {}
    for part in parts:
        for label, score in part.scores.items():
            scores[label] = scores.get(label, 0.0) + score
        for label, likeliest in part.greedy.items():
            greedy[label] = greedy.get(label, True) and likeliest
    return replace(_summed(parts), scores=scores, greedy=greedy)


def _summed(parts: Sequence[Completion]) -> Completion:
    def total(numbers: Iterable[int | None]) -> int | None:
        known = [number for number in numbers if number is not None]
        return sum(known) if known else None

    first = next(iter(parts), Completion())
    batches = [part.batch_s for part in parts if part.batch_s is not None]
    return replace(
        first,
        scores={label: score for part in parts for label, score in part.scores.items()},
        greedy={label: likeliest for part in parts for label, likeliest in part.greedy.items()},
        prompt_tokens=total(part.prompt_tokens for part in parts),
        completion_tokens=total(part.completion_tokens for part in parts),
        shared_tokens=total(part.shared_tokens for part in parts),
        latency_s=sum(part.latency_s for part in parts),
        batch_s=max(batches) if batches else None,
        attempts=1 + sum(part.attempts - 1 for part in parts),
        cached=bool(parts) and all(part.cached for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        error=next((part.error for part in parts if part.error is not None), None),
    )
