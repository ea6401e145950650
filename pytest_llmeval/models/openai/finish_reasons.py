"""Why a server ended an answer: at its end, at a limit, or because generation failed."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: what servers write while an answer is not finished
_NOT_YET = frozenset(["", "null", "none", "undefined"])
_LIMITS = frozenset(["length", "max_tokens", "model_length", "model_context_window_exceeded"])
_FAILED = re.compile(
    r"error|\babort|cancel|fail|time_?d?_?out|overload|insufficient|exhausted|unavailable|interrupt|"
    r"disconnect|deadline|out_of_memory|rate_limit|preempt|evict|^(un)?load$"
)
#: the server ended an answer for its content: an answer, told apart in the record
_FILTERED = re.compile(r"filter|safety|sensitive|toxic|refusal|blocklist|prohibited|recitation")


def finish_reason(choice: Mapping[str, object]) -> str:
    """The ``finish_reason`` of a choice; empty if it is not finished."""
    reason = choice.get("finish_reason")
    if isinstance(reason, dict):  # SGLang's own form
        reason = reason.get("type")
    return "" if not isinstance(reason, str) or reason.strip().lower() in _NOT_YET else reason.strip()


def standard(reason: str) -> str:
    """A reason in OpenAI's words, by which answers are counted; other reasons stay as they are.

    >>> standard("model_length"), standard("sensitive"), standard("eos")
    ('length', 'content_filter', 'eos')
    """
    if is_limit(reason):
        return "length"
    return "content_filter" if _FILTERED.search(reason.lower()) else reason


def is_failure(reason: str) -> bool:
    """Whether a server says with this reason that generation failed, so that the text is no answer.

    >>> is_failure("network_error"), is_failure("abort"), is_failure("length"), is_failure("content_filter")
    (True, True, False, False)
    """
    name = re.sub(r"[\s-]+", "_", reason.lower())
    return _FAILED.search(name) is not None and _FILTERED.search(name) is None


def is_limit(reason: str) -> bool:
    """Whether an answer ended at a limit of tokens."""
    return reason.lower() in _LIMITS
