"""Units of measurement: their names, what they measure, and their size in the unit of the SI.

Sources: the SI brochure (BIPM, 9th edition) and the international yard and pound (NIST SP 811).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

_PREFIXES: dict[str, Fraction] = {
    **{
        "k": Fraction(10**3),
        "M": Fraction(10**6),
        "G": Fraction(10**9),
        "c": Fraction(1, 100),
        "m": Fraction(1, 1000),
        "d": Fraction(1, 10),
    },
    **{"μ": Fraction(1, 10**6), "µ": Fraction(1, 10**6), "n": Fraction(1, 10**9)},
}
_LONG_PREFIXES: dict[str, Fraction] = {
    **{
        "kilo": Fraction(10**3),
        "mega": Fraction(10**6),
        "giga": Fraction(10**9),
        "centi": Fraction(1, 100),
        "milli": Fraction(1, 1000),
    },
    **{"micro": Fraction(1, 10**6), "nano": Fraction(1, 10**9), "deci": Fraction(1, 10)},
}
#: symbol and names of units that take prefixes: (dimension, size)
_METRIC = {
    **dict.fromkeys(("m", "meter", "metre", "米"), ("length", Fraction(1))),
    **dict.fromkeys(("g", "gram", "gramme", "克"), ("mass", Fraction(1, 1000))),
    **dict.fromkeys(("s", "second"), ("time", Fraction(1))),
    **dict.fromkeys(("l", "L", "liter", "litre", "升"), ("volume", Fraction(1, 1000))),
    **dict.fromkeys(("J", "joule"), ("energy", Fraction(1))),
    **dict.fromkeys(("W", "watt"), ("power", Fraction(1))),
    **dict.fromkeys(("N", "newton"), ("force", Fraction(1))),
    **dict.fromkeys(("V", "volt"), ("voltage", Fraction(1))),
    **dict.fromkeys(("A", "ampere", "amp"), ("current", Fraction(1))),
    **dict.fromkeys(("Pa", "pascal"), ("pressure", Fraction(1))),
    **dict.fromkeys(("Hz", "hertz"), ("frequency", Fraction(1))),
    **dict.fromkeys(("eV", "electronvolt"), ("energy", Fraction(1602176634, 10**28))),
    **dict.fromkeys(("mol", "mole"), ("amount", Fraction(1))),
}
_OTHERS = {
    **dict.fromkeys(("sec", "秒"), ("time", Fraction(1))),
    **dict.fromkeys(("min", "minute", "分钟"), ("time", Fraction(60))),
    **dict.fromkeys(("h", "hr", "hour", "小时"), ("time", Fraction(3600))),
    **dict.fromkeys(("day", "天"), ("time", Fraction(86400))),
    **dict.fromkeys(("week", "周"), ("time", Fraction(604800))),
    **dict.fromkeys(("year", "yr", "年"), ("year", Fraction(1))),
    **dict.fromkeys(("month", "月"), ("month", Fraction(1))),
    **dict.fromkeys(("inch", "inche", "in"), ("length", Fraction(254, 10000))),
    **dict.fromkeys(("foot", "feet", "ft"), ("length", Fraction(3048, 10000))),
    **dict.fromkeys(("yard", "yd"), ("length", Fraction(9144, 10000))),
    **dict.fromkeys(("mile", "mi"), ("length", Fraction(1609344, 1000))),
    **dict.fromkeys(("厘米",), ("length", Fraction(1, 100))),
    **dict.fromkeys(("毫米",), ("length", Fraction(1, 1000))),
    **dict.fromkeys(("千米", "公里"), ("length", Fraction(1000))),
    **dict.fromkeys(("千克", "公斤"), ("mass", Fraction(1))),
    **dict.fromkeys(("吨", "tonne", "t"), ("mass", Fraction(1000))),
    **dict.fromkeys(("毫升",), ("volume", Fraction(1, 10**6))),
    **dict.fromkeys(("pound", "lb"), ("mass", Fraction(45359237, 10**8))),
    **dict.fromkeys(("ounce", "oz"), ("mass", Fraction(45359237, 16 * 10**8))),
    **dict.fromkeys(("cent", "penny"), ("money", Fraction(1, 100))),
    **dict.fromkeys(("dollar", "usd"), ("money", Fraction(1))),
    **dict.fromkeys(("degree", "deg", "°", "度"), ("angle", Fraction(1))),
    **dict.fromkeys(("mph",), ("length/time", Fraction(1609344, 3600 * 1000))),
    **dict.fromkeys(("kmph", "kph"), ("length/time", Fraction(1000, 3600))),
}
_PART = re.compile(r"(sq(?:uare)?|cu(?:bic)?)?\s*([^\W\d_]+|°|[^\x00-\x7f]{1,3})\s*\^?\s*\{?(-?\d)?\}?")
_LETTERS = frozenset("mgslLJWNVAhKCFt")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit measures, as in ``length^2``, and its size in the unit of the SI."""

    dimension: str
    size: Fraction


def is_unit(word: str) -> bool:
    """Whether a word or symbol is a known unit."""
    return _simple(word) is not None


def is_unit_letter(letter: str) -> bool:
    """Whether a single letter is usual as a unit."""
    return letter in _LETTERS


@lru_cache(maxsize=4096)
def unit(text: str) -> Unit | None:
    """The unit that a text such as ``km/h``, ``square feet`` or ``cm^2`` names; None if it is unknown."""
    if len(text) > 60:
        return None
    text = re.sub(r"\bper\b|每", "/", text.replace("·", " ").replace("*", " ").strip(" ."))
    dimensions: dict[str, int] = {}
    size = Fraction(1)
    for index, part in enumerate(text.split("/")):
        position = 0
        part = part.strip()
        while position < len(part):
            match = _PART.match(part, position)
            if match is None or match.end() == position:
                return None
            known = _simple(match[2])
            if known is None:
                return None
            power = int(match[3] or (2 if (match[1] or "").startswith("sq") else 3 if match[1] else 1))
            power = -power if index else power
            dimensions[known.dimension] = dimensions.get(known.dimension, 0) + power
            size *= known.size**power
            position = match.end()
            while position < len(part) and part[position].isspace():
                position += 1
    named = sorted((name, power) for name, power in dimensions.items() if power)
    return Unit(" ".join(f"{name}^{power}" for name, power in named), size) if dimensions else None


def _simple(word: str) -> Unit | None:
    """The unit that one word or symbol names, also in the plural; symbols keep their case."""
    folded = word.casefold()
    for name in (word, folded, folded.removesuffix("s"), folded.removesuffix("es")):
        if name in _UNITS and (name == word or len(name) > 1):
            return _UNITS[name]
    return None


def _table() -> dict[str, Unit]:
    table = {name: Unit(*meaning) for name, meaning in {**_METRIC, **_OTHERS}.items()}
    for name, (dimension, size) in _METRIC.items():
        for prefix, factor in (_LONG_PREFIXES if len(name) > 3 else _PREFIXES).items():
            table.setdefault(prefix + name, Unit(dimension, size * factor))
    return table


_UNITS = _table()
