"""Combines several jobs into one, which finishes with the merged completions of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import count

from pytest_llmeval.core.types import Completion
from pytest_llmeval.models.base import Job


def gather(whole: Job, parts: Sequence[Job], merge: Callable[[Sequence[Completion]], Completion]) -> Job:
    """Finish ``whole`` with the merged completions of its ``parts`` once all are done; returns ``whole``.

    If a part is cancelled, so is the whole. Without parts it finishes at once.
    """
    whole.parts = parts
    done = count(1)  # next() is thread-safe
    for part in parts:
        part.future.add_done_callback(partial(_on_part_done, whole, merge, done))
    if not parts:
        whole.taken = whole.created
        whole.finish(merge(()))
    return whole


def _on_part_done(
    whole: Job,
    merge: Callable[[Sequence[Completion]], Completion],
    done: Iterator[int],
    future: Future[Completion],
) -> None:
    if future.cancelled():
        whole.future.cancel()
    if next(done) < len(whole.parts) or whole.future.cancelled():
        return
    completions = [part.future.result() for part in whole.parts]
    # stored answers were never taken from the queue
    whole.taken = min((part.taken for part in whole.parts if part.taken), default=whole.created)
    whole.finish(merge(completions))


def side_by_side(parts: Sequence[Completion]) -> Completion:
    """Merge the completions of a request's parts: totals of counts and times, the first text, and the parts.

    The first error of a part is the error of the whole.
    """
    return replace(_totals(parts), parts=tuple(parts))


def sum_pieces(parts: Sequence[Completion]) -> Completion:
    """Merge the completions of a request that was encoded in pieces: scores of the same label are summed.

    A label is greedy if it is greedy in every piece.
    """
    scores: dict[str, float] = {}
    greedy: dict[str, bool] = {}
    for part in parts:
        for label, score in part.scores.items():
            scores[label] = scores.get(label, 0.0) + score
        for label, is_greedy in part.greedy.items():
            greedy[label] = greedy.get(label, True) and is_greedy
    return replace(_totals(parts), scores=scores, greedy=greedy)


def _totals(parts: Sequence[Completion]) -> Completion:
    def total(numbers: Iterable[int | None]) -> int | None:
        known = [number for number in numbers if number is not None]
        return sum(known) if known else None

    first = next(iter(parts), Completion())
    batches = [part.batch_s for part in parts if part.batch_s is not None]
    return replace(
        first,
        scores={label: score for part in parts for label, score in part.scores.items()},
        greedy={label: is_greedy for part in parts for label, is_greedy in part.greedy.items()},
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
