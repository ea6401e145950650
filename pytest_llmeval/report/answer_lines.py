"""Lines about the system prompt, answers that could not be read, guessing, and the models that answered."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.report.guessing import guessing_line
from pytest_llmeval.results.summary import Result
from pytest_llmeval.results.unparsed import Reason

_MAX_MODELS = 3
_TEXTS = {
    Reason.CUT_OFF: "cut off by the token limit (raise --llm-max-tokens)",
    Reason.FILTERED: "held back by a content filter",
    Reason.ALL_REASONING: "all reasoning (raise --llm-max-tokens, or turn reasoning off in extra_body)",
    Reason.EMPTY: "empty (see the prompts: --llm-show-prompts)",
    Reason.UNREADABLE: "without a readable answer",
}


def answer_lines(result: Result) -> list[str]:
    """The lines that a result needs."""
    answers = result.counts.requested - result.counts.error
    lines = (
        system_line(result.info.conditions.system),
        unparsed_line(result.unparsed),
        None if result.guessing is None else guessing_line(result.guessing, result.interval),
        served_line(result.served_models, answers),
    )
    return [line for line in lines if line is not None]


def system_line(system: str | None) -> str | None:
    """The model's system prompt; None if it has none of its own."""
    if system is None:
        return None
    return f"system prompt: {one_line(system, 200)}" if system else "without a system prompt"


def reason_text(reason: Reason) -> str:
    """What is said of one unparsed answer."""
    return _TEXTS[reason]


def unparsed_line(reasons: Mapping[Reason, int]) -> str | None:
    """Why answers are unparsed, and which option changes that; None if there are none."""
    if not reasons:
        return None
    parts = [f"{count:,} {_TEXTS[reason]}" for reason, count in reasons.items()]
    return f"unparsed answers: {', '.join(parts)}"


def served_line(models: Mapping[str, int], answers: int) -> str | None:
    """Which models the server says answered, of so many ``answers``; None if it names no other model."""
    if not models:
        return None
    shown = [f"{one_line(name, 80)} in {count:,}" for name, count in list(models.items())[:_MAX_MODELS]]
    more = f" and {len(models) - _MAX_MODELS} more" if len(models) > _MAX_MODELS else ""
    return f"the server names another model: {', '.join(shown)}{more}, of {answers:,} answers"
