"""From a document's instances to one request, and back to their responses."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request
from pytest_llmeval.lm_eval import chat
from pytest_llmeval.lm_eval.requests import Overrides, plan, responses
from tests.support.lm_eval_instances import Instance

NOTHING = Overrides()


def scored(*pairs: tuple[str, str]) -> list[Instance]:
    return [Instance("loglikelihood", pair, idx) for idx, pair in enumerate(pairs)]


def answer(request: Request) -> Completion:
    """A score that tells which continuation it is of, and a text that tells which prompt."""
    parts = tuple(
        Completion(
            text=f"text of {part.prompt.text} {part.repeat}",
            scores={label: -float(len(part.prompt.text + text)) for label, text in part.choices.items()},
            greedy={label: text.endswith("!") for label, text in part.choices.items()},
        )
        for part in request.parts or (request,)
    )
    return Completion(parts=parts) if request.parts else parts[0]


def asked(instances: list[Instance], given: Overrides = NOTHING) -> list[list[Any]]:
    found = plan(instances, given)
    return responses(found, answer(found.request), [one.repeats for one in instances])


def test_continuations_of_one_context_are_one_request() -> None:
    instances = scored(("what?", " a"), ("what?", " bc!"), ("what?", " a"))
    found = plan(instances, NOTHING)
    assert not found.request.parts
    assert list(found.request.choices.values()) == [" a", " bc!", " a"]
    assert found.request.lm_eval
    assert asked(instances) == [[(-7.0, False)], [(-9.0, True)], [(-7.0, False)]]


def test_each_context_is_a_part() -> None:
    instances = scored(("one", " x"), ("", " x"), ("one", " yy"), ("", " yy"))
    found = plan(instances, NOTHING)
    assert [part.prompt.text for part in found.request.parts] == ["one", ""]
    assert not found.request.choices
    labels = [label for part in found.request.parts for label in part.choices]
    assert len(set(labels)) == 4
    assert asked(instances) == [[(-5.0, False)], [(-2.0, False)], [(-6.0, False)], [(-3.0, False)]]


def test_a_whole_text() -> None:
    (found,) = [plan([Instance("loglikelihood_rolling", ("all of it",))], NOTHING)]
    assert found.request.rolling
    assert asked([Instance("loglikelihood_rolling", ("all of it",))]) == [[-9.0]]
    # an empty one has no window that could be scored
    assert responses(found, Completion(), [1]) == [[0.0]]


@pytest.mark.parametrize(
    ("temperature", "texts"),
    [(0.0, ["text of say 0"] * 3), (0.7, ["text of say 0", "text of say 1", "text of say 2"])],
)
def test_repeats_are_asked_only_where_they_may_differ(temperature: float, texts: list[str]) -> None:
    kwargs = {"until": ["\n"], "max_gen_toks": 4, "temperature": temperature}
    instance = Instance("generate_until", ("say", kwargs), repeats=3)
    found = plan([instance], NOTHING)
    assert max(len(found.request.parts), 1) == len(set(texts))
    assert asked([instance]) == [texts]


def test_texts_of_a_run_at_another_temperature() -> None:
    kwargs = {"until": ["\n"], "max_gen_toks": 4}
    instance = Instance("generate_until", ("say", kwargs), repeats=3)
    cold, warm = (plan([instance], Overrides(temperature=temperature)) for temperature in (0.0, 0.7))
    texts = ["text of say 0", "text of say 1", "text of say 2"]
    assert responses(cold, answer(warm.request), [3]) == [texts]
    assert responses(warm, answer(cold.request), [3]) == [texts[:1] * 3]


def test_scores_repeat_without_asking() -> None:
    instance = Instance("loglikelihood", ("a", " b"), repeats=2)
    assert asked([instance]) == [[(-3.0, False), (-3.0, False)]]


def test_what_the_user_says_comes_before_the_task() -> None:
    instance = Instance("generate_until", ("say", {"until": ["\n"], "max_gen_toks": 4}))
    request = plan([instance], Overrides(max_tokens=9, temperature=0.5, stop=("END", "\n"))).request
    assert (request.max_tokens, request.temperature, request.stop) == (9, 0.5, ("\n", "END"))
    assert plan([instance], Overrides(temperature="none")).request.temperature is None


def test_a_continuation_without_a_score_is_an_error() -> None:
    found = plan(scored(("a", " b"), ("a", " c")), NOTHING)
    with pytest.raises(ValueError, match="no score for 'c'"):
        responses(found, Completion(scores={"b": -1.0}), [1, 1])


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        (Instance("loglikelihood", ("a", 3)), "returned 3 instead of a string"),
        (Instance("generate_until", ("a", {"num_beams": 2})), "num_beams=2"),
        (Instance("telepathy", ("a",)), "telepathy"),
    ],
)
def test_what_cannot_be_asked(instance: Instance, said: str) -> None:
    with pytest.raises(UserError, match=said):
        plan([instance], NOTHING)


def test_turns_of_a_chat() -> None:
    turns = [{"role": "user", "content": "1 + 1 = ?"}]
    instances = [
        Instance("generate_until", (chat.pack(turns), {"until": ["x"]})),
        *scored((chat.pack(turns), " 2"), (chat.pack(turns), " 3")),
    ]
    prompt = ChatPrompt((Message("user", "1 + 1 = ?"),))
    assert plan(instances[:1], NOTHING).request.prompt == prompt
    scores = plan(instances[1:], NOTHING).request
    assert scores.prompt == prompt and list(scores.choices.values()) == [" 2", " 3"]


@pytest.mark.parametrize(
    ("text", "end", "answer"),
    [
        ("a</think>b</think>\n c", "</think>", "c"),
        ("a</think>b", None, "a</think>b"),
        ("never ends", "</think>", "never ends"),
    ],
)
def test_what_precedes_the_end_of_reasoning_is_no_answer(text: str, end: str | None, answer: str) -> None:
    instances = [Instance("generate_until", ("what?", {"until": []}))]
    assert responses(plan(instances, NOTHING), Completion(text=text), [1], end) == [[answer]]
