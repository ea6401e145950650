"""``generation_kwargs`` of a task as the words of a request."""

from __future__ import annotations

import pytest

from pytest_llmeval.lm_eval.generation import Generation, generation, problem


@pytest.mark.parametrize(
    ("kwargs", "found"),
    [
        ({}, Generation(256, 0.0, ())),
        ({"until": "\n", "max_gen_toks": 8}, Generation(8, 0.0, ("\n",))),
        ({"until": ["a", "", "b"], "max_new_tokens": "9"}, Generation(9, 0.0, ("a", "b"))),
        ({"max_tokens": 5, "max_gen_toks": 7, "max_completion_tokens": 3}, Generation(7, 0.0, ())),
        ({"do_sample": False, "temperature": 0.8}, Generation(256, 0.0, ())),
        ({"do_sample": True, "temperature": 0.8}, Generation(256, 0.8, ())),
        ({"temperature": 0.8}, Generation(256, 0.8, ())),
        ({"until": None, "temperature": None}, Generation(256, 0.0, ())),
    ],
)
def test_what_they_say(kwargs: dict[str, object], found: Generation) -> None:
    assert generation(kwargs) == found
    assert problem(kwargs) is None


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"until": 3}, "not a list of strings"),
        ({"max_gen_toks": "many"}, "many"),
        ({"max_gen_toks": 0}, "must be positive"),
        ({"num_beams": 4}, "num_beams=4"),
        ({"repetition_penalty": 1.2}, "repetition_penalty=1.2"),
        ({"do_sample": True, "temperature": 1, "top_p": 0.9}, "top_p=0.9"),
    ],
)
def test_what_cannot_be_had(kwargs: dict[str, object], said: str) -> None:
    assert said in str(problem(kwargs))


def test_what_only_says_how_to_draw_means_nothing_where_nothing_is_drawn() -> None:
    assert problem({"do_sample": False, "top_p": 0.9, "top_k": 40, "num_beams": 1}) is None
    assert problem({"do_sample": True, "temperature": 1.0, "top_p": 1.0}) is None
