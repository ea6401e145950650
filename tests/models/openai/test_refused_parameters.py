"""Which parameter a refusal names, in the words of servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.models.openai.refused_parameters import (
    is_about_size,
    is_refused,
    is_stop_refused,
    maximum_answer,
    maximum_stops,
    minimum_temperature,
    needs_stream,
    refuses_stream,
)


@pytest.mark.parametrize(
    "message",
    [
        # OpenAI and Azure, of two generations
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is "
        "supported.",
        "Unsupported parameter: 'temperature' is not supported with this model.",
        "invalid temperature: only 1 is allowed for this model",  # Kimi
        "temperature is deprecated for this model",  # Claude
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        "ValidationException: temperature may only be set to 1 when thinking is enabled",
        "deepseek-reasoner does not support the parameter `temperature`",
        "body.temperature: Extra inputs are not permitted",
        "litellm.UnsupportedParamsError: openai does not support parameters: ['temperature'], for model=o1",
        'Invalid JSON payload received. Unknown name "temperature": Cannot find field.',
        "该模型不支持 temperature 参数",
        "temperature 只能为 1",
        "invalid temperature: only 0.6 is allowed for this model",
        "temperature: Input should be 1",
        "This model requires temperature to be 1",
        "Temperature can only be set to 1",
        "temperature is fixed at 1.0",
        "Invalid value: temperature 0; expected 1",
        "temperature只支持1",
        "temperature must equal 1 for reasoning models",
    ],
)
def test_a_refused_temperature(message: str) -> None:
    assert is_refused("temperature", message)
    assert not is_refused("seed", message)


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be below 2",
        "temperature: only values from 0 to 2 are possible",
        "temperature should be 1.5 or less",
        "Invalid temperature value, the valid range of temperature is [0, 2.0]",
        "Unsupported parameter: 'stop_temperature'",
        "the temperature in the prompt rises",
        "",
    ],
)
def test_a_value_that_is_refused_is_the_user_s_mistake(message: str) -> None:
    assert not is_refused("temperature", message)


@pytest.mark.parametrize(
    ("message", "minimum"),
    [
        ("invalid params, temperature must in (0,1]", 0.01),
        ("temperature must be greater than 0 and less than or equal to 1", 0.01),
        ("temperature must be strictly positive", 0.01),
        ("`temperature` must be > 0.0 and <= 2.0", 0.01),
        ("temperature参数必须大于0", 0.01),
        ("temperature should be between 0.1 and 1", 0.1),
        ("temperature must be in [0.05, 1]", 0.05),
        ("temperature must be >= 0 and <= 2", None),
        ("temperature must be greater than 0.5", None),
        ("temperature must be in [0, 2]", None),
        ("invalid temperature: only 1 is allowed for this model", None),
        ("top_p must be in (0, 1]", None),
    ],
)
def test_the_lowest_temperature(message: str, minimum: float | None) -> None:
    assert minimum_temperature(message) == minimum


@pytest.mark.parametrize(
    ("message", "stops"),
    [
        ("Unsupported parameter: 'stop' is not supported with this model.", 0),
        ("stop: Unsupported value", 0),
        ("Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with "
         "length 6 instead.", 4),
        ("the number of stop_sequences must not exceed 5", 5),
        ("stop sequences: at most 4 are allowed", 4),
        ("Invalid 'stop[0]': string too long.", 0),
        ("body -> stop: Input should be a valid string", 0),
        ("Unrecognized request argument supplied: stop", 0),
        ("The maximum number of stop words is 9", 0),
        ("停止词最多4个", 4),
        ("Argument not supported on this model: stop", 0),
        ("stop: List should have at most 4 items after validation, not 6", 4),
    ],
)  # fmt: skip
def test_refused_stop_strings(message: str, stops: int) -> None:
    assert is_stop_refused(message)
    assert maximum_stops(message, 6) == stops


@pytest.mark.parametrize(
    "message", ["the answer does not stop", "please stop sending requests", "non-stop", "Unsupported value"]
)
def test_other_stops(message: str) -> None:
    assert not is_stop_refused(message)


@pytest.mark.parametrize(
    "message",
    [
        "This model only support stream mode, please enable the stream parameter to access the model. ",
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "current user api does not support http call",
        "Stream must be set to true",
        "Streaming is required for operations that may take longer than 10 minutes",
        "Non-streaming is not supported for this model",
        "stream is required",
        "该模型仅支持流式输出",
        "Only streaming requests are supported",
        "This model must be called with stream=True",
        "Non-streaming requests are not allowed",
    ],
)
def test_models_that_only_stream(message: str) -> None:
    assert needs_stream(message) and not refuses_stream(message)


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported value: 'stream' does not support true with this model. Only the default (false) value "
        "is supported.",
        "This model does not support streaming",
        "Streaming is not supported",
        "该模型不支持流式输出",
    ],
)
def test_models_that_do_not_stream(message: str) -> None:
    assert refuses_stream(message) and not needs_stream(message)


@pytest.mark.parametrize(
    ("message", "maximum"),
    [
        ("max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you "
         "provided 32000.", 16384),
        ("Range of max_tokens should be [1, 8192]", 8192),
        ("The parameter `max_tokens` specified in the request is not valid: integer above maximum value, "
         "expected a value <= 12288, but got 32000 instead.", 12288),
        ("Model Parameter max_tokens should be less than or equal to 12288.0", 12288),
        ("max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens", 8192),
        ("max_tokens 不能超过 4096", 4096),
        ("`max_new_tokens` must be <= 192. Given: 512", 192),
        ("'max_tokens' is too large: 32000. This model's maximum context length is 4096 tokens and your "
         "request has 1500 input tokens", None),
        ("max_tokens must be positive", None),
        ("max_tokens is too large", None),
        ("top_k must be at most 100", None),
    ],
)  # fmt: skip
def test_the_longest_answer(message: str, maximum: int | None) -> None:
    assert maximum_answer(message, 32000) == maximum
    assert maximum_answer(message, 100) is None and maximum_answer(message, None) is None


def test_names_and_sizes_of_a_token_limit() -> None:
    assert is_about_size("max_completion_tokens is too large")
    assert not is_about_size("Unsupported parameter: 'max_tokens' is not supported with this model.")


@given(st.text())
def test_any_text_is_read(message: str) -> None:
    assert isinstance(is_refused("stop", message), bool) and isinstance(is_stop_refused(message), bool)
    assert maximum_stops(message, 3) < 3
    minimum_temperature(message), maximum_answer("max_tokens" + message, 9), needs_stream(message)
