"""Convert a document's ``Instance`` objects to a request, and its completion to their responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import (
    Completion,
    Prompt,
    Request,
    Temperature,
    TextPrompt,
    request_temperature,
)
from pytest_llmeval.lm_eval import chat
from pytest_llmeval.lm_eval.generation import generation, problem

#: the label in results of a text that is scored as a whole
_WHOLE = "text"
_LABEL = 1000


@dataclass(frozen=True, slots=True)
class Spot:
    """The place of an instance's responses: the request parts, and the label if it is scored."""

    parts: tuple[int, ...]
    label: str | None = None
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A document's request, and the spot of each of its instances in order."""

    request: Request
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Overrides:
    """The user's generation parameters; None keeps the task's value. ``stop`` adds to the task's own."""

    max_tokens: int | None = None
    temperature: Temperature | None = None
    stop: tuple[str, ...] = ()


def plan(instances: Sequence[Any], overrides: Overrides) -> Plan:
    """Build a document's request. Continuations of the same context share a request part.

    Raises ``UserError`` for requests that are not supported.
    """
    parts: list[Request] = []
    spots: list[Spot] = []
    part_of_context: dict[str, int] = {}
    labels: set[str] = set()
    for instance in instances:
        request_type, arguments = instance.request_type, instance.args
        if request_type == "generate_until":
            requests = _text_requests(arguments, overrides, instance.repeats or 1)
            places = tuple(range(len(parts), len(parts) + len(requests)))
            parts += requests
            spots.append(Spot(places))
            continue
        if request_type == "loglikelihood_rolling":
            context, text = None, _text(arguments[0])
        elif request_type == "loglikelihood":
            context, text = _text(arguments[0]), _text(arguments[1])
        else:
            raise UserError(f"request type {one_line(request_type, 40)} is not supported here")
        label = _label(_WHOLE if context is None else text, labels)
        labels.add(label)
        if context is None:
            spots.append(Spot((len(parts),), label, rolling=True))
            parts.append(Request(TextPrompt(""), choices={label: text}, lm_eval=True, rolling=True))
            continue
        place = part_of_context.setdefault(context, len(parts))
        if place == len(parts):
            parts.append(Request(_prompt(context), choices={label: text}, lm_eval=True))
        else:
            parts[place] = replace(parts[place], choices={**parts[place].choices, label: text})
        spots.append(Spot((place,), label))
    first = parts[0]
    return Plan(first if len(parts) == 1 else replace(first, choices={}, parts=tuple(parts)), tuple(spots))


def responses(
    request_plan: Plan, completion: Completion, repeats: Sequence[int], think_end: str | None = None
) -> list[list[Any]]:
    """The responses that the library's own model would give to each instance, one per repeat.

    Generated texts are strings, without what precedes ``think_end`` (the library's ``think_end_token``). A
    continuation has its log-probability and whether it is the greedy one (None if unknown), a whole text its
    log-probability. Raises ValueError if a score is missing.
    """
    parts = completion.parts or (completion,)
    results: list[list[Any]] = []
    for spot, times in zip(request_plan.spots, repeats, strict=True):
        if spot.label is None:
            # take all parts of a single instance: a replayed run may have used another temperature
            text_parts = parts if len(request_plan.spots) == 1 else [parts[place] for place in spot.parts]
            texts = [_without_reasoning(part.text, think_end) for part in text_parts]
            results.append(texts * times if len(texts) == 1 else texts)
            continue
        part = parts[spot.parts[0]]
        if spot.rolling:
            results.append([part.scores.get(spot.label, 0.0)] * times)  # an empty text has no window
        elif spot.label not in part.scores:
            raise ValueError(f"the model returned no score for {one_line(spot.label, 60)!r}")
        else:
            results.append([(part.scores[spot.label], part.greedy.get(spot.label))] * times)
    return results


def _text_requests(arguments: Sequence[Any], overrides: Overrides, repeats: int) -> list[Request]:
    kwargs: Mapping[str, object] = arguments[1]
    reason = problem(kwargs)
    if reason is not None:
        raise UserError(reason)
    parameters = generation(kwargs)
    temperature = request_temperature(overrides.temperature, parameters.temperature)
    request = Request(
        _prompt(_text(arguments[0])),
        max_tokens=overrides.max_tokens or parameters.max_tokens,
        temperature=temperature,
        stop=tuple(dict.fromkeys((*parameters.stop, *overrides.stop))),
        lm_eval=True,
    )
    times = repeats if temperature != 0 else 1  # repeats of a greedy text are identical
    return [replace(request, repeat=repeat) if repeat else request for repeat in range(times)]


def _prompt(context: str) -> Prompt:
    return chat.turns(context) or TextPrompt(context)


def _without_reasoning(text: str, end: str | None) -> str:
    return text if not end or end not in text else text.split(end)[-1].lstrip()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UserError(f"the task returned {one_line(repr(value), 60)} instead of a string")
    return value


def _label(text: str, labels: set[str]) -> str:
    """A continuation's label in results: its text, numbered if another one has the same label."""
    base = label = one_line(text, _LABEL)
    number = 1
    while label in labels:
        number += 1
        label = f"{base} ({number})"
    return label
