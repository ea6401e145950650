"""A record is the same after each of its ways: to questions.jsonl, to a report, and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Completion, Judgement, Outcome
from pytest_llmeval.results.record import Record, outcome_property
from tests.support.made_results import counted

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SECONDS = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1e6)
TOKENS = st.none() | st.integers(0, 10**6)
COMPLETIONS = st.builds(
    Completion,
    text=TEXTS,
    reasoning=TEXTS,
    scores=st.dictionaries(st.sampled_from("ABCD"), st.floats(-50, 0)),
    finish_reason=st.sampled_from(["stop", "length"]),
    prompt_tokens=TOKENS,
    completion_tokens=TOKENS,
    shared_tokens=TOKENS,
    latency_s=SECONDS,
    queue_s=SECONDS,
    batch_s=st.none() | SECONDS,
    first_token_s=st.none() | SECONDS,
    attempts=st.integers(1, 9),
    cached=st.booleans(),
    dropped_shots=st.integers(0, 5),
    prompt=st.none() | TEXTS,
    notes=st.lists(TEXTS, max_size=2).map(tuple),
    error=st.none() | TEXTS,
    greedy=st.dictionaries(st.sampled_from("ABCD"), st.booleans()),
)
JUDGEMENTS = st.builds(
    Judgement,
    judge=TEXTS,
    verdict=st.none() | TEXTS,
    score=st.none() | st.floats(0, 1),
    text=TEXTS,
    unread=st.none() | TEXTS,
    prompt_tokens=TOKENS,
    completion_tokens=TOKENS,
    latency_s=SECONDS,
    attempts=st.integers(0, 3),
    cached=st.booleans(),
    error=st.none() | TEXTS,
)
ORDERS = st.none() | st.permutations("ABCD").map(tuple)


def singles(**fixed: Any) -> st.SearchStrategy[Record]:
    """Records of one request each."""
    fields: dict[str, Any] = {
        "id": st.just("b/s/0"),
        "nodeid": st.just("test_b[s-0]"),
        "model": st.just("m"),
        "benchmark": st.just("b"),
        "subject": st.just("s"),
        "outcome": st.sampled_from(Outcome),
        "answer": st.none() | st.sampled_from("ABCD"),
        "target": st.none() | st.sampled_from("ABCD"),
        "completion": COMPLETIONS,
        "prompt": TEXTS,
        "cluster": st.none() | st.text(min_size=1, max_size=3),
        "score": st.none() | st.floats(0, 1),
        "order": ORDERS,
        "judgement": st.none() | JUDGEMENTS,
    }
    return st.builds(Record, **{**fields, **fixed})


def carried(record: Record) -> Record | None:
    """The record after its way on a report through JSON, as xdist sends it."""
    properties = record.to_report()
    pairs = json.loads(json.dumps(properties))
    return Record.from_report([(name, value) for name, value in pairs], record.nodeid)


@given(singles(repeat=st.integers(0, 3)))
def test_a_line_of_questions_jsonl_is_the_whole_record(record: Record) -> None:
    line = json.dumps(record.to_json(), ensure_ascii=False)
    prompt = record.prompt if record.completion.prompt is None else record.completion.prompt
    completion = dataclasses.replace(record.completion, prompt=prompt)
    assert Record.from_json(json.loads(line)) == dataclasses.replace(
        record, prompt=prompt, completion=completion
    )


@given(st.lists(singles(target=st.just("A"), judgement=st.none(), cluster=st.none()), min_size=2, max_size=4))
def test_the_orders_of_a_question_are_in_its_line(records: list[Record]) -> None:
    whole = Record.of_rotations(records)
    again = Record.from_json(json.loads(json.dumps(whole.to_json())))
    assert [one.to_json()["answer"] for one in again.rotations] == [one.answer for one in records]
    assert [one.places for one in again.rotations] == [one.places for one in records]
    assert [one.completion.text for one in again.rotations] == [one.completion.text for one in records]


@given(singles(judgement=st.none()))
def test_a_report_carries_what_is_counted(record: Record) -> None:
    again = carried(record)
    assert again is not None
    for name in ("id", "nodeid", "model", "benchmark", "subject", "outcome", "answer", "target", "cluster"):
        assert getattr(again, name) == getattr(record, name)
    for name in ("prompt_tokens", "completion_tokens", "shared_tokens", "attempts", "cached", "error"):
        assert getattr(again.completion, name) == getattr(record.completion, name)
    assert (again.score, again.latencies_s) == (record.score, record.latencies_s)
    assert (again.completion.text, again.prompt) == ("", "")


@given(st.lists(st.lists(singles(), min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_report_carries_all_repeats_and_orders(attempts: list[list[Record]]) -> None:
    record = Record.of_repeats([Record.of_rotations(orders) for orders in attempts])
    again = carried(record)
    assert again is not None
    for name in ("outcome", "answer", "outcomes", "from_store", "latencies_s", "score", "gold"):
        assert getattr(again, name) == getattr(record, name), name
    assert [[one.outcome for one in circle] for circle in again.circles] == [
        [one.outcome for one in circle] for circle in record.circles
    ]
    assert [[one.places for one in circle] for circle in again.circles] == [
        [one.places for one in circle] for circle in record.circles
    ]
    figures = ("verdict", "score", "prompt_tokens", "latency_s", "cached", "error", "attempts")
    for one, other in zip(again.judgements, record.judgements, strict=True):
        assert [getattr(one, name) for name in figures] == [getattr(other, name) for name in figures]
        assert (one.unread is None) == (other.unread is None) and one.text == ""


def test_no_text_of_a_model_rides_a_report() -> None:
    judgement = Judgement("j", "C", 1.0, "why", "because", "unread reply")
    record = counted("s", text="secret answer", reasoning="thought", judgement=judgement, prompt="sent")
    for whole in (record, Record.of_repeats([record, record])):
        sent = json.dumps(whole.to_report())
        assert not [
            word for word in ("secret", "thought", "why", "because", "unread r", "sent") if word in sent
        ]


def test_reports_of_other_tests_carry_none() -> None:
    assert Record.from_report([("llm_other", 1), ("owner", "me")], "t") is None
    assert outcome_property([("owner", "me")]) is None
    assert outcome_property(counted(outcome=Outcome.WRONG).to_report()) is Outcome.WRONG


def test_a_line_of_an_earlier_version_is_read() -> None:
    row = {"id": "b/s/0", "model": "m", "benchmark": "b", "subject": "s", "outcome": "wrong", "unknown": 1}
    record = Record.from_json({**row, "latency_s": None, "judgement": {"judge": "j", "later": 2}})
    assert (record.completion.latency_s, record.judgement) == (0.0, Judgement("j"))
    for broken in (
        {**row, "outcome": "odd"},
        {**row, "scores": [1]},
        {"id": "b/s/0"},
        {**row, "repeat": "x"},
    ):
        with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
            Record.from_json(broken)


def answered(letter: str, gold: bool = True) -> Record:
    outcome = {o.value[0]: o for o in Outcome}[letter]
    return counted("s", outcome=outcome, gold=gold)


@pytest.mark.parametrize(
    ("outcomes", "decides"),
    [("cccc", 0), ("ccwc", 2), ("cuwc", 2), ("cuuc", 1), ("wcec", 2), ("ccce", 3)],
)
def test_right_only_when_right_in_all(outcomes: str, decides: int) -> None:
    records = [answered(letter) for letter in outcomes]
    whole = Record.of_rotations(records)
    assert whole.outcome is records[decides].outcome and list(whole.rotations) == records


@pytest.mark.parametrize(("outcomes", "decides"), [("aaaa", 0), ("auaa", 0), ("uaaa", 0), ("aaea", 2)])
def test_without_a_gold_answer_the_first_order_stands_for_all(outcomes: str, decides: int) -> None:
    records = [answered(letter, gold=False) for letter in outcomes]
    assert Record.of_rotations(records).outcome is records[decides].outcome
