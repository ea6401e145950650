"""Text payloads: plain-text completions (``/v1/completions``), the interface for base models.

The format is OpenAI's (https://platform.openai.com/docs/api-reference/completions), including ``echo``,
which servers of open-weight models still support: it returns the log-probabilities of the prompt itself,
which are used to score choices.
"""

from __future__ import annotations

from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed, one_line
from pytest_llmeval.core.types import ChatPrompt, Completion, Prompt, Request
from pytest_llmeval.models.openai.chat_payloads import (
    NoCompletion,
    check_room,
    first_choice,
    text_of,
    token_usage,
)
from pytest_llmeval.models.openai.choice_scores import NoScores
from pytest_llmeval.models.openai.echo_scores import Echo
from pytest_llmeval.models.openai.finish_reasons import finish_reason, standard
from pytest_llmeval.models.openai.payload_options import PayloadOptions
from pytest_llmeval.models.openai.server_messages import server_message

_JOINED = "completions API: turns joined as text"


class TextPayloads:
    """``api = "completions"``; implements ``calls.Payloads``."""

    path = "/completions"
    no_scores = (
        "returns no log-probabilities of the prompt (echo with logprobs); "
        'use --llm-mode=generate, or api = "chat"'
    )

    def __init__(self) -> None:
        self.options = PayloadOptions(echo_tokens=0)

    def parts(self, request: Request) -> tuple[str, ...]:
        """The labels of the choices, each sent separately; a single unnamed part without choices."""
        return tuple(request.choices) or ("",)

    def build(
        self, request: Request, prompt: Prompt, part: str, model: str, options: PayloadOptions
    ) -> dict[str, Any]:
        """The JSON body for one part of ``request``, with ``prompt`` instead of the request's prompt.

        Raises ``RequestFailed`` if there is no prompt before a choice: servers do not score a first token.
        Raises ``ModelUnusable`` for turns of lm-evaluation-harness, which need a chat template.
        """
        if request.lm_eval and isinstance(prompt, ChatPrompt):
            raise ModelUnusable(
                "the completions API has no chat template, which --llm-lm-eval-chat needs; leave out the "
                'option, or set api = "chat"'
            )
        if request.choices and not prompt.text:
            raise RequestFailed("a choice without a prompt before it can only be scored by a local model")
        if request.choices:
            return {
                "model": model,
                "prompt": prompt.text + request.choices[part],
                "temperature": 0.0,
                "max_tokens": options.echo_tokens or 0,
                "echo": True,
                "logprobs": 1,
            }
        body = {"model": model, "prompt": prompt.text, options.limit_key: request.max_tokens}
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.stop:
            body["stop"] = list(request.stop)
        return body

    def parse(
        self, response: bytes, request: Request, prompt: Prompt, part: str, options: PayloadOptions
    ) -> Completion:
        """The completion in the response to one part. Raises ``NoCompletion`` and ``NoScores``."""
        data, choice = first_choice(response)
        text = choice.get("text")
        if not isinstance(text, str):
            raise NoCompletion(f"the response contains no completion: {server_message(response)}")
        if not request.choices:  # to score, no token is asked for
            check_room(data, choice)
        prompt_tokens, completion_tokens = token_usage(data)
        joined = isinstance(prompt, ChatPrompt)
        completion = Completion(
            text=text_of(text),
            finish_reason=standard(finish_reason(choice)),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            prompt=prompt.text if joined else None,
            notes=(_JOINED,) if joined else (),
            served_model=one_line(text_of(data.get("model")), 200),
        )
        if not request.choices:
            return completion
        continuation = request.choices[part]
        # no echo; an echoed text may differ slightly because of the tokenizer
        if 2 * len(text) < len(prompt.text + continuation):
            raise NoScores
        echo = Echo(choice.get("logprobs"), continuation, text)
        asked = options.echo_tokens or 0
        generated = min(asked, 1 if completion_tokens is None else completion_tokens)
        if completion_tokens and not echo.fits(generated):
            generated = completion_tokens  # some servers generate although no token is asked for
        score = echo.score(generated)
        greedy = echo.greedy(generated) if request.lm_eval else None
        return Completion(
            scores={part: score},
            greedy={} if greedy is None else {part: greedy},
            finish_reason="scored",
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            prompt=completion.prompt,
            notes=completion.notes,
            served_model=completion.served_model,
        )
