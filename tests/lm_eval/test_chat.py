"""Turns that pass through lm-evaluation-harness as a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import ChatPrompt, Message
from pytest_llmeval.lm_eval import chat

USER = {"role": "user", "content": "2 + 2 = ?"}


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text()), min_size=1))
def test_turns_come_back(rows: list[tuple[str, str]]) -> None:
    packed = chat.pack([{"role": role, "content": content} for role, content in rows])
    assert chat.turns(packed) == ChatPrompt(tuple(Message(*row) for row in rows))


def test_the_system_turn_is_apart() -> None:
    prompt = chat.turns(chat.pack([{"role": "system", "content": "Be brief."}, USER], False))
    assert prompt is not None
    assert prompt.system == (Message("system", "Be brief."),)
    assert prompt.question == (Message("user", "2 + 2 = ?"),)


@given(st.text())
def test_plain_text_has_no_turns(text: str) -> None:
    assert chat.turns(text) is None
