"""Numbers as people read them, in the page, its charts, the badge and the plots."""

from __future__ import annotations

NONE = "–"


def percent(share: float | None, digits: int = 1) -> str:
    """``0.624`` as ``62.4%``."""
    return NONE if share is None else f"{share:.{digits}%}"


def score(number: float | None) -> str:
    """A graded metric's, from 0 to 1: ``0.512``."""
    return NONE if number is None else f"{number:.3f}"


def interval(ends: tuple[float, float] | None) -> str:
    """Both ends in percent: ``60.1–64.6``."""
    return NONE if ends is None else f"{ends[0] * 100:.1f}–{ends[1] * 100:.1f}"


def seconds(number: float | None) -> str:
    """A time with about three digits."""
    if number is None:
        return NONE
    if number == 0:
        return "0 s"
    if number < 0.00995:
        return f"{number * 1000:.1f} ms"
    if number < 0.9995:
        return f"{number * 1000:.0f} ms"
    return f"{number:.2f} s" if number < 99.995 else f"{number:,.0f} s"


def duration(number: float) -> str:
    """How long a run took: ``12.5 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if number < 100:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def count(number: float | None) -> str:
    """A whole number with its thousands marked."""
    return NONE if number is None else f"{number:,.0f}"


def rate(per_second: float | None) -> str:
    """Questions a second, or seconds a question where that says more."""
    if not per_second:
        return NONE
    if per_second >= 0.95:
        return f"{per_second:,.1f} questions/s"
    return f"{1 / per_second:,.1f} s a question"


def axis_seconds(number: float) -> str:
    """A time below an axis: ``200 ms``, ``5 s``."""
    return f"{number * 1000:g} ms" if number < 1 else f"{number:g} s"


def axis_count(number: float) -> str:
    """A number below an axis: ``500``, ``2k``."""
    return f"{number:g}" if number < 1000 else f"{number / 1000:g}k"
