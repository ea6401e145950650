"""The wait that a server asks for: in headers, in fields of the body, or in the words of its message."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from pytest_llmeval.models.openai.error_bodies import evidence, parsed, report_fields

_UNITS = {
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds", "毫秒"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "秒"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "分钟", "分"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "小时"), 3600.0),
    **dict.fromkeys(("d", "day", "days", "天"), 86400.0),
}
_QUANTITY = r"\d{1,9}(?:\.\d{1,12})?\s*(?:" + "|".join(sorted(_UNITS, key=len, reverse=True)) + r")(?![a-z])"
# "2h47m56.5s" has no boundary between a unit and the next number
_DURATION = rf"{_QUANTITY}(?:[\s,]*(?:and\s+)?{_QUANTITY}){{0,4}}"
_PARTS = re.compile(r"(\d{1,9}(?:\.\d{1,12})?)\s*([a-z]+|毫秒|秒|分钟|分|小时|天)", re.IGNORECASE)
_ASKS = re.compile(
    rf"(?:retry|try\s+again|again|wait|available|resets?|reset)\s+(?:again\s+)?"
    rf"(?:in|after|for)?\s*(?:about\s+|approximately\s+|~\s*)?({_DURATION})"
    rf"|({_DURATION})\s*(?:之?后|以后)",
    re.IGNORECASE,
)
#: a model that is being loaded takes longer than the usual wait before a retry
_LOADING = re.compile(r"loading (?:the )?model|model is (?:currently |still )?loading", re.IGNORECASE)
_LOADING_S = 15.0
#: fields of bodies, by their lower-case names without separators, and their unit in seconds
_FIELDS = {
    "retrydelay": 1.0,
    "retryafter": 1.0,
    "retryafterseconds": 1.0,
    "retryafterms": 0.001,
    "estimatedtime": 1.0,
}
_RESET = "xratelimitreset"
_EPOCH_MS_FROM = 1e11
_EPOCH_S_FROM = 1e9
_HALF_A_DAY_S = 43_200.0
_LONGEST_S = 400 * 86400.0


def requested_wait_s(headers: Mapping[str, str], body: bytes, now: float) -> float | None:
    """The wait that an answer asks for, in seconds; None if it asks for none.

    ``headers`` have lower-case names; ``now`` is the Unix time. Headers come before the body.
    """
    return retry_after_s(headers, now) or body_wait_s(body, now)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """The wait in the headers, in seconds; None if they ask for none.

    Reads ``retry-after-ms`` and ``retry-after`` (seconds, a duration or an HTTP date, RFC 9110 10.2.3).
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _positive(milliseconds / 1000)
    value = headers.get("retry-after") or ""
    seconds = duration_s(value)
    if seconds is None and value:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return _positive(seconds)


def body_wait_s(body: bytes, now: float) -> float | None:
    """The wait (seconds) that a body asks for in a field (``retryDelay``, ``estimated_time``) or in words."""
    text = body[:20_000].decode("utf-8", "replace")
    data = parsed(text)
    if not isinstance(data, dict | list):
        return _wait_in_words(evidence(0, body).words)
    fields = [(re.sub(r"[\s_-]", "", name), value) for name, value in report_fields(data)]
    for name, value in fields:
        if (unit := _FIELDS.get(name)) is not None and (seconds := duration_s(value)) is not None:
            return _positive(seconds * unit)
    for name, value in fields:
        if name == _RESET and (reset := _number(str(value))) is not None:
            reset = reset / 1000 if reset > _EPOCH_MS_FROM else reset
            if reset > _EPOCH_S_FROM:
                return _positive(reset - now)
    if any(isinstance(value, str) and _LOADING.search(value) for _, value in fields):
        return _LOADING_S
    waits = (_wait_in_words(value) for _, value in fields if isinstance(value, str))
    return next((wait for wait in waits if wait is not None), None)


def duration_s(value: object) -> float | None:
    """A duration in seconds from a number or a text; None if it is neither.

    >>> duration_s(20.5), duration_s("45s"), duration_s("2h47m56.5s"), duration_s("soon")
    (20.5, 45.0, 10076.5, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    number = _number(str(value))
    if number is not None:
        return number
    if re.fullmatch(_DURATION, str(value).strip(), re.IGNORECASE) is None:
        return None
    return sum(float(count) * _UNITS[unit.lower()] for count, unit in _PARTS.findall(str(value)))


def wait_text(seconds: float, now: float | None = None) -> str:
    """A wait and the time of its end, for a message: ``2 h 5 min (until 18:05)``."""
    end = time.localtime((time.time() if now is None else now) + seconds)
    pattern = "%Y-%m-%d %H:%M" if seconds > _HALF_A_DAY_S else "%H:%M"
    return f"{length_text(seconds)} (until {time.strftime(pattern, end)})"


def length_text(seconds: float) -> str:
    """A length of time in whole minutes, hours and days, rounded up.

    >>> length_text(7500), length_text(1)
    ('2 h 5 min', '1 min')
    """
    minutes = math.ceil(seconds / 60)
    days, hours = divmod(minutes // 60, 24)
    parts = [(days, "d"), (hours, "h"), (minutes % 60, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _wait_in_words(text: str) -> float | None:
    asked = _ASKS.search(text[:4000])
    return None if asked is None else _positive(duration_s(asked[1] or asked[2]))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _positive(seconds: float | None) -> float | None:
    return None if seconds is None or seconds <= 0 else min(seconds, _LONGEST_S)
