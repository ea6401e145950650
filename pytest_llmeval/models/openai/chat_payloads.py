"""Chat payloads: request bodies for ``/v1/chat/completions``, and the parsing of responses.

The format is OpenAI's (https://platform.openai.com/docs/api-reference/chat). Responses are untrusted:
parsing any text returns a completion, or raises ``NoCompletion`` or ``NoScores``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.core.types import ChatPrompt, Completion, Prompt, Request
from pytest_llmeval.models.openai import finish_reasons
from pytest_llmeval.models.openai.choice_scores import choice_scores
from pytest_llmeval.models.openai.error_bodies import first_choice_of, reported_error
from pytest_llmeval.models.openai.finish_reasons import finish_reason
from pytest_llmeval.models.openai.payload_options import PayloadOptions
from pytest_llmeval.models.openai.server_messages import server_message


class NoCompletion(Exception):
    """A response with status 200 that is not a completion; ``str()`` describes it."""


class PromptTooLong(Exception):
    """A response with status 200 and no answer, because the prompt does not fit the model's context."""


class ChatPayloads:
    """``api = "chat"``; implements ``calls.Payloads``."""

    path = "/chat/completions"
    no_scores = (
        "returns no log-probabilities; use --llm-mode=generate, or a server that supports top_logprobs"
    )

    def __init__(self, limit_key: str = "max_tokens") -> None:
        self.options = PayloadOptions(limit_key)

    def parts(self, request: Request) -> tuple[str, ...]:
        """A single unnamed part: one response scores all choices."""
        return ("",)

    def build(
        self, request: Request, prompt: Prompt, part: str, model: str, options: PayloadOptions
    ) -> dict[str, Any]:
        """The JSON body to send. Raises ``ModelUnusable``."""
        return build_body(request, prompt, model, options)

    def parse(
        self, response: bytes, request: Request, prompt: Prompt, part: str, options: PayloadOptions
    ) -> Completion:
        """The completion in a response body. Raises ``NoCompletion`` and ``NoScores``."""
        return parse_response(response, request.choices)


def build_body(request: Request, prompt: Prompt, model: str, options: PayloadOptions) -> dict[str, Any]:
    """The JSON body for ``request``, with ``prompt`` instead of the request's prompt.

    Plain text becomes one user turn. Choices are scored by the log-probabilities of one token. Raises
    ``ModelUnusable`` for a request that needs more than that.
    """
    if request.choices and request.lm_eval:
        raise ModelUnusable(
            "lm-evaluation-harness tasks score whole continuations, which chat APIs cannot do; "
            'set api = "completions" (docs/models.md), or use a local model'
        )
    if isinstance(prompt, ChatPrompt):
        messages = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        if request.lm_eval and messages[-1]["role"] == "assistant":
            start = one_line(messages[-1]["content"], 40)
            raise ModelUnusable(
                f"the task begins the answer itself ({start!r}, its gen_prefix), which chat APIs do not "
                "continue; leave out --llm-lm-eval-chat, or use a local model"
            )
    else:
        messages = [{"role": "user", "content": prompt.text}]
    if request.choices:
        return {
            "model": model,
            "messages": messages,
            "temperature": 0.0,
            options.limit_key: 1,
            "logprobs": True,
            "top_logprobs": options.top_logprobs,
        }
    body = {"model": model, "messages": messages, options.limit_key: request.max_tokens}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.stop:
        body["stop"] = list(request.stop)
    return body


def parse_response(response: bytes, choices: Mapping[str, str]) -> Completion:
    """The completion in a response body, with the scores of ``choices`` (label -> continuation).

    Raises ``NoCompletion``, and ``NoScores`` if there are choices but no log-probabilities.
    """
    data, choice = first_choice(response)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise NoCompletion(f"the response contains no completion: {server_message(response)}")
    check_room(data, choice)
    prompt_tokens, completion_tokens = token_usage(data)
    completion = Completion(
        text=text_of(message.get("content")),
        reasoning=text_of(message.get("reasoning_content")) or text_of(message.get("reasoning")),
        finish_reason=finish_reasons.standard(finish_reason(choice)),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        notes=_function_call_notes(message),
        served_model=one_line(text_of(data.get("model")), 200),
    )
    return _with_scores(completion, choice.get("logprobs"), choices) if choices else completion


def first_choice(response: bytes) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """A response body, and its choice 0 (empty if it has none).

    Raises ``NoCompletion`` also if the server reports an error beside the choice or generation failed, and
    ``PromptTooLong``.
    """
    data = parse_json(response)
    if not isinstance(data, dict):
        raise NoCompletion(f"the response is not a completion: {server_message(response) or 'empty'}")
    choice = first_choice_of(data)
    error = reported_error(data)
    if error is not None and choice:
        reported = server_message(json.dumps(error).encode())
        raise NoCompletion(f"the server reports an error instead of the whole answer: {reported}")
    reason, text = finish_reason(choice), _all_text(choice)
    if finish_reasons.is_failure(reason):
        if "INPUT_LENGTH_ERROR" in text:  # LMDeploy
            raise PromptTooLong("the prompt is too long for the model's context")
        raise NoCompletion(f"generation failed: finish_reason {reason!r} after {len(text)} characters")
    return data, choice


def _all_text(choice: Mapping[str, object]) -> str:
    message = choice.get("message")
    message = message if isinstance(message, dict) else choice
    return "".join(
        text_of(message.get(name)) for name in ("content", "reasoning_content", "reasoning", "text")
    )


def check_room(data: Mapping[str, object], choice: Mapping[str, object]) -> None:
    """Raise ``PromptTooLong`` if the answer ended at a limit before its first token (LMDeploy)."""
    reason = finish_reason(choice)
    if finish_reasons.is_limit(reason) and not _all_text(choice) and token_usage(data)[1] == 0:
        raise PromptTooLong(
            "the prompt, or prompt and answer together, are too long for the server: it ended with "
            f"finish_reason {reason!r} before the first token"
        )


#: of one request; some servers send garbage
_MOST_TOKENS = 1_000_000_000


def token_usage(data: Mapping[str, object]) -> tuple[int | None, int | None]:
    """The number of prompt and completion tokens that a response reports."""
    usage = data.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))


def _function_call_notes(message: Mapping[str, object]) -> tuple[str, ...]:
    """A note if the model called functions instead of answering."""
    calls = message.get("tool_calls")
    entries = calls if isinstance(calls, list) else []
    functions = [call.get("function") for call in entries if isinstance(call, dict)]
    functions.append(message.get("function_call"))
    names = [text_of(function.get("name")) for function in functions if isinstance(function, dict)]
    if not names:
        return ()
    return (f"the model called the function {one_line(', '.join(names), 80) or '?'}",)


def _with_scores(completion: Completion, logprobs: object, choices: Mapping[str, str]) -> Completion:
    if completion.finish_reason == "content_filter":
        return replace(completion, notes=("the server's content filter blocked the answer",))
    scores, number = choice_scores(logprobs, choices)
    notes = () if scores else (f"none of the choices is among the {number} most likely first tokens",)
    return replace(completion, scores=scores, finish_reason="scored", notes=notes)


def text_of(content: object) -> str:
    """A message's text: a string, or the text parts of a list of parts; lone surrogates replaced."""
    if isinstance(content, list):
        content = "".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    if not isinstance(content, str):
        return ""
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        return content.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return content


def _count(number: object) -> int | None:
    """A number of tokens; None for anything else, such as -1, true, "12" or more than any model has."""
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return number if 0 <= number <= _MOST_TOKENS else None


def parse_json(text: bytes) -> object:
    """Parse JSON; None if the text is not valid JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def model_names(response: bytes) -> tuple[str, ...]:
    """The names in a list of models (``GET /models``); empty for any other body."""
    data = parse_json(response)
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return ()
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return tuple(name for name in names if isinstance(name, str) and name)
