"""The fields of a record as JSON, and read from JSON again; ``record.py`` has the record itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from pytest_llmeval.core.types import Completion, Judgement, OfficialReading, Order

_COMPLETION_KEYS = (
    *("text", "reasoning", "finish_reason", "prompt_tokens", "completion_tokens", "shared_tokens"),
    *("latency_s", "queue_s", "batch_s", "first_token_s", "attempts", "cached", "dropped_shots", "error"),
    "served_model",
)
_JUDGEMENT_KEYS = frozenset(declared.name for declared in fields(Judgement))


def sum_completions(completions: Sequence[Completion]) -> Completion:
    """Total tokens and attempts, mean latency, and the first error."""

    def total(numbers: Iterable[int | None]) -> int | None:
        known = [number for number in numbers if number is not None]
        return sum(known) if known else None

    return Completion(
        latency_s=sum(completion.latency_s for completion in completions) / len(completions),
        prompt_tokens=total(completion.prompt_tokens for completion in completions),
        completion_tokens=total(completion.completion_tokens for completion in completions),
        shared_tokens=total(completion.shared_tokens for completion in completions),
        attempts=sum(completion.attempts for completion in completions),
        cached=all(completion.cached for completion in completions),
        error=next((completion.error for completion in completions if completion.error is not None), None),
    )


def completion(row: Mapping[str, Any]) -> Completion:
    """The completion of a line, or of an order in it."""
    return Completion(
        **{name: row[name] for name in _COMPLETION_KEYS if row.get(name) is not None},
        prompt=row.get("prompt"),
        scores=scores(row.get("scores") or {}),
        greedy=dict(row.get("greedy") or {}),
        notes=tuple(row.get("notes") or ()),
        parts=tuple(map(completion, row.get("parts") or ())),
    )


def scores(content: Mapping[str, Any]) -> dict[str, float]:
    """Choice scores as JSON has them: null is the log-probability of the impossible."""
    return {str(label): -math.inf if score is None else float(score) for label, score in content.items()}


def scores_json(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Choice scores as JSON has them."""
    return {label: finite(score) for label, score in scores.items()}


def part_json(part: Completion) -> dict[str, Any]:
    """The fields of a part that the totals do not include."""
    return {
        "prompt": part.prompt,
        "text": part.text,
        "finish_reason": part.finish_reason,
        "scores": scores_json(part.scores),
        "greedy": dict(part.greedy),
    }


def judgement(content: Mapping[str, Any]) -> Judgement:
    """The judgement of a line; keys of later versions are ignored."""
    return Judgement(**{name: value for name, value in content.items() if name in _JUDGEMENT_KEYS})


def judgement_figures(judgement: Judgement) -> dict[str, Any]:
    """A judgement without the judge's texts; an empty ``unread`` records that a reply had no verdict."""
    unread = None if judgement.unread is None else ""
    content = asdict(replace(judgement, text="", reasoning="", unread=unread))
    return {name: value for name, value in content.items() if value is not None}


def official(row: Mapping[str, Any]) -> OfficialReading | None:
    """The reading of the official rule, or None."""
    content = row.get("official")
    if content is None:
        return None
    return OfficialReading(str(content["rule"]), text(content["answer"]), bool(content["correct"]))


def order(row: Mapping[str, Any]) -> Order | None:
    """The order of choices, or None."""
    order = row.get("order")
    return None if order is None else tuple(map(str, order))


def text(value: object) -> str | None:
    """A text, or None."""
    return None if value is None else str(value)


def finite(number: float) -> float | None:
    """None for infinity (the log-probability of an impossible text) and NaN, which JSON does not have."""
    return number if math.isfinite(number) else None
