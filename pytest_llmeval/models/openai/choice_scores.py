"""Scores of choices from the log-probabilities of a chat's first token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pytest_llmeval.models.openai.token_texts import is_token_id, readings


class NoScores(Exception):
    """A completion without the requested log-probabilities; ``str()`` says what it has instead, if known."""


def choice_scores(logprobs: object, choices: Mapping[str, str]) -> tuple[dict[str, float], int]:
    """Log-probabilities of ``choices`` (label -> continuation) as first tokens, and how many are listed.

    A choice that is not among the listed ones has no score. ``logprobs`` is that of a chat completion, or
    what some servers send in its place: the lists of a text completion. Raises ``NoScores``.
    """
    tokens: dict[str, tuple[frozenset[str], float]] = {}
    for token, raw, value in _first_position(logprobs):
        tokens.setdefault(token, (frozenset(map(str.strip, readings(token, raw))), value))
    if tokens and all(map(is_token_id, tokens)):
        raise NoScores(
            "returns numbers (token_id:...) instead of tokens; start it without --return-tokens-as-token-ids"
        )
    scores = {}
    for label, continuation in choices.items():
        wanted = continuation.strip()
        # tokens that differ in white space only, such as "A" and " A", count together
        same = [value for texts, value in tokens.values() if wanted and wanted in texts]
        if same:
            top = max(same)
            scores[label] = top + math.log(sum(math.exp(value - top) for value in same))
    return scores, len(tokens)


def _first_position(logprobs: object) -> Iterator[tuple[str, object, float]]:
    """The alternatives at the first position, as token, bytes and log-probability.

    Raises ``NoScores`` if the server lists none; yields nothing if it generated no token.
    """
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else logprobs
    if isinstance(content, list):
        if not content:
            return
        position = content[0] if isinstance(content[0], Mapping) else {}
        top = position.get("top_logprobs")
        chosen: object = position
    elif isinstance(logprobs, Mapping):
        top = _first(logprobs.get("top_logprobs"))
        chosen = {"token": _first(logprobs.get("tokens")), "logprob": _first(logprobs.get("token_logprobs"))}
    else:
        raise NoScores
    if isinstance(top, Mapping):
        top = [{"token": token, "logprob": value} for token, value in top.items()]
    found = [*_entries(top), *_entries([chosen])] if isinstance(top, list) and top else []
    if not found:
        raise NoScores
    yield from found


def _entries(entries: list[object]) -> Iterator[tuple[str, object, float]]:
    for entry in entries:
        if isinstance(entry, Mapping):
            token, value = entry.get("token"), log_probability(entry.get("logprob", ""))
            if isinstance(token, str) and value is not None:
                yield token, entry.get("bytes"), value


def log_probability(value: object) -> float | None:
    """A log-probability as JSON has it; None if it is no number.

    Null is how servers write NaN. It is kept, because without it another choice would be the most likely one
    (``Job.finish`` makes it an error).
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _first(values: object) -> object:
    return values[0] if isinstance(values, list) and values else None
