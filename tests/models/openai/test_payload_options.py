"""What refusals teach about a model's parameters, and what happens to requests and answers then."""

from __future__ import annotations

import pytest

from pytest_llmeval.core.types import Completion, Request, TextPrompt
from pytest_llmeval.models.openai.chat_payloads import build_body
from pytest_llmeval.models.openai.payload_options import PayloadOptions

CHOICES = {"A": " A", "B": " B"}
BODY = {"model": "m", "temperature": 0.0, "max_tokens": 9000, "stop": ["a", "b", "c"], "seed": 7}
PLAIN = PayloadOptions()
NO_TEMPERATURE = "Unsupported parameter: 'temperature' is not supported with this model."


def learnt(*messages: str, scoring: bool = False, **own: object) -> PayloadOptions:
    options = PLAIN
    for message in messages:
        adjusted = options.adjusted(message, scoring=scoring, body=options.applied(BODY), own=own)
        assert adjusted is not None, message
        options = adjusted
    return options


def test_payload_options_are_adjusted() -> None:
    newer = PLAIN.adjusted("Unsupported parameter: use 'max_completion_tokens' instead.", scoring=False)
    assert newer is not None and newer.limit_key == "max_completion_tokens"
    assert newer.adjusted("max_completion_tokens is too large", scoring=False) is None
    fewer = PLAIN.adjusted("top_logprobs must be at most 5", scoring=True)
    assert fewer == PayloadOptions(top_logprobs=5)
    assert fewer.adjusted("top_logprobs must be 0", scoring=True) is None
    assert PLAIN.adjusted("top_logprobs must be at most 5", scoring=False) is None
    request = Request(TextPrompt("q"), choices=CHOICES)
    sent = build_body(request, request.prompt, "m", PayloadOptions("max_completion_tokens", 5))
    assert sent["max_completion_tokens"] == 1 and sent["top_logprobs"] == 5 and "max_tokens" not in sent


def test_either_name_of_the_token_limit_may_be_refused() -> None:
    newer = learnt("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    assert newer.limit_key == "max_completion_tokens" and "max_tokens" not in newer.applied(BODY)
    neither = newer.adjusted("max_completion_tokens: Extra inputs are not permitted", scoring=False)
    assert neither is not None and "max_completion_tokens" not in neither.applied(
        {"max_completion_tokens": 5}
    )
    assert neither.adjusted("max_completion_tokens: Extra inputs are not permitted", scoring=False) is None
    older = PayloadOptions("max_completion_tokens").adjusted(
        "Unrecognized request argument supplied: max_completion_tokens", scoring=False
    )
    assert older is not None and older.limit_key == "max_tokens"


@pytest.mark.parametrize(
    ("message", "name"), [(NO_TEMPERATURE, "temperature"), ("seed: Extra inputs are not permitted", "seed")]
)
def test_a_refused_parameter_is_left_out(message: str, name: str) -> None:
    options = learnt(message)
    assert options.applied(BODY) == {key: value for key, value in BODY.items() if key != name}
    assert options.adjusted(message, scoring=False, body=options.applied(BODY)) is None
    [note] = options.restored(Completion("x"), Request(TextPrompt("q"))).notes
    assert note == f"{name} not sent: the model refuses it"
    assert options.restored(Completion(), Request(TextPrompt("q"), choices=CHOICES)).notes == ()


def test_the_fields_of_the_user_stay() -> None:
    assert PLAIN.adjusted(NO_TEMPERATURE, scoring=False, body=BODY, own=["temperature"]) is None
    options = learnt(NO_TEMPERATURE, "stop: not supported")
    assert options.applied(BODY, own=["temperature", "stop"]) == BODY


def test_a_temperature_just_above_0_stands_for_0() -> None:
    options = learnt("temperature must be in (0, 1]")
    assert options.applied(BODY)["temperature"] == 0.01
    assert options.applied({"temperature": 0.7})["temperature"] == 0.7
    hot = {**BODY, "temperature": 3.0}
    assert PLAIN.adjusted("temperature must be in (0, 1]", scoring=False, body=hot) is None
    [note] = options.restored(Completion("x"), Request(TextPrompt("q"))).notes
    assert note == "temperature 0.01 sent: the model refuses less"
    assert not options.restored(Completion("x"), Request(TextPrompt("q"), temperature=0.7)).notes
    assert "temperature" in learnt("temperature must be in (0, 1]", NO_TEMPERATURE).omitted


def test_stop_strings_that_are_not_sent_end_the_answer_all_the_same() -> None:
    request = Request(TextPrompt("q"), stop=("a", "b", "c"))
    options = learnt("Unsupported parameter: 'stop' is not supported with this model.")
    assert "stop" not in options.applied(BODY)
    cut = options.restored(Completion("12c34b", finish_reason="length"), request)
    assert (cut.text, cut.finish_reason) == ("12", "stop")
    assert cut.notes == ("stop strings applied to the answer: the model refuses them",)
    whole = options.restored(Completion("1234", finish_reason="length"), request)
    assert (whole.text, whole.finish_reason) == ("1234", "length")


def test_as_many_stop_strings_as_allowed_are_sent() -> None:
    options = learnt("Invalid 'stop': array too long. Expected an array with maximum length 2")
    assert options.applied(BODY)["stop"] == ["a", "b"]
    assert options.restored(Completion("12c"), Request(TextPrompt("q"), stop=("a", "b", "c"))).text == "12"
    few = Request(TextPrompt("q"), stop=("a", "1"))
    assert options.restored(Completion("12c"), few) == Completion("12c")


def test_the_token_limit_is_lowered_to_the_model_s() -> None:
    options = learnt("max_tokens is too large: 9000. This model supports at most 4096 completion tokens")
    assert options.applied(BODY)["max_tokens"] == 4096
    assert options.applied({"max_tokens": 10}) == {"max_tokens": 10}
    [note] = options.restored(Completion("x"), Request(TextPrompt("q"), max_tokens=9000)).notes
    assert note == "token limit lowered to 4096: the model refuses more"
    assert not options.restored(Completion("x"), Request(TextPrompt("q"), max_tokens=10)).notes


def test_streams() -> None:
    message = "This model only support stream mode, please enable the stream parameter"
    assert learnt(message).stream is True
    assert PLAIN.adjusted(message, scoring=True, body=BODY) is None
    assert PLAIN.adjusted(message, scoring=False, body={**BODY, "stream": True}) is None
    refused = PLAIN.adjusted(
        "Unsupported value: 'stream' does not support true with this model.",
        scoring=False,
        body={**BODY, "stream": True},
    )
    assert refused is not None and refused.stream is False


def test_each_lesson_is_a_line() -> None:
    assert PLAIN.lessons(PLAIN) == () and PayloadOptions(top_logprobs=5).lessons(PLAIN) == ()
    options = learnt(
        NO_TEMPERATURE,
        "seed: Extra inputs are not permitted",
        "'stop' is not supported",
        "max_tokens is too large. At most 4096",
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "only support stream mode",
    )
    lessons = options.lessons(PLAIN)
    assert len(lessons) == 6 and all("model" in line and "\n" not in line for line in lessons)
    assert 'temperature = "none"' in lessons[0] and "seed" in lessons[1] and "cut" in lessons[2]
