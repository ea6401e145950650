"""The exact value of a formula of numbers: fractions, sums, products, powers, mixed numbers, percentages."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from pytest_llmeval.scoring.mathematics.latex import Tokens

_MAX_BITS = 4000
_MAX_DEPTH = 40
_DIGITS = re.compile(r"(?:\d{1,400}(?:\.\d{1,400})?|\.\d{1,400})")


class _NotExact(Exception):
    """A formula with other parts than numbers, or with a value too long to compute."""


def value(parts: Tokens) -> Fraction | None:
    """The value of a formula; None if it is no rational number, or too long."""
    try:
        reader = _Reader(parts)
        number = reader.sum(0)
        return number if reader.at_end else None
    except (_NotExact, ZeroDivisionError):
        return None


def is_decimal(parts: Tokens) -> bool:
    """Whether a formula is one number with decimals, such as ``-0.333333``."""
    digits = parts[1:] if parts[:1] == ("-",) else parts
    return len(digits) == 1 and "." in digits[0] and _DIGITS.fullmatch(digits[0]) is not None


def without_decimals(parts: Tokens) -> Tokens:
    """The formula with fractions in place of numbers with decimals, so that nothing is rounded."""
    out: list[str] = []
    for part in parts:
        if "." in part and _DIGITS.fullmatch(part):
            number = Fraction(part)
            out += [r"\frac", "{", str(number.numerator), "}", "{", str(number.denominator), "}"]
        else:
            out.append(part)
    return tuple(out)


class _Reader:
    """Reads sums of products of powers, from left to right."""

    def __init__(self, parts: Tokens) -> None:
        self._parts, self._at = parts, 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._parts)

    def sum(self, depth: int) -> Fraction:
        if depth > _MAX_DEPTH:
            raise _NotExact
        sign = self._sign()
        total = sign * self._product(depth)
        while self._next() in ("+", "-"):
            sign = self._sign()
            total = _checked(total + sign * self._product(depth))
        return total

    def _sign(self) -> int:
        sign = 1
        while self._next() in ("+", "-"):
            sign = -sign if self._next() == "-" else sign
            self._at += 1
        return sign

    def _product(self, depth: int) -> Fraction:
        first = self._at
        number = self._power(depth)
        while True:
            token = self._next()
            if token == r"\cdot":
                self._at += 1
                number = _checked(number * self._sign() * self._power(depth))
            elif token == "/":
                self._at += 1
                number = _checked(number / (self._sign() * self._power(depth)))
            elif token == r"\frac" and self._at == first + 1 and self._parts[first].isdigit():
                part = self._power(depth)
                number = number + part if 0 <= part < 1 else number * part  # a mixed number
            elif token in (r"\frac", r"\binom", "("):
                number = _checked(number * self._power(depth))
            elif self._at == first + 1 and self._goes_on_as_fraction():
                above, below = Fraction(self._parts[self._at]), Fraction(self._parts[self._at + 2])
                self._at += 3
                number = number + above / below  # a mixed number such as 12 3/5
            else:
                return number

    def _goes_on_as_fraction(self) -> bool:
        number, slash, other = [*self._parts[self._at : self._at + 3], "", "", ""][:3]
        return slash == "/" and all(part.isdecimal() and len(part) < 400 for part in (number, other))

    def _power(self, depth: int) -> Fraction:
        base = self._atom(depth)
        while True:
            token = self._next()
            if token == "^":
                self._at += 1
                base = _raised(base, self._braced(depth))
            elif token == "!":
                self._at += 1
                if base.denominator != 1 or not 0 <= base <= 300:
                    raise _NotExact
                base = _checked(Fraction(math.factorial(int(base))))
            elif token == "%":
                self._at += 1
                base /= 100
            else:
                return base

    def _atom(self, depth: int) -> Fraction:
        token = self._next()
        self._at += 1
        if token is None:
            raise _NotExact
        if token == "(":
            number = self.sum(depth + 1)
            self._expect(")")
            return number
        if token == r"\frac":
            return self._braced(depth) / self._braced(depth)
        if token == r"\binom":
            above, below = self._braced(depth), self._braced(depth)
            if above.denominator != 1 or below.denominator != 1 or not 0 <= below <= above <= 1000:
                raise _NotExact
            return _checked(Fraction(math.comb(int(above), int(below))))
        if not _DIGITS.fullmatch(token):
            raise _NotExact
        return _checked(Fraction(token))

    def _braced(self, depth: int) -> Fraction:
        self._expect("{")
        number = self.sum(depth + 1)
        self._expect("}")
        return number

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise _NotExact
        self._at += 1

    def _next(self) -> str | None:
        return self._parts[self._at] if self._at < len(self._parts) else None


def _raised(base: Fraction, power: Fraction) -> Fraction:
    if power.denominator != 1 or abs(power) > _MAX_BITS:
        raise _NotExact
    bits = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(int(power))
    if bits > _MAX_BITS:
        raise _NotExact
    return base ** int(power)


def _checked(number: Fraction) -> Fraction:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MAX_BITS:
        raise _NotExact
    return number
