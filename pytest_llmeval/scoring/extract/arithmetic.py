r"""The value of a text that is one number as a whole, such as ``12 \frac{3}{5}`` or ``2^{10}``.

A recursive-descent parser of exact arithmetic, in plain text or LaTeX. What it does not know makes the whole
text no number: a variable, a root that is not rational, an interval, a second number. The text is never
evaluated as Python; its length, the depth of brackets and the size of numbers are bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pytest_llmeval.scoring.extract.scales import CURRENCY, CURRENCY_SCALES, SCALES, WIDE_SCALE
from pytest_llmeval.scoring.extract.unit_words import is_unit, leads

_MAX_CHARACTERS, _MAX_TOKENS, _MAX_DEPTH, _MAX_BITS, _MAX_DIGITS = 400, 120, 20, 220, 60
_WORD_MARK = "\x01"  # before each word that LaTeX sets as text
_FONTS = (
    r"(?:text|textbf|textrm|textit|textsf|textnormal|mathrm|mathbf|mathit|mathsf|mathbb|boldsymbol|bm|mbox|hbox"
    r"|operatorname|underline|textcolor|mathord|ensuremath|emph|boxed|fbox)"
)
_TEXT = re.compile(rf"\\{_FONTS}\*?\s?\{{([^{{}}]{{0,200}})\}}")
_LETTERS = re.compile(r"[^\W\d_]+")
_IGNORED = re.compile(
    r"\\(?:left|right|bigl?|bigr|Bigl?|Bigr|displaystyle|textstyle|rm|bf|quad|qquad|hspace\{[^{}]{0,10}\}|thinspace"
    r"|therefore|phantom\{[^{}]{0,10}\})(?![A-Za-z])|\\[;:>()\[\]]|\*\*|__|[`~\u200b]"
)
_RELATION = re.compile(
    r"[<>≤≥≠∈±|]|\\(?:le|ge|leq|geq|ne|neq|in|pm|mp|lt|gt|cup|cap|mid|equiv|pmod|bmod|mod)(?![A-Za-z])"
)
_DATE = re.compile(
    r"\d\s?/\s?\d+\s?/\s?\d|(?<!\d)\d{4}-\d{1,2}-\d{1,2}(?!\d)|(?<!\d)\d{1,2}[-.]\d{1,2}[-.]\d{4}(?!\d)"
)
_ABOUT = re.compile(r"\\(?:approx|simeq|doteq|sim)(?![A-Za-z])|[≈≃≅]")
_SEPARATOR = re.compile(rf"[,;]|\d[^=]{{0,30}}(?:\b{_WORD_MARK}?(?:or|and|und|oder|et|ou|y|o)\b|[或和])")
_GROUPS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}(?!\d))")
_TERM = re.compile(r"[+*/^·×-]|\\(?:frac|sqrt|times|cdot)|\d\s?[A-Za-z]")
_WITHIN = re.compile(r"_\{[^{}]*\}|\([^()]*\)|_\w")
_TOKEN = re.compile(
    r"(?P<repeating>\d{0,20}\.\d{0,20}\s?\\(?:overline|bar|dot)\s?(?:\{\d{1,20}\}|\d))"
    r"|(?P<decimal>\d{1,20}\{,\}\d{1,2}(?!\d))"
    r"|(?P<grouped>\d{1,3}(?:(?:,?\\!|\{,\}|\\[,!]|\\\s|[,  '’_])\s?\d{3})+(?!\d)(?![,'’]\d)(?:\.\d+)?"
    r"(?:[eE][+-]?\d{1,2}(?!\w))?)"
    r"|(?P<indian>\d{1,2}(?:,\d{2})+,\d{3}(?![,\d]))"
    r"|(?P<number>(?:\d+(?:\.\d+)?|\.\d+|\d+\.(?![\d.]))(?:[eE][+-]?\d{1,2}(?!\w))?)"
    r"|(?P<degree>\^\s?\{?\s?(?:\\circ|\\degree|[∘°])\s?\}?|°|∘|\\(?:degree|circ|degrees)(?![A-Za-z])|['′″](?!\w))"
    r"|(?P<fraction>\\[dtcsx]?frac(?![A-Za-z]))|(?P<root>\\sqrt(?![A-Za-z])|√)|(?P<binomial>\\[dt]?binom(?![A-Za-z]))"
    r"|(?P<times>[*×·⋅]|\\(?:times|cdot|ast)(?![A-Za-z]))|(?P<over>[/÷]|\\div(?![A-Za-z]))"
    r"|(?P<sign>[+-])|(?P<power>\^)|(?P<bang>!)|(?P<percent>\\?%|‰)|(?P<open>[({])|(?P<close>[)}])"
    rf"|(?P<currency>\\\$|{CURRENCY})|(?P<word>{_WORD_MARK}?(?:{WIDE_SCALE}|[^\W\d_]+))"
    r"|(?P<blank>[\s.]+|\\[,! ])|(?P<other>.)"
)
_UNIT_SIGNS = frozenset({"degree", "percent", "currency", "over", "times", "open", "close"})
_FINAL_SIGNS = "\"'”’;:,。，；：$_"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    spaced: bool
    """Whether a blank stands before it."""


class _NotANumberError(Exception):
    """The text is no number as a whole."""


def evaluated(text: str) -> Fraction | None:
    """The value of ``text``, or None if it is not one number as a whole.

    Units, currencies, percent and degree signs are ignored, scales (million, 万) are not. Of an equation the
    right side counts; of ``2/3 ≈ 0.667`` the first number.
    """
    text = text.strip()
    if not text or len(text) > _MAX_CHARACTERS:
        return None
    for _ in range(4):  # fonts within fonts
        text, count = _TEXT.subn(_marked, text)
        if not count:
            break
    text = _IGNORED.sub(" ", text).strip()
    for delimiter in ("$$", "$"):
        if len(text) > 2 * len(delimiter) and text.startswith(delimiter) and text.endswith(delimiter):
            text = text[len(delimiter) : -len(delimiter)].strip()
    if _RELATION.search(text) or _DATE.search(text):
        return None
    sides = text.split("=")
    if any(_lists(side) or not _names_value(side) for side in sides[:-1]):
        return None
    for side in _ABOUT.split(sides[-1]):  # of "x ≈ 3.3" the second, of "10/3 ≈ 3.3" the first
        if (value := _whole_value(side)) is not None or re.search(r"\d", side):
            return value
    return None


def _lists(side: str) -> bool:
    """Whether a left side has an answer of its own before its variable: ``3, y`` or ``3 or x``."""
    return _SEPARATOR.search(_GROUPS.sub("", side)) is not None and re.search(r"\(.*[,;].*\)", side) is None


def _names_value(side: str) -> bool:
    """Whether a left side is a name (``x``, ``S_{10}``, ``f(2)``) or a number, not a term as ``x + 3z``."""
    return _TERM.search(_WITHIN.sub("", side)) is None or _whole_value(side) is not None


def _whole_value(side: str) -> Fraction | None:
    try:
        return _Parser(side).whole()
    except (_NotANumberError, ZeroDivisionError, OverflowError):
        return None


def _marked(match: re.Match[str]) -> str:
    return " " + _LETTERS.sub(lambda word: _WORD_MARK + word[0], match[1].replace(_WORD_MARK, "")) + " "


def _tokens(text: str) -> Iterator[_Token]:
    spaced = False
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind == "blank":
            spaced = True
            continue
        yield _Token(kind, match[0], spaced)
        spaced = False


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0
        self.has_currency = False
        if len(self.tokens) > _MAX_TOKENS:
            raise _NotANumberError

    def whole(self) -> Fraction:
        while (token := self.peek()) is not None and self.leads(token):
            self.at += 1
        value = self.sum()
        value = self.scaled(value)
        self.units()
        return value

    def peek(self, ahead: int = 0) -> _Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def kind(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return "end" if token is None else token.kind

    def take(self, kind: str) -> _Token:
        token = self.peek()
        if token is None or token.kind != kind:
            raise _NotANumberError
        self.at += 1
        return token

    def leads(self, token: _Token) -> bool:
        """Whether a word may stand before the number."""
        as_text = token.text.startswith(_WORD_MARK)
        return token.kind == "word" and leads(token.text.removeprefix(_WORD_MARK), as_text=as_text)

    def sum(self) -> Fraction:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _NotANumberError
        value = self.product()
        while self.kind() == "sign":
            sign = self.take("sign")
            term = self.product()
            if sign.text == "-" and not sign.spaced and 0 <= value < term:
                raise _NotANumberError  # 5-7 is a range
            value = _bounded(value + term if sign.text == "+" else value - term)
        self.depth -= 1
        return value

    def product(self) -> Fraction:
        value = self.factor()
        while True:
            kind = self.kind()
            if (kind == "times" and self.kind(1) != "word") or (kind == "word" and self.is_times()):
                self.at += 1
                value = _bounded(value * self.factor())
            elif kind == "over" and self.kind(1) != "word":
                self.at += 1
                value = _bounded(value / self.factor())
            else:
                return value

    def is_times(self) -> bool:
        """Whether the x of ``5 x 10^3`` comes next."""
        word, ten = self.peek(), self.peek(1)
        return (
            word is not None
            and word.text in "xX"
            and ten is not None
            and ten.text == "10"
            and self.kind(2) == "power"
        )

    def factor(self) -> Fraction:
        if self.kind() == "sign":
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise _NotANumberError
            sign = self.take("sign").text
            value = self.factor()
            self.depth -= 1
            return value if sign == "+" else -value
        value = self.base()
        if self.kind() == "power":
            self.at += 1
            value = _power(value, self.argument())
        if self.kind() == "bang":
            self.at += 1
            if value.denominator != 1 or not 0 <= value <= 40:
                raise _NotANumberError
            value = Fraction(math.factorial(int(value)))
        while self.kind() in ("percent", "degree"):
            self.at += 1
            word = self.peek()
            if word is not None and self.tokens[self.at - 1].kind == "degree" and word.text in ("C", "F"):
                self.at += 1
        return value

    def base(self) -> Fraction:
        kind = self.kind()
        if kind == "currency":
            self.at += 1
            self.has_currency = True
            return self.factor()
        if kind in ("number", "grouped", "indian", "decimal", "repeating"):
            value = _literal(self.tokens[self.at])
            self.at += 1
            return value + self.mixed() if value.denominator == 1 and kind == "number" else value
        if kind == "open":
            closing = {"(": ")", "{": "}"}[self.take("open").text]
            if closing == ")" and self.kind() == "grouped" and self.kind(1) == "close":
                raise _NotANumberError  # (3,456) may be a pair
            value = self.sum()
            if self.take("close").text != closing:
                raise _NotANumberError
            return value
        self.at += 1
        if kind == "fraction":
            top, bottom = self.argument(), self.argument()
            return _bounded(top / bottom)
        if kind == "binomial":
            top, bottom = self.argument(), self.argument()
            if top.denominator != 1 or bottom.denominator != 1 or not 0 <= bottom <= top <= 200:
                raise _NotANumberError
            return _bounded(Fraction(math.comb(int(top), int(bottom))))
        if kind == "root":
            degree = 2
            token = self.peek()
            if token is not None and token.text == "[":
                self.at += 1
                degree = int(self.argument())
                if self.take("other").text != "]":
                    raise _NotANumberError
            return _root(self.argument(), degree)
        raise _NotANumberError

    def mixed(self) -> Fraction:
        """The fraction of a mixed number, if one follows: ``12 \\frac{3}{5}``, ``2 1/2``."""
        if self.kind() == "fraction":
            value = self.base()
        elif self.kind() == "number" and self.kind(1) == "over" and self.kind(2) == "number":
            value = _literal(self.tokens[self.at]) / _literal(self.tokens[self.at + 2])
            self.at += 3
        else:
            return Fraction(0)
        if not 0 <= value < 1:
            raise _NotANumberError
        return value

    def argument(self) -> Fraction:
        """What a command or a power applies to: a group, a number, or one digit of it (``\\frac12``)."""
        token = self.peek()
        if token is None:
            raise _NotANumberError
        if (
            token.kind == "number"
            and token.text.isdigit()
            and len(token.text) > 1
            and self.tokens[self.at - 1].kind != "power"
        ):
            self.tokens[self.at : self.at + 1] = [_Token("number", digit, False) for digit in token.text]
        if self.kind() == "number":
            self.at += 1
            return _literal(self.tokens[self.at - 1])
        return self.factor() if token.kind == "sign" else self.base()

    def scaled(self, value: Fraction) -> Fraction:
        """The number times the scales after it."""
        while (token := self.peek()) is not None and token.kind == "word":
            word = token.text.removeprefix(_WORD_MARK)
            scale = SCALES.get(word.casefold())
            if scale is None and self.has_currency:
                scale = CURRENCY_SCALES.get(word)
            if scale is None:
                break
            value = _bounded(value * scale)
            self.at += 1
        return value

    def units(self) -> None:
        """Check that only units follow."""
        first = True
        while (token := self.peek()) is not None:
            self.at += 1
            if token.kind == "word":
                as_text, word = token.text.startswith(_WORD_MARK), token.text.removeprefix(_WORD_MARK)
                if not is_unit(word, as_text=as_text, spaced=token.spaced, first=first):
                    raise _NotANumberError
            elif token.kind == "power":
                if self.kind() == "open":
                    self.at += 1
                if self.kind() == "sign":
                    self.at += 1
                self.take("number")
                if self.kind() == "close":
                    self.at += 1
            elif token.kind not in _UNIT_SIGNS and (
                token.text not in _FINAL_SIGNS or self.peek() is not None
            ):
                raise _NotANumberError
            first = False


def _literal(token: _Token) -> Fraction:
    if token.kind == "repeating":
        whole, start, repeating = _repeating(token.text)
        nines = 10 ** len(repeating) - 1
        return (Fraction(int(whole or 0)) + Fraction(int(start or 0), 10 ** len(start))) + Fraction(
            int(repeating), nines * 10 ** len(start)
        )
    if token.kind == "decimal":
        return Fraction(token.text.replace("{,}", "."))
    text = token.text
    if token.kind in ("grouped", "indian"):
        text = re.sub(r"\{,\}|,?\\[,!]|[\\, '’_\s]", "", text)
    if len(text) > _MAX_DIGITS:
        raise _NotANumberError
    return Fraction(text.rstrip("."))


def _repeating(text: str) -> tuple[str, str, str]:
    whole, _, rest = text.partition(".")
    start, _, repeating = rest.partition("\\")
    return whole, start.strip(), re.sub(r"\D", "", repeating)


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > _MAX_BITS or value.denominator.bit_length() > _MAX_BITS:
        raise _NotANumberError
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        base, exponent = _root(base, exponent.denominator), Fraction(exponent.numerator)
    if (
        abs(exponent) > 400
        or max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent) > 4 * _MAX_BITS
    ):
        raise _NotANumberError
    return _bounded(base ** int(exponent))


def _root(value: Fraction, degree: int) -> Fraction:
    """The root of a number if it is rational."""
    if not 2 <= degree <= 64 or value < 0:
        raise _NotANumberError
    top, bottom = (_whole_root(part, degree) for part in (value.numerator, value.denominator))
    return Fraction(top, bottom)


def _whole_root(value: int, degree: int) -> int:
    root = math.isqrt(value) if degree == 2 else round(value ** (1 / degree))
    if root**degree != value:
        raise _NotANumberError
    return root
