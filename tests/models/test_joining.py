"""Several jobs as one."""

from __future__ import annotations

import itertools

import pytest

from pytest_llmeval.core.types import Completion, Request, TextPrompt
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.joining import gather, side_by_side, sum_pieces


def job(text: str = "") -> Job:
    return Job(Request(TextPrompt(text)))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_whole_has_all_parts_in_their_order(order: tuple[int, ...]) -> None:
    stored: list[Completion] = []
    parts = [job(str(number)) for number in range(3)]
    whole = gather(Job(Request(TextPrompt("")), on_success=stored.append), parts, side_by_side)
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
    completion = whole.future.result(timeout=0)
    assert [part.text for part in completion.parts] == ["t0", "t1", "t2"]
    assert (completion.text, completion.prompt_tokens, completion.latency_s) == ("t0", 3, 6.0)
    assert completion.attempts == 4  # the first, and three retries
    assert completion.scores == {"l0": -1.0, "l1": -1.0, "l2": -1.0}
    assert stored == [completion]


def test_an_error_of_a_part_is_the_error_of_the_whole_and_is_not_stored() -> None:
    stored: list[Completion] = []
    parts = [job(), job()]
    whole = gather(Job(Request(TextPrompt("")), on_success=stored.append), parts, side_by_side)
    parts[0].fail(RuntimeError("no memory"))
    parts[1].finish(Completion(text="well"))
    assert whole.future.result(timeout=0).error == "RuntimeError: no memory"
    assert not stored


def test_cancelling_a_part_cancels_the_whole() -> None:
    parts = [job(), job()]
    whole = gather(job(), parts, side_by_side)
    parts[1].future.cancel()
    assert whole.future.cancelled()
    parts[0].finish(Completion(text="late"))
    assert whole.future.cancelled()


def test_stored_answers_are_joined_at_once() -> None:
    parts = [job(), job()]
    for part in parts:
        part.future.set_result(Completion(text="stored", cached=True))
    assert gather(job(), parts, side_by_side).future.result(timeout=0).cached
    assert gather(job(), [], sum_pieces).future.result(timeout=0).scores == {}


def test_scores_of_pieces_are_summed() -> None:
    pieces = [
        Completion(scores={"a": -1.5}, greedy={"a": True}, notes=("cut",)),
        Completion(scores={"a": -2.0, "b": -1.0}, greedy={"a": False, "b": True}, notes=("cut",)),
    ]
    completion = sum_pieces(pieces)
    assert completion.scores == {"a": -3.5, "b": -1.0}
    assert completion.greedy == {"a": False, "b": True}
    assert completion.notes == ("cut",)
    assert not completion.parts
