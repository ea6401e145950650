"""Convert a task's metric values for a document to JSON and back.

A task's ``process_results`` may return any value: numbers, pairs, texts, arrays. Values that JSON cannot
represent become objects with a single key that begins with ``$``.
"""

from __future__ import annotations

import math
from typing import Any

_TUPLE, _MAP, _NUMBER, _OF = "$tuple", "$map", "$number", "$of"


def pack(value: object) -> Any:
    """Convert ``value`` to JSON; arrays and their scalars become lists and numbers.

    Raises TypeError for values of other types.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_NUMBER: str(float(value))}
    if isinstance(value, tuple):
        return {_TUPLE: [pack(item) for item in value]}
    if isinstance(value, list):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {_MAP: [[pack(key), pack(item)] for key, item in value.items()]}
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return pack(value.tolist())
    raise TypeError(f"a metric's value of type {type(value).__name__} cannot be stored")


def unpack(value: Any) -> Any:
    """The inverse of ``pack``."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == _TUPLE:
        return tuple(unpack(item) for item in inner)
    if kind == _MAP:
        return {unpack(key): unpack(item) for key, item in inner}
    if kind == _NUMBER:
        return float(inner)
    raise ValueError(f"unknown encoding of a value: {kind!r}")


def with_source(value: Any, source: str) -> Any:
    """Mark a packed value to be aggregated like the metric ``source``."""
    return {_OF: [source, value]}


def source_of(value: Any) -> tuple[str | None, Any]:
    """The metric whose aggregation a packed value uses (None for its own), and the value."""
    if isinstance(value, dict) and _OF in value:
        source, inner = value[_OF]
        return str(source), inner
    return None, value
