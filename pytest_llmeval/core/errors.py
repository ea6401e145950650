"""The errors of this package, each of which the user can fix.

    LLMEvalError
    ├── UserError            a mistake in options, config, data or model: stops the session with exit code 4
    │   ├── DataMissing      a benchmark's files are missing: skips it unless it was named explicitly
    │   └── ModelUnusable    the model cannot answer any question (invalid key, no weights, wrong URL)
    └── RequestFailed        a single request has no completion: an error of that question

Each message is one line that says what is wrong, where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pytest_llmeval.core.hostile_text import JOINERS, cut, escaped, without_commands


class LLMEvalError(Exception):
    """Base class of all errors of this package; its ``str()`` is a one-line message for the user.

    The message is safe to print, whatever a model, server or file has put into it.

    >>> try:
    ...     raise UserError("--llm-limit: 0 is not a whole number of at least 1")
    ... except LLMEvalError as error:
    ...     print(error)
    --llm-limit: 0 is not a whole number of at least 1
    """

    def __str__(self) -> str:
        return without_commands(escaped(super().__str__()))


class UserError(LLMEvalError):
    """A mistake in options, configuration, data or model; the plugin raises it as ``pytest.UsageError``.

    >>> raise UserError("metric length: longest: -1 is negative")
    Traceback (most recent call last):
    pytest_llmeval.core.errors.UserError: metric length: longest: -1 is negative
    """


class DataMissing(UserError):
    """A benchmark's data files are in none of the places searched.

    >>> issubclass(DataMissing, UserError)
    True
    """


class ModelUnusable(UserError):
    """The model cannot answer any question, so that further requests are useless.

    >>> raise ModelUnusable("model mine: no weights in ./mine")
    Traceback (most recent call last):
    pytest_llmeval.core.errors.ModelUnusable: model mine: no weights in ./mine
    """


class RequestFailed(LLMEvalError):
    """A request has no completion; other requests may still succeed.

    ``attempts`` is the number of times the request was sent.

        >>> RequestFailed("the server closed the connection", attempts=3).attempts
        3
    """

    def __init__(self, message: str, *, attempts: int = 1) -> None:
        super().__init__(message)
        self.attempts = attempts


def one_line(text: object, limit: int = 300) -> str:
    """``text`` on one line of at most ``limit`` characters, without control characters."""
    flat = " ".join("".join(c if c.isprintable() or c in JOINERS else " " for c in str(text)).split())
    return flat if len(flat) <= limit else cut(flat, limit - 1) + "…"


def unknown(kind: str, name: str, known: Iterable[str], *, where: str = "") -> UserError:
    """A ``UserError`` for a name that does not exist, suggesting the closest one that does."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    place = f" in {where}" if where else ""
    if close:
        hint = f"did you mean {close[0]!r}?"
    elif names:
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        hint = f"known: {shown}"
    else:
        hint = "there are none"
    return UserError(f"unknown {kind} {one_line(name, 80)!r}{place}; {hint}")
