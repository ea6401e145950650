"""Refusals that fewer shots help against, in the words of servers, and those that only sound like it."""

from __future__ import annotations

import pytest

from pytest_llmeval.models.openai.prompt_length import leaves_no_room, mentions_length

TOO_LONG = [
    # OpenAI, Azure, DeepSeek, vLLM, OpenRouter
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the "
    "messages, 1000 in the completion). Please reduce the length of the messages or completion.",
    "This endpoint's maximum context length is 200000 tokens. However, you requested about 250000 tokens",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "'max_tokens' or 'max_completion_tokens' is too large: 3000. This model's maximum context length is 4096 "
    "tokens and your request has 1500 input tokens (3000 > 4096 - 1500).",
    "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 50000. The input or output "
    "tokens must be reduced in order to run successfully.",
    # TGI, Together, Hugging Face's router
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3474 `inputs` tokens "
    "and 60 `max_new_tokens`",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168",
    "The input (516368 tokens) is longer than the model's context length (262144 tokens).",
    # DashScope, Moonshot, Zhipu, Ark, SiliconFlow, MiniMax, Stepfun
    "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
    "Invalid request: Your request exceeded model token limit: 262144 (requested: 291351)",
    "Prompt exceeds max length",
    "Prompt 超长",
    "Total tokens of image and text exceed max message tokens. Request id: 0217",
    "Query or prefix prompt is too long",
    "length of prompt_tokens (57535) must be less than max_seq_len (32768).",
    "invalid params, context window exceeds limit (2013)",
    "the request tokens exceed the limit",
    # Gemini, Groq, Cerebras, Mistral, xAI, Cohere, Cloudflare, Copilot, GitHub Models
    "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
    "Please reduce the length of the messages or completion.",
    "Please reduce the length of the messages or completion. Current length is 42328 while limit is 40000",
    "Request too large for model `llama3-8b` on tokens per minute (TPM): Limit 6000, Requested 8000, please "
    "reduce your message size and try again.",
    "Prompt contains 140000 tokens, too large for model with 131072 maximum context length",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens",
    "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs.",
    "The estimated number of input and maximum output tokens (5000) exceeded this model context window "
    "limit (4096).",
    "prompt token count of 130000 exceeds the limit of 128000",
    "Request body too large for gpt-4o model. Max size: 8000 tokens.",
    # Anthropic, Bedrock
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input length",
    "The model returned the following errors: Input is too long for requested model.",
    # SGLang, llama.cpp, llama-cpp-python, Ollama, LM Studio, LMDeploy
    "Requested token count exceeds the model's maximum context length of 131072 tokens.",
    "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens). Use a shorter input.",
    "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "the request exceeds the available context size, try increasing it",
    "Context size has been exceeded.",
    "Requested tokens (2285) exceed context window of 2048",
    "prompt too long; exceeded max context length by 1200 tokens",
    "tokens to keep from the initial prompt is greater than the context length",
    "Trying to keep the first 5000 tokens when context the overflows.",
    # Chinese gateways, Spark, Hunyuan, Baidu
    "输入长度超过模型上限",
    "上下文过长，请减少消息",
    "token数量超过上限。对话历史+问题的字数太多",
    "请求的内容超出最大长度",
    "the max length of current question is 4800",
    "Request Entity Too Large",
    # in words of their own
    "The total length of the prompt tokens and max_tokens exceeds the model's limit",
    "The prompt is longer than the model's context",
    "Requested generation length 1024 is not possible! The provided prompt is 5000 tokens long, so "
    "generating 1024 tokens requires a sequence length of 6024, but the maximum supported sequence length "
    "is just 4096!",
    "message length exceeds the model limit",
    "The number of tokens (5000) exceeds the model's limit 4096",
    "Please shorten your prompt",
    "max length is 4096 but input 5000 tokens",
    "字数超限",
    "模型最大长度为4096，输入5000",
]
OTHERS = [
    "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 6 "
    "instead.",
    "stop: the list is too long (at most 4)",
    "the number of stop_sequences must not exceed 5",
    "Invalid 'stop[0]': string too long. Expected a string with maximum length 64.",
    "max_tokens is too large: 32000. This model supports at most 16384 completion tokens",
    "max_tokens is too long: 8192 > 4096",
    "Range of max_tokens should be [1, 8192]",
    "max_tokens (8192) exceeds the maximum number of tokens allowed (4096)",
    "max_tokens 超过最大限制 4096",
    "`max_new_tokens` must be <= 192. Given: 512",
    "Invalid 'tools': array too long. Expected an array with maximum length 128",
    "Invalid 'user': string too long. Expected a string with maximum length 64",
    "Too many requests, please wait before trying again.",
    "ThrottlingException: Too many tokens, please wait before trying again.",
    "temperature must be below 2",
    "temperature: Input should be less than or equal to 2",
    "stop: List should have at most 4 items after validation, not 6",
    "stop: Input should be a valid string",
    "the length of stop exceeds the limit",
    "requested output tokens exceed the maximum",
    "stop列表过长",
    "invalid role",
    "",
]


@pytest.mark.parametrize("message", TOO_LONG)
def test_a_prompt_that_is_too_long(message: str) -> None:
    assert mentions_length(message)


@pytest.mark.parametrize("message", OTHERS)
def test_something_else_that_is_too_long(message: str) -> None:
    assert not mentions_length(message)


@pytest.mark.parametrize("code", ["context_length_exceeded", "exceed_context_size_error", "1261"])
def test_codes_say_it_without_words(code: str) -> None:
    assert mentions_length("Bad Request", frozenset(["invalid_request_error", code]))
    assert not mentions_length("Bad Request", frozenset(["invalid_request_error"]))


def test_a_413_is_too_long_whatever_it_says() -> None:
    assert mentions_length("an HTML page", status=413) and not mentions_length("an HTML page", status=400)


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        (TOO_LONG[0], 4096),
        (TOO_LONG[5], 4096),
        ("`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 10 `inputs` tokens", 2048),
        ("input length and `max_tokens` exceed context limit: 199,759 + 8192 > 200,000", 200000),
        ("request (4390 tokens) exceeds the available context size (4096 tokens)", 4096),
        ("The input (61709 tokens) is longer than the model's context length (40960 tokens).", 40960),
        ("Requested tokens (2285) exceed context window of 2048", 2048),
        ("exceeded this model context window limit (4096).", 4096),
    ],
)
def test_no_room_for_a_prompt(message: str, limit: int) -> None:
    assert leaves_no_room(message, limit) and not leaves_no_room(message, limit - 1)


@pytest.mark.parametrize(
    "message", ["Range of input length should be [1, 30720]", "Prompt 超长", "prompt is too long: 9 > 5", ""]
)
def test_a_message_without_a_limit_leaves_room(message: str) -> None:
    assert not leaves_no_room(message, 10**9)
