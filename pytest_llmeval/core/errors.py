"""What can go wrong because of something the user can mend.

    LLMEvalError
    ├── UserError            a mistake in options, config, data or model: stops the session with exit code 4
    │   ├── DataMissing      a benchmark's files are nowhere: leaves it out unless it was asked for by name
    │   └── ModelUnusable    the model cannot answer any question (bad key, no weights, wrong URL)
    └── RequestFailed        this one request has no completion: that question's error

Each message is one line that says what, where and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LLMEvalError(Exception):
    """Base of all errors of this package; ``str()`` of it is one line for a person."""


class UserError(LLMEvalError):
    """A mistake in what the user gave; the plugin turns it into ``pytest.UsageError``."""


class DataMissing(UserError):
    """A benchmark's data files are in none of the places looked at."""


class ModelUnusable(UserError):
    """The model can answer no question at all, so asking on would be a waste."""


class RequestFailed(LLMEvalError):
    """One request got no completion; other requests may still succeed.

    ``attempts`` is the number of times it was sent.
    """

    def __init__(self, message: str, *, attempts: int = 1) -> None:
        super().__init__(message)
        self.attempts = attempts


def one_line(text: object, limit: int = 300) -> str:
    """``text`` on one line of at most ``limit`` characters, control characters left out."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def unknown(what: str, got: str, known: Iterable[str], *, where: str = "") -> UserError:
    """A ``UserError`` for a name that does not exist, naming the nearest one that does."""
    names = sorted(known)
    near = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
    place = f" in {where}" if where else ""
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif names:
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        hint = f"known: {shown}"
    else:
        hint = "there are none"
    return UserError(f"unknown {what} {one_line(got, 80)!r}{place}; {hint}")
