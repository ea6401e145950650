"""Marks of reasoning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract import split_reasoning


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("<thought>x</thought>B", "B", "x"),
        ("<reasoning>x</reasoning>\nB", "B", "x"),
        ("[THINK]x[/THINK]B", "B", "x"),
        ("[THINK]x", "", "x"),
        ("◁think▷x◁/think▷B", "B", "x"),
        ("<|START_THINKING|>x<|END_THINKING|>B", "B", "x"),
        ("<|begin_of_thought|>x<|end_of_thought|>B", "B", "x"),
        ("x</think>B", "B", "x"),
        (
            "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>B<|return|>",
            "B",
            "x",
        ),
        ("<|channel|>analysis<|message|>x", "", "x"),
        ("analysisIt may be A.assistantfinalB", "B", "It may be A.assistantfinal"),
        ("analysisIt may be A.", "", "It may be A."),
        ("analysis of the text", "analysis of the text", ""),
        ("no marks", "no marks", ""),
    ],
)
def test_marks(text: str, answer: str, reasoning: str) -> None:
    assert split_reasoning(text) == (answer, reasoning)


def test_marks_of_a_model() -> None:
    assert split_reasoning("((x))B", ("((", "))")) == ("B", "x")
    assert split_reasoning("<think>y</think>((x))B", ("((", "))")) == ("B", "y\nx")
    assert split_reasoning("((x))B") == ("((x))B", "")


@given(st.text(max_size=80), st.text(alphabet="abc ", min_size=1, max_size=20))
def test_what_stands_behind_the_reasoning_is_the_answer(reasoning: str, answer: str) -> None:
    text = f"<think>{reasoning}</think>{answer}"
    if "<" not in reasoning and "[" not in reasoning and "◁" not in reasoning:
        assert split_reasoning(text)[0] == answer.strip()
