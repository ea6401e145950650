"""What a data set says about the instructions of a question."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.instructions import INSTRUCTIONS
from pytest_llmeval.scoring.instructions.instruction import parse
from pytest_llmeval.scoring.instructions.reply import Reply

WORDS = "length_constraints:number_words"


def test_arguments_are_converted_and_null_ones_ignored() -> None:
    row = {"num_words": 3.0, "relation": "at least", "keywords": None, "letter": None}
    [check, other] = parse([WORDS, "punctuation:no_comma"], [row, {"num_words": None}], INSTRUCTIONS)
    assert check.arguments == {"num_words": 3, "relation": "at least"}
    assert (check.id, dict(other.arguments)) == (WORDS, {})


@pytest.mark.parametrize(
    ("ids", "arguments", "problem"),
    [
        ([], [], "has no instructions"),
        ([WORDS], [], "has 1 instructions, but arguments for 0"),
        (["length_constraints:number_of_words"], [{}], f"unknown instruction .* did you mean '{WORDS}'"),
        ([7], [{}], "unknown instruction '7'"),
        (["punctuation:no_comma"], [None], "its arguments are None, not an object"),
        (
            ["punctuation:no_comma"],
            [{"num_words": 3}],
            "unknown argument 'num_words' in punct",
        ),
        ([WORDS], [{"num_words": 3}], f"{WORDS}: the argument relation is missing"),
        ([WORDS], [{"num_words": -1, "relation": "at least"}], "num_words is -1, but must be a whole number"),
        ([WORDS], [{"num_words": 2.5, "relation": "at least"}], "num_words is 2.5"),
        ([WORDS], [{"num_words": True, "relation": "at least"}], "num_words is True"),
        ([WORDS], [{"num_words": math.inf, "relation": "at least"}], "num_words is inf"),
        ([WORDS], [{"num_words": "3", "relation": "at least"}], "num_words is '3'"),
        ([WORDS], [{"num_words": 3, "relation": "at most"}], "must be 'less than' or 'at least'"),
        (["keywords:existence"], [{"keywords": "sea"}], "must be a list of texts"),
        (["keywords:existence"], [{"keywords": ["sea", ""]}], "must be a text"),
        (
            ["keywords:letter_frequency"],
            [{"letter": "ab", "let_frequency": 1, "let_relation": "at least"}],
            "must be one character",
        ),
        (
            ["length_constraints:nth_paragraph_first_word"],
            [{"num_paragraphs": 2, "nth_paragraph": 0, "first_word": "a"}],
            "must be a whole number from 1",
        ),
    ],
)
def test_what_cannot_be_verified_is_one_line(ids: list[Any], arguments: list[Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse(ids, arguments, INSTRUCTIONS)
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted({key for instruction in INSTRUCTIONS.values() for key in instruction.arguments})


@given(
    st.lists(st.sampled_from(sorted(INSTRUCTIONS)) | st.text(max_size=9), max_size=3),
    st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4) | JSON, max_size=3),
)
def test_any_row_has_checks_or_a_problem(ids: list[str], arguments: list[Any]) -> None:
    try:
        checks = parse(ids, arguments, INSTRUCTIONS)
    except ValueError as problem:
        assert "\n" not in str(problem)
    else:
        assert [check.id for check in checks] == ids


def test_instructions_say_what_they_need() -> None:
    """A verifier that uses a tool without saying so would fail in the middle of a run."""

    class Recorder:
        def __init__(self) -> None:
            self.used: set[str] = set()

        def sentences(self, text: str) -> list[str]:
            self.used.add("sentences")
            return [f"{text}."] * 3

        def tokens(self, text: str) -> list[str]:
            self.used.add("tokens")
            return text.split()

        def language(self, text: str) -> str:
            self.used.add("language")
            return "en"

    values: dict[str, object] = {"relation": "at least", "let_relation": "at least", "letter": "a"}
    for name, instruction in INSTRUCTIONS.items():
        arguments = {}
        for key, convert in instruction.arguments.items():
            for value in (values.get(key, 1), "at least", "text", ["text"]):
                try:
                    arguments[key] = convert(value)
                    break
                except ValueError:
                    continue
        recorder = Recorder()
        for text in ("BALD EAGLE EAGLE BALD", "so it is", "A b.\n* c\n* d", "eagle bald"):
            instruction.verify(Reply(text, recorder), **arguments)
        assert recorder.used <= set(instruction.needs), name
        assert bool(recorder.used) == bool(instruction.needs), name
