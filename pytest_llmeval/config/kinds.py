"""The kinds of values of options and keys, each with a converter and a JSON Schema.

A ``convert`` function takes a value from TOML or the command line. It raises ValueError with a text that
completes "... is not", as in "a whole number of at least 1".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

from pytest_llmeval.core.types import APIS, MODES, POLICIES, Api, Mode, Policy, Temperature

T = TypeVar("T")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: numbers as strings: all values on the command line are strings, and a file may quote numbers
_WHOLE_TEXT = r"\s*[+-]?\d[\d_]*\s*"
_NUMBER_TEXT = r"^\s*[+-]?[\d.][\d._eE+-]*\s*$"


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value.

    ``schema`` accepts at least every value in a file that ``convert`` accepts. ``many`` marks a list (a
    repeatable option), ``flag`` an option without a value.
    """

    convert: Callable[[Any], T]
    schema: Mapping[str, Any]
    many: bool = False
    flag: bool = False


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a non-empty string")
    return value


def _any_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a string")
    return value


def _texts(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError("a list of strings")
    return tuple(_text(item) for item in values)


def _any_texts(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(item, str) for item in values):
        raise ValueError("a list of strings")
    return tuple(values)


def _pair(value: object) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of two strings, an opening and a closing mark")
    if not all(value) or value[0] == value[1]:
        raise ValueError("a list of two different strings, an opening and a closing mark")
    return value[0], value[1]


def _folder(value: object) -> Path:
    return Path(_text(value))


def _folders(value: object) -> tuple[Path, ...]:
    return tuple(Path(item) for item in _texts(value))


def _folder_name(value: object) -> str:
    name = _text(value)
    if name.strip() in (".", "..") or any(char in "/\\" or not char.isprintable() for char in name):
        raise ValueError("a folder's name (no path)")
    return name


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _number(value: object, *, zero: bool) -> float:
    rule = "a number of at least 0" if zero else "a number above 0"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(rule)
    try:
        number = float(value)
    except ValueError:
        raise ValueError(rule) from None
    if not (number > 0 or (zero and number == 0)) or number == float("inf"):
        raise ValueError(rule)
    return number


def _temperature(value: object) -> Temperature:
    if value == "none":
        return "none"
    try:
        return _number(value, zero=True)
    except ValueError:
        raise ValueError("a number of at least 0, or none") from None


def _probability(value: object) -> float:
    try:
        number = _number(value, zero=False)
    except ValueError:
        number = 2.0
    if number > 1:
        raise ValueError("a number above 0 and up to 1")
    return number


def _concurrency(value: object) -> int | None:
    if value == "auto":
        return None
    try:
        return POSITIVE.convert(value)
    except ValueError as error:
        raise ValueError(f"{error}, or auto") from None


def _drops(value: object) -> tuple[str, ...]:
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return _texts(format(Decimal(repr(value)), "f") if numeric else value)


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


def _body(value: object) -> Mapping[str, object]:
    table = _table(value)
    for key, option in (("stream", "use stream = true"), ("n", "each request gets one answer")):
        if key in table:
            raise ValueError(f"a table without {key!r} ({option})")
    return table


def _headers(value: object) -> Mapping[str, str]:
    table = _table(value)
    for name, text in table.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"a table of HTTP headers: {name!r} is not a valid header name")
        if not (isinstance(text, str) and text.isascii() and text.isprintable() and text.strip() == text):
            raise ValueError(f"a table of HTTP headers: the value of {name} is not printable ASCII text")
    return {name: str(text) for name, text in table.items()}


def _svg_file(value: object) -> str:
    if value is True:
        return ""
    if not isinstance(value, str) or not value.lower().endswith(".svg"):
        raise ValueError("a file name that ends in .svg (write --llm-badge=FILE.svg, or --llm-badge last)")
    return value


def _plot_folder(value: object) -> str:
    return "" if value is True else _text(value)


@dataclass(frozen=True, slots=True)
class Limit:
    """The questions of each subject to ask: ``start:stop``, as in a Python slice."""

    start: int
    stop: int | None
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def count(self) -> int | None:
        """The maximum number of questions of a subject; None for all from ``start`` on."""
        return None if self.stop is None else self.stop - self.start


def _limit(value: object) -> Limit:
    rule = "a count of at least 1 (as in 5) or a slice (as in 10:20) for each subject"
    text = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(rule)
    text = text.removeprefix("[").removesuffix("]")
    start, colon, stop = text.partition(":")
    try:
        low = int(start) if colon and start.strip() else 0
        high = int(stop) if colon and stop.strip() else (None if colon else int(text))
    except ValueError:
        raise ValueError(rule) from None
    if low < 0 or (high is not None and high <= low):
        raise ValueError(rule)
    return Limit(low, high, text)


def whole_number(least: int, *, text: bool = True) -> Kind[int]:
    """A whole number of at least ``least``; with ``text``, strings are accepted too."""
    rule = f"a whole number of at least {least}"

    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, str) if text else int):
            raise ValueError(rule)
        try:
            number = int(value)
        except ValueError:
            raise ValueError(rule) from None
        if number < least:
            raise ValueError(rule)
        return number

    if not text:
        return Kind(convert, {"type": "integer", "minimum": least})
    return Kind(convert, {"type": ["integer", "string"], "minimum": least, "pattern": f"^{_WHOLE_TEXT}$"})


def one_of(names: Sequence[T]) -> Kind[T]:
    """One of a few strings."""
    *most, last = map(str, names)
    rule = f"{', '.join(most)} or {last}"

    def convert(value: object) -> T:
        for name in names:
            if value == name:
                return name
        near = difflib.get_close_matches(str(value), map(str, names), n=1, cutoff=0.6)
        raise ValueError(f"{rule}; did you mean {near[0]!r}?" if near else rule)

    return Kind(convert, {"enum": list(names)})


def matching(pattern: re.Pattern[str], rule: str) -> Kind[str]:
    """A string that matches ``pattern`` as a whole."""

    def convert(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(rule)
        return value

    return Kind(convert, {"type": "string", "pattern": f"^{pattern.pattern}$"})


_TEXT_SCHEMA = {"type": "string", "pattern": r"\S"}
_LIST_SCHEMA = {"type": ["array", "string"], "items": _TEXT_SCHEMA, "pattern": r"\S"}

TEXT = Kind(_text, _TEXT_SCHEMA)
ANY_TEXT = Kind(_any_text, {"type": "string"})
TEXTS = Kind(_texts, _LIST_SCHEMA, many=True)
ANY_TEXTS = Kind(_any_texts, {"type": ["array", "string"], "items": {"type": "string"}}, many=True)
PAIR = Kind(
    _pair, {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 2, "maxItems": 2}
)
FOLDER = Kind(_folder, _TEXT_SCHEMA)
FOLDERS = Kind(_folders, _LIST_SCHEMA, many=True)
FOLDER_NAME = Kind(_folder_name, {"type": "string", "pattern": r"^[^/\\]*[^/\\\s][^/\\]*$"})
FLAG = Kind(_flag, {"type": "boolean"}, flag=True)
COUNT = whole_number(0)
POSITIVE = whole_number(1)
ABOVE_ZERO = Kind(
    lambda value: _number(value, zero=False),
    {"type": ["number", "string"], "exclusiveMinimum": 0, "pattern": _NUMBER_TEXT},
)
ZERO_OR_MORE = Kind(
    lambda value: _number(value, zero=True),
    {"type": ["number", "string"], "minimum": 0, "pattern": _NUMBER_TEXT},
)
TEMPERATURE: Kind[Temperature | None] = Kind(
    _temperature,
    {"anyOf": [{"const": "none"}, {**ZERO_OR_MORE.schema, "pattern": f"^none$|{_NUMBER_TEXT}"}]},
)
PROBABILITY = Kind(
    _probability,
    {"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 1, "pattern": _NUMBER_TEXT},
)
#: None stands for ``auto``
CONCURRENCY = Kind(
    _concurrency,
    {"anyOf": [{"const": "auto"}, {**POSITIVE.schema, "pattern": f"^(auto|{_WHOLE_TEXT})$"}]},
)
LIMIT = Kind(_limit, {"type": ["integer", "string"], "minimum": 1, "pattern": r"^\s*\[?[\s\d_+:-]+\]?\s*$"})
MODE: Kind[Mode] = one_of(MODES)
API: Kind[Api] = one_of(APIS)
POLICY: Kind[Policy] = one_of(POLICIES)
#: strings; in a file also a number
DROPS = Kind(_drops, {**_LIST_SCHEMA, "type": ["array", "string", "number"]}, many=True)
TABLE = Kind(_table, {"type": "object"})
#: fields of a request's body
BODY = Kind(_body, {"type": "object", "properties": {"stream": False, "n": False}})
HEADERS = Kind(
    _headers,
    {
        "type": "object",
        "propertyNames": {"pattern": f"^{_HEADER_NAME.pattern}$"},
        "additionalProperties": {"type": "string", "pattern": "^([!-~]([ -~]*[!-~])?)?$"},
    },
)
#: "" stands for a file in the run's own folder (``true``, or the option without a value)
SVG_FILE = Kind(_svg_file, {"anyOf": [{"const": True}, {"type": "string", "pattern": r"\.[sS][vV][gG]$"}]})
#: "" stands for a folder in the run's own (``true``, or the option without a value)
PLOT_FOLDER = Kind(_plot_folder, {"anyOf": [{"const": True}, _TEXT_SCHEMA]})
