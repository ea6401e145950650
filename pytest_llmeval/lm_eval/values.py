"""What a task's metrics give for one document, as JSON and back.

Anything may come out of a task's ``process_results``: numbers, pairs, texts, arrays. What JSON has no word
for is an object with one key that begins with ``$``.
"""

from __future__ import annotations

import math
from typing import Any

_TUPLE, _MAP, _NUMBER, _OF = "$tuple", "$map", "$number", "$of"


def pack(value: object) -> Any:
    """``value`` as JSON can hold it; arrays and their scalars become lists and numbers.

    Raises TypeError for what has no such form.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_NUMBER: str(float(value))}
    if isinstance(value, tuple):
        return {_TUPLE: [pack(one) for one in value]}
    if isinstance(value, list):
        return [pack(one) for one in value]
    if isinstance(value, dict):
        return {_MAP: [[pack(key), pack(one)] for key, one in value.items()]}
    if hasattr(value, "tolist"):  # of numpy, which need not be there
        return pack(value.tolist())
    raise TypeError(f"a metric's value of type {type(value).__name__} cannot be kept")


def unpack(value: Any) -> Any:
    """What ``pack`` was given."""
    if isinstance(value, list):
        return [unpack(one) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == _TUPLE:
        return tuple(unpack(one) for one in inner)
    if kind == _MAP:
        return {unpack(key): unpack(one) for key, one in inner}
    if kind == _NUMBER:
        return float(inner)
    raise ValueError(f"no value has the form {kind!r}")


def named(value: Any, source: str) -> Any:
    """A packed value that is to be aggregated as the metric ``source`` is."""
    return {_OF: [source, value]}


def source_of(value: Any) -> tuple[str | None, Any]:
    """The metric whose aggregation a packed value takes, if it is another's, and the value."""
    if isinstance(value, dict) and _OF in value:
        source, inner = value[_OF]
        return str(source), inner
    return None, value
