"""From a document's ``Instance`` objects to one request, and from its completion back to their responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import Completion, Request, TextPrompt
from pytest_llmeval.lm_eval.generation import generation, problem

#: what a text is called in results that is scored as a whole
_WHOLE = "text"
_LABEL = 1000


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an instance's responses are: in which parts of the request, and under which label, if scored."""

    parts: tuple[int, ...]
    label: str | None = None
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One document's request, and the spot of each of its instances in order."""

    request: Request
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Overrides:
    """The user's parameters of generated texts; None leaves one to the task. ``stop`` adds to the task's."""

    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()


def plan(instances: Sequence[Any], overrides: Overrides) -> Plan:
    """How to ask a document. Continuations of the same context are scored by one request.

    Raises ``UserError`` for what cannot be asked.
    """
    parts: list[Request] = []
    spots: list[Spot] = []
    of_context: dict[str, int] = {}
    labels: set[str] = set()
    for instance in instances:
        kind, arguments = instance.request_type, instance.args
        if kind == "generate_until":
            requests = _written(arguments, overrides, instance.repeats or 1)
            places = tuple(range(len(parts), len(parts) + len(requests)))
            parts += requests
            spots.append(Spot(places))
            continue
        if kind == "loglikelihood_rolling":
            context, text = None, _text(arguments[0])
        elif kind == "loglikelihood":
            context, text = _text(arguments[0]), _text(arguments[1])
        else:
            raise UserError(f"requests of the kind {one_line(kind, 40)} are not known here")
        label = _label(_WHOLE if context is None else text, labels)
        labels.add(label)
        if context is None:
            spots.append(Spot((len(parts),), label, rolling=True))
            parts.append(Request(TextPrompt(""), choices={label: text}, lm_eval=True, rolling=True))
            continue
        place = of_context.setdefault(context, len(parts))
        if place == len(parts):
            parts.append(Request(TextPrompt(context), choices={label: text}, lm_eval=True))
        else:
            parts[place] = replace(parts[place], choices={**parts[place].choices, label: text})
        spots.append(Spot((place,), label))
    first = parts[0]
    return Plan(first if len(parts) == 1 else replace(first, choices={}, parts=tuple(parts)), tuple(spots))


def responses(found: Plan, completion: Completion, repeats: Sequence[int]) -> list[list[Any]]:
    """What the library's own model would have answered to each instance, as often as it repeats.

    A text, or the log-probability with whether the model would have written it (None where nobody knows), or
    of a whole text the log-probability alone. Raises ValueError where one has no score.
    """
    parts = completion.parts or (completion,)
    answered: list[list[Any]] = []
    for spot, times in zip(found.spots, repeats, strict=True):
        if spot.label is None:
            # all that there are of one instance: an earlier run may have asked at another temperature
            of_spot = parts if len(found.spots) == 1 else [parts[place] for place in spot.parts]
            texts = [part.text for part in of_spot]
            answered.append(texts * times if len(texts) == 1 else texts)
            continue
        part = parts[spot.parts[0]]
        if spot.rolling:
            answered.append([part.scores.get(spot.label, 0.0)] * times)  # an empty text has no window
        elif spot.label not in part.scores:
            raise ValueError(f"the model gave no score to {one_line(spot.label, 60)!r}")
        else:
            answered.append([(part.scores[spot.label], part.greedy.get(spot.label))] * times)
    return answered


def _written(arguments: Sequence[Any], overrides: Overrides, repeats: int) -> list[Request]:
    kwargs: Mapping[str, object] = arguments[1]
    reason = problem(kwargs)
    if reason is not None:
        raise UserError(reason)
    told = generation(kwargs)
    temperature = told.temperature if overrides.temperature is None else overrides.temperature
    request = Request(
        TextPrompt(_text(arguments[0])),
        max_tokens=overrides.max_tokens or told.max_tokens,
        temperature=temperature,
        stop=tuple(dict.fromkeys((*told.stop, *overrides.stop))),
        lm_eval=True,
    )
    times = repeats if temperature > 0 else 1  # greedy texts are all alike: one stands for all
    return [replace(request, repeat=repeat) if repeat else request for repeat in range(times)]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UserError(f"the task gives {one_line(repr(value), 60)} where a text is due")
    return value


def _label(text: str, taken: set[str]) -> str:
    """A continuation's name in results: the text itself, told apart from others that begin alike."""
    wanted = label = one_line(text, _LABEL)
    number = 1
    while label in taken:
        number += 1
        label = f"{wanted} ({number})"
    return label
