"""Chat turns in the forms that files have."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.suites.messages import parse_messages, parse_turns, split_reply


@pytest.mark.parametrize(
    "cell",
    [
        [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
        [{"role": "developer", "content": "S"}, {"role": "User", "content": [{"type": "text", "text": "Q"}]}],
        [{"from": "system", "value": "S"}, {"from": "human", "value": "Q"}],
        [{"role": "system", "content": "S", "name": "n"}, {"role": "user", "text": "Q", "weight": 1}],
    ],
)
def test_forms(cell: object) -> None:
    for text in (json.dumps(cell), repr(cell)):
        assert [(turn.role, turn.content) for turn in parse_messages(text)] == [
            ("system", "S"),
            ("user", "Q"),
        ]


def test_a_single_turn_may_be_an_object() -> None:
    assert [turn.content for turn in parse_messages('{"role": "user", "content": "Q"}')] == ["Q"]


def test_a_reply_at_the_end_is_the_gold_answer() -> None:
    cell = json.dumps(
        [
            {"from": who, "value": text}
            for who, text in (("human", "Q"), ("gpt", "a"), ("human", "R"), ("gpt", "b"))
        ]
    )
    asked, reply = split_reply(cell)
    assert ([(turn.role, turn.content) for turn in asked], reply) == (
        [("user", "Q"), ("assistant", "a"), ("user", "R")],
        "b",
    )
    with pytest.raises(ValueError, match="the last turn must be the user's"):
        parse_messages(cell)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("Q", "not JSON"),
        ("[]", "must be a list"),
        ('["Q"]', "content must be a string"),
        ('[{"role": "user", "content": null}]', "content must be a string"),
        ('[{"role": "user", "content": [{"type": "image_url"}]}]', "content must be a string"),
        ('[{"role": "tool", "content": "Q"}]', "role must be"),
        ('[{"role": 1, "content": "Q"}]', "role must be"),
        ('[{"content": "Q"}]', "role must be"),
    ],
)
def test_broken_turns(cell: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_turns(cell)


@pytest.mark.parametrize(
    "roles", [("user",), ("assistant",), ("assistant", "assistant"), ("user", "system", "assistant")]
)
def test_a_reply_follows_a_user_s_turn(roles: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="turn"):
        split_reply(json.dumps([{"role": role, "content": "x"} for role in roles]))


@given(st.text() | st.builds(json.dumps, st.recursive(st.none() | st.text(), st.lists) | st.dictionaries(
    st.sampled_from(["role", "from", "content", "value"]), st.none() | st.text() | st.lists(st.text())
)))  # fmt: skip
def test_any_cell_is_turns_or_a_value_error(cell: str) -> None:
    try:
        assert parse_turns(cell)
    except ValueError as error:
        assert str(error)
