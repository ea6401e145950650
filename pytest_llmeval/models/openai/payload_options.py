"""How requests are sent to a model: parameters in which servers differ, and what refusals taught."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models.openai import refused_parameters as refused

#: the names of the token limit, in the order in which they are tried
_LIMIT_KEYS = ("max_tokens", "max_completion_tokens")
_FEWER_LOGPROBS = 5


@dataclass(frozen=True, slots=True)
class PayloadOptions:
    """Parameters in which servers differ; ``adjusted`` when a server refuses one, for all later requests.

    ``omitted`` are the parameters that are not sent. ``min_temperature``, ``max_answer_tokens`` and
    ``max_stops`` are the server's bounds, None if it has named none; stop strings that are not sent are
    applied to the answer. ``stream`` overrides the user's setting.
    """

    limit_key: str = "max_tokens"
    top_logprobs: int = 20
    #: tokens to generate after an echoed prompt; None if nothing is echoed
    echo_tokens: int | None = None
    stream_usage: bool = True
    stream: bool | None = None
    omitted: frozenset[str] = frozenset()
    min_temperature: float | None = None
    max_answer_tokens: int | None = None
    max_stops: int | None = None

    def adjusted(
        self,
        error_message: str,
        *,
        scoring: bool,
        body: Mapping[str, Any] | None = None,
        own: Collection[str] = (),
    ) -> PayloadOptions | None:
        """The options to try next after a server refused ``body``; None if none are left.

        ``own`` are the fields that the user set by name: those are never changed.
        """
        sent = {name: value for name, value in (body or {}).items() if name not in own}
        return (
            self._with_less_scoring(error_message, scoring)
            or self._with_other_limit(error_message, sent)
            or self._with_other_stream(error_message, sent, scoring)
            or self._without_refused(error_message, sent)
        )

    def _with_other_limit(self, message: str, sent: Mapping[str, Any]) -> PayloadOptions | None:
        if (maximum := refused.maximum_answer(message, sent.get(self.limit_key))) is not None:
            return replace(self, max_answer_tokens=maximum)
        names_other = self.limit_key == "max_tokens" and "max_completion_tokens" in message
        if not names_other and not refused.is_refused(self.limit_key, message):
            return None
        if self.limit_key in self.omitted or refused.is_about_size(message):
            return None
        omitted = self.omitted | {self.limit_key}
        left = [key for key in _LIMIT_KEYS if key not in omitted]
        return replace(self, omitted=omitted, limit_key=left[0] if left else self.limit_key)

    def _with_less_scoring(self, message: str, scoring: bool) -> PayloadOptions | None:
        if scoring and self.top_logprobs > _FEWER_LOGPROBS and refused.mentions_logprobs(message):
            return replace(self, top_logprobs=_FEWER_LOGPROBS)
        if scoring and self.echo_tokens == 0 and "max_tokens" in message:
            return replace(self, echo_tokens=1)
        return None

    def _with_other_stream(
        self, message: str, sent: Mapping[str, Any], scoring: bool
    ) -> PayloadOptions | None:
        if self.stream_usage and "stream_options" in message:
            return replace(self, stream_usage=False)
        if self.stream is None and not scoring and not sent.get("stream") and refused.needs_stream(message):
            return replace(self, stream=True)
        if self.stream is None and sent.get("stream") and refused.refuses_stream(message):
            return replace(self, stream=False)
        return None

    def _without_refused(self, message: str, sent: Mapping[str, Any]) -> PayloadOptions | None:
        if sent.get("stop") and refused.is_stop_refused(message):
            return replace(self, max_stops=refused.maximum_stops(message, len(sent["stop"])))
        if sent.get("temperature") == 0 and self.min_temperature is None:
            minimum = refused.minimum_temperature(message)
            if minimum is not None:
                return replace(self, min_temperature=minimum)
        for name in ("temperature", "seed"):
            if name in sent and refused.is_refused(name, message):
                return replace(self, omitted=self.omitted | {name})
        return None

    def applied(self, body: Mapping[str, Any], own: Collection[str] = ()) -> dict[str, Any]:
        """A copy of ``body`` without what the server refuses; fields in ``own`` stay as they are."""
        result = dict(body)
        for name in [name for name in result if name in self.omitted and name not in own]:
            del result[name]
        temperature, limit, stops = (result.get(name) for name in ("temperature", self.limit_key, "stop"))
        if self.min_temperature is not None and temperature is not None and "temperature" not in own:
            result["temperature"] = max(temperature, self.min_temperature)
        if self.max_answer_tokens is not None and limit is not None and self.limit_key not in own:
            result[self.limit_key] = min(limit, self.max_answer_tokens)
        if self.max_stops is not None and stops and "stop" not in own:
            result["stop"] = stops[: self.max_stops]
            if not result["stop"]:
                del result["stop"]
        return result

    def restored(self, completion: Completion, request: Request) -> Completion:
        """The completion with stop strings that were not sent applied, and notes on all that was changed."""
        notes = self._notes(request)
        stops = request.stop if self.max_stops is not None and len(request.stop) > self.max_stops else ()
        ends = [at for stop in stops if (at := completion.text.find(stop)) >= 0]
        if ends and not request.choices:
            completion = replace(completion, text=completion.text[: min(ends)], finish_reason="stop")
        return replace(completion, notes=(*completion.notes, *notes)) if notes else completion

    def _notes(self, request: Request) -> tuple[str, ...]:
        """What may make the answer to ``request`` another one than was asked for."""
        if request.choices:  # log-probabilities do not depend on these
            return ()
        notes = [
            f"{name} not sent: the model refuses it"
            for name in ("temperature", "seed")
            if name in self.omitted
        ]
        minimum, maximum = self.min_temperature, self.max_answer_tokens
        if minimum is not None and "temperature" not in self.omitted and (request.temperature or 0) < minimum:
            notes.append(f"temperature {minimum:g} sent: the model refuses less")
        if self.limit_key in self.omitted:
            notes.append("no token limit sent: the model refuses it")
        elif maximum is not None and maximum < request.max_tokens:
            notes.append(f"token limit lowered to {maximum}: the model refuses more")
        if self.max_stops is not None and len(request.stop) > self.max_stops:
            notes.append("stop strings applied to the answer: the model refuses them")
        return tuple(notes)

    def lessons(self, first: PayloadOptions) -> tuple[str, ...]:
        """What was learnt since ``first``, a line for each parameter."""
        lines = []
        if "temperature" in self.omitted:
            lines.append(
                "the model refuses the parameter temperature: it was not sent, the server's default applies "
                '(temperature = "none" leaves it out from the start)'
            )
        elif self.min_temperature is not None:
            lines.append(f"the model refuses temperature 0: {self.min_temperature:g} was sent")
        if "seed" in self.omitted:
            lines.append("the model refuses the parameter seed: it was not sent, answers may vary")
        if self.max_stops is not None:
            few = f"more than {self.max_stops} stop strings" if self.max_stops else "the parameter stop"
            lines.append(f"the model refuses {few}: answers were cut at the stop strings here")
        if self.limit_key in self.omitted:
            lines.append("the model refuses a token limit: none was sent")
        elif self.limit_key != first.limit_key:
            lines.append(f"the model refuses {first.limit_key}: {self.limit_key} was sent")
        if self.max_answer_tokens is not None:
            most = self.max_answer_tokens
            lines.append(f"the model writes at most {most} tokens: --llm-max-tokens was lowered to that")
        if self.stream is not None:
            way = "as" if self.stream else "without"
            lines.append(f"the model answers only {way} a stream: it was asked so")
        return tuple(lines)
