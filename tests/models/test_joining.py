"""Several jobs as one."""

from __future__ import annotations

import itertools

import pytest

from pytest_llmeval.core.types import Completion, Request, TextPrompt
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.joining import added_up, gather, side_by_side


def job(text: str = "") -> Job:
    return Job(Request(TextPrompt(text)))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_whoever_waits_sees_all_parts_in_their_order(order: tuple[int, ...]) -> None:
    kept: list[Completion] = []
    parts = [job(str(number)) for number in range(3)]
    whole = gather(Job(Request(TextPrompt("")), keep=kept.append), parts, side_by_side)
    for number in order:
        assert not whole.future.done()
        parts[number].taken = parts[number].created
        parts[number].finish(
            Completion(
                text=f"t{number}",
                scores={f"l{number}": -1.0},
                prompt_tokens=number,
                latency_s=2.0,
                attempts=1 + number,
            )
        )
    found = whole.future.result(timeout=0)
    assert [part.text for part in found.parts] == ["t0", "t1", "t2"]
    assert (found.text, found.prompt_tokens, found.latency_s) == ("t0", 3, 6.0)
    assert found.attempts == 4  # the first, and three more
    assert found.scores == {"l0": -1.0, "l1": -1.0, "l2": -1.0}
    assert kept == [found]


def test_an_error_of_one_is_the_error_of_all_and_is_not_kept() -> None:
    kept: list[Completion] = []
    parts = [job(), job()]
    whole = gather(Job(Request(TextPrompt("")), keep=kept.append), parts, side_by_side)
    parts[0].fail(RuntimeError("no memory"))
    parts[1].finish(Completion(text="well"))
    assert whole.future.result(timeout=0).error == "RuntimeError: no memory"
    assert not kept


def test_a_part_that_is_cancelled_cancels_the_whole() -> None:
    parts = [job(), job()]
    whole = gather(job(), parts, side_by_side)
    parts[1].future.cancel()
    assert whole.future.cancelled()
    parts[0].finish(Completion(text="late"))
    assert whole.future.cancelled()


def test_what_was_answered_before_is_joined_at_once() -> None:
    parts = [job(), job()]
    for one in parts:
        one.future.set_result(Completion(text="stored", cached=True))
    assert gather(job(), parts, side_by_side).future.result(timeout=0).cached
    assert gather(job(), [], added_up).future.result(timeout=0).scores == {}


def test_pieces_of_a_text_add_up() -> None:
    pieces = [
        Completion(scores={"a": -1.5}, greedy={"a": True}, notes=("cut",)),
        Completion(scores={"a": -2.0, "b": -1.0}, greedy={"a": False, "b": True}, notes=("cut",)),
    ]
    found = added_up(pieces)
    assert found.scores == {"a": -3.5, "b": -1.0}
    assert found.greedy == {"a": False, "b": True}
    assert found.notes == ("cut",)
    assert not found.parts
