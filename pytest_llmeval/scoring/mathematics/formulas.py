r"""The structure of a formula: words, lists, intervals, sets, unions, matrices, relations, quantities.

``(3,4]`` and ``[3,4)`` differ in their brackets, ``5, 9`` and ``9 or 5`` are the same list, ``x \ge 2`` is
``[2,\infty)``, and ``17\text{ m}`` is a number with a unit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from pytest_llmeval.scoring.mathematics.latex import Tokens, joined, tokens
from pytest_llmeval.scoring.mathematics.units import is_unit_letter

_OPENING = {
    "(": ")",
    "[": "]",
    r"\{": r"\}",
    r"\langle": r"\rangle",
    r"\lfloor": r"\rfloor",
    r"\lceil": r"\rceil",
}
_CLOSING = {")", "]", r"\}", r"\rangle", r"\rfloor", r"\rceil", "}"}
_GROUPS = {"(", "[", r"\{", r"\langle"}
_RELATIONS = {"=", "<", ">", r"\le", r"\ge", r"\ne", r"\in", r"\approx", r"\notin", r"\equiv", r"\subset"}
_FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?!\d)")
_INFINITY = r"\infty"
_MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula. ``kind`` is one of these, with what ``parts``, ``sign`` and ``unit`` are for it:

    ``words`` (``sign``: the words, without case), ``list`` (parts in any order; in this order if ``sign`` is
    ``;``), ``group`` (parts within the brackets ``sign``, such as ``(]``; also intervals), ``union`` (parts
    in any order), ``matrix`` (each part a list), ``relation`` (the sides; ``sign``: the relations, with
    blanks between), ``ratio`` (parts), ``expression`` (``unit``: its unit, if it has one).
    """

    kind: str
    tokens: Tokens
    parts: tuple[Formula, ...] = ()
    sign: str = ""
    unit: str = ""

    @property
    def text(self) -> str:
        """The formula as LaTeX."""
        return joined(self.tokens)


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Formula, ...]:
    """What a text may mean, the likeliest first: with commas as separators of thousands or of a list.

    Empty if it is empty, or longer or more deeply nested than an answer.
    """
    found: list[Formula] = []
    for parts in _grouped(tokens(text)):
        trimmed = _trimmed(parts)
        if trimmed:
            found.append(_read(trimmed, 0))
    return tuple(dict.fromkeys(found))


def with_plain_unit(formula: Formula) -> Formula:
    """An expression with its last letters taken for a unit: ``17 m`` is 17 metres, not 17 times m."""
    parts, units = formula.tokens, ""
    while formula.kind == "expression" and not formula.unit:
        power, rest = "", parts
        if len(rest) > 4 and rest[-1] == "}" and rest[-4:-2] == ("^", "{"):
            power, rest = "^" + rest[-2], rest[:-4]
        if len(rest) < 2 or not is_unit_letter(rest[-1]):
            break
        parts, units = rest[:-1], rest[-1] + power + units
        if len(parts) < 3 or parts[-1] != "/" or not (is_unit_letter(parts[-2]) or parts[-2] == "}"):
            break
        parts, units = parts[:-1], "/" + units
    return Formula("expression", parts, unit=units.lstrip("/")) if units else formula


def squeezed(text: str) -> str:
    """The formula as text without blanks, fonts and final punctuation, to compare two spellings quickly."""
    parts = tokens(text)
    if parts is None:
        return " ".join(text.split())
    plain = (part[6:-1] if part.startswith(r"\text{") else part for part in _trimmed(parts))
    return "".join("".join(plain).split())


def words_of(text: str) -> str:
    """Letters and digits of a text, without case and accents' variants, with single blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(char if char.isalnum() else " " for char in folded).split())


def _grouped(parts: Tokens | None) -> Iterator[Tokens]:
    """The tokens with ``3,250`` as 3250, and as they are."""
    if parts is None:
        return
    merged: list[str] = []
    at = 0
    while at < len(parts):
        end = at + 1
        if parts[at].isdigit() and len(parts[at]) <= 3 and not (at and parts[at - 1] == ","):
            while (
                end + 1 < len(parts)
                and parts[end] == ","
                and re.fullmatch(r"\d{3}(?:\.\d+)?", parts[end + 1])
            ):
                end += 2
                if "." in parts[end - 1]:
                    break
            if end < len(parts) and parts[end] == ",":  # followed by a group of another size: a list
                end = at + 1
        merged.append("".join(parts[at:end]).replace(",", "") if end > at + 1 else parts[at])
        at = end
    yield tuple(merged)
    if len(merged) != len(parts):
        yield parts


def _trimmed(parts: Tokens) -> Tokens:
    """Without punctuation around the formula."""
    start, end = 0, len(parts)
    while start < end and parts[start] in {",", ", ", ";", ":", ".", r"\\", "&", "=", "!"}:
        start += 1
    while end > start and parts[end - 1] in {",", ", ", ";", ":", ".", r"\\", "&", "=", "?"}:
        end -= 1
    return parts[start:end]


def _read(parts: Tokens, depth: int) -> Formula:
    parts = _unsigned(_trimmed(parts))
    if depth > _MAX_DEPTH or not parts:
        return Formula("expression", parts)
    if r"\pm" in parts or r"\mp" in parts:
        return _both_signs(parts, depth)
    if (words := _words(parts)) is not None:
        return words
    for separators, sign in (({";"}, ";"), ({",", ", "}, ",")):
        pieces = [piece for piece in _split(parts, separators) if piece]
        if len(pieces) > 1:
            return Formula("list", parts, tuple(_read(piece, depth + 1) for piece in pieces), sign)
    return (
        _relation(parts, depth)
        or _union(parts, depth)
        or _matrix(parts, depth)
        or _group(parts, depth)
        or _ratio(parts, depth)
        or _quantity(parts)
    )


def _both_signs(parts: Tokens, depth: int) -> Formula:
    plus = tuple({r"\pm": "+", r"\mp": "-"}.get(part, part) for part in parts)
    minus = tuple({r"\pm": "-", r"\mp": "+"}.get(part, part) for part in parts)
    return Formula("list", parts, (_read(plus, depth + 1), _read(minus, depth + 1)), ",")


def _unsigned(parts: Tokens) -> Tokens:
    """Without a plus that has nothing before it."""
    opening = {"(", "[", r"\{", "{", ",", ", ", "=", ";"}
    return tuple(
        part for at, part in enumerate(parts) if part != "+" or (at > 0 and parts[at - 1] not in opening)
    )


def _words(parts: Tokens) -> Formula | None:
    """A formula that consists of letters and words alone."""
    inner = parts[1:-1] if parts[0] == "(" and parts[-1] == ")" else parts
    is_text = [part.startswith(r"\text{") for part in inner]
    others = [part for part, text in zip(inner, is_text, strict=True) if not text]
    if not inner or not (any(is_text) or len(inner) <= 3):
        return None
    if any(is_text):
        if inner[0] == "-" or not all(
            len(part) == 1 and (part.isalpha() or part in "-.'&!?:" or ord(part) > 127) for part in others
        ):
            return None
    elif not all(len(part) == 1 and part.isalpha() for part in others):
        return None
    words = words_of(
        " ".join(part[6:-1] if text else part for part, text in zip(inner, is_text, strict=True))
    )
    if not any(is_text):
        words = words.replace(" ", "")
    return Formula("words", parts, sign=words) if words else None


def _relation(parts: Tokens, depth: int) -> Formula | None:
    pieces = _split(parts, _RELATIONS)
    if len(pieces) < 2 or not all(pieces):
        return None
    signs, at = [], 0
    for piece in pieces[:-1]:
        at += len(piece)
        signs.append(parts[at])
        at += 1
    sides = tuple(_read(piece, depth + 1) for piece in pieces)
    return _interval(parts, sides, signs) or Formula("relation", parts, sides, " ".join(signs))


def _interval(parts: Tokens, sides: tuple[Formula, ...], signs: list[str]) -> Formula | None:
    """An inequality of one variable as an interval, whose ``unit`` is the variable."""
    if not all(sign in _FLIPPED for sign in signs):
        return None
    if signs[0] in (">", r"\ge"):
        sides, signs = sides[::-1], [_FLIPPED[sign] for sign in reversed(signs)]
    if not all(sign in ("<", r"\le") for sign in signs):
        return None
    low, high = Formula("expression", ("-", _INFINITY)), Formula("expression", (_INFINITY,))
    if len(sides) == 3 and _is_variable(sides[1]):
        low, variable, high = sides
        opened, closed = signs
    elif len(sides) == 2 and _is_variable(sides[0]) and not _is_variable(sides[1]):
        variable, high = sides
        opened, closed = "<", signs[0]
    elif len(sides) == 2 and _is_variable(sides[1]) and not _is_variable(sides[0]):
        low, variable = sides
        opened, closed = signs[0], "<"
    else:
        return None
    sign = ("[" if opened == r"\le" else "(") + ("]" if closed == r"\le" else ")")
    return Formula("group", parts, (low, high), sign, unit=variable.text)


def _is_variable(side: Formula) -> bool:
    return len(side.tokens) == 1 and (side.tokens[0].isalpha() or side.tokens[0][1:].isalpha())


def _union(parts: Tokens, depth: int) -> Formula | None:
    pieces = _split(parts, {r"\cup"})
    if len(pieces) < 2 or not all(pieces):
        return None
    return Formula("union", parts, tuple(_read(piece, depth + 1) for piece in pieces))


def _matrix(parts: Tokens, depth: int) -> Formula | None:
    match = re.fullmatch(r"\\begin\{([A-Za-z]*matrix|array)\}", parts[0])
    if match is None or parts[-1] != rf"\end{{{match[1]}}}":
        return None
    rows = [row for row in _split(parts[1:-1], {r"\\"}) if row]
    read = tuple(
        Formula("list", row, tuple(_read(cell, depth + 1) for cell in _split(row, {"&"})), ";")
        for row in rows
    )
    is_determinant = match[1] in ("vmatrix", "Vmatrix")
    return Formula("matrix", parts, read, match[1] if is_determinant else "")


def _group(parts: Tokens, depth: int) -> Formula | None:
    if parts[0] not in _GROUPS or parts[-1] not in _CLOSING or _closing(parts) != len(parts) - 1:
        return None
    inner = parts[1:-1]
    sign = parts[0] + parts[-1]
    if sign == r"\{\}":
        bar = next((at for at, part in enumerate(inner) if part in ("|", ":")), None)
        if bar is not None and 0 < bar < len(inner) - 1:
            condition = _read(inner[bar + 1 :], depth + 1)
            if condition.kind == "group" and condition.unit == joined(inner[:bar]):
                return replace(condition, tokens=parts, unit="")
            return Formula("expression", parts)
    elements = _read(inner, depth + 1) if inner else None
    if elements is None:
        return Formula("group", parts, (), sign)
    if elements.kind == "list":
        return Formula("group", parts, elements.parts, sign)
    if sign == "()":
        return replace(elements, tokens=elements.tokens) if elements.kind != "relation" else elements
    return Formula("group", parts, (elements,), sign)


def _ratio(parts: Tokens, depth: int) -> Formula | None:
    pieces = _split(parts, {":"})
    if len(pieces) < 2 or not all(pieces):
        return None
    # a time of day may have a.m. or p.m. after it
    last = pieces[-1]
    mark = words_of(joined(last[1:]).replace(r"\text", "")).replace(" ", "") if len(last) > 1 else ""
    if mark in ("am", "pm"):
        pieces[-1] = last[:1]
    else:
        mark = ""
    return Formula("ratio", parts, tuple(_read(piece, depth + 1) for piece in pieces), unit=mark)


def _quantity(parts: Tokens) -> Formula:
    """An expression, and the unit after it."""
    at = len(parts)
    while at > 1:
        if parts[at - 1].startswith(r"\text{"):
            at -= 1
        elif at > 4 and parts[at - 1] == "}" and parts[at - 2].isdigit() and parts[at - 3] == "{":
            if parts[at - 4] != "^" or not parts[at - 5].startswith(r"\text{"):
                break
            at -= 5
        elif parts[at - 1] in ("/", r"\cdot") and at < len(parts):
            at -= 1
        else:
            break
    while at < len(parts) and parts[at] in ("/", r"\cdot"):
        at += 1
    body = parts[:at]
    unit = " ".join(part[6:-1] if part.startswith(r"\text{") else part for part in parts[at:])
    unit = unit.replace(" ^ { ", "^").replace(" }", "").replace(r"\cdot", " ")
    if (
        len(body) > 1
        and body[-1] == "°"
        and not any(part.startswith("\\") and part[1:] in _TRIGONOMETRIC for part in body)
    ):
        body, unit = body[:-1], unit or "°"
    if at < len(parts) and body and body[-1] in ("+", "-", "^", "_"):
        return Formula("expression", parts)
    return Formula("expression", body, unit=unit)


_TRIGONOMETRIC = {"sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh"}


def _closing(parts: Tokens) -> int | None:
    """Where the bracket that the tokens begin with is closed; intervals may mix brackets."""
    depth = 0
    for at, part in enumerate(parts):
        if part in _OPENING or part == "{" or part.startswith(r"\begin{"):
            depth += 1
        elif part in _CLOSING or part.startswith(r"\end{"):
            depth -= 1
            if depth == 0:
                return at
    return None


def _split(parts: Tokens, separators: set[str]) -> list[Tokens]:
    """The tokens between separators that are outside of brackets."""
    pieces: list[Tokens] = []
    depth = start = 0
    for at, part in enumerate(parts):
        if part in _OPENING or part == "{" or part.startswith(r"\begin{"):
            depth += 1
        elif part in _CLOSING or part.startswith(r"\end{"):
            depth -= 1
        elif depth == 0 and part in separators:
            pieces.append(parts[start:at])
            start = at + 1
    return [*pieces, parts[start:]]
