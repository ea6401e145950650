r"""Whether an answer equals a gold answer, both LaTeX or plain text.

Rules, the cheap ones first: the same text in one spelling; the same words; rational numbers by their exact
value; intervals, tuples, sets, lists, unions and matrices by their brackets and elements; everything else by
math-verify. A relation answers for its last side (``x = 5`` for 5), and a percentage for its number. A
decimal equals a number that has no finite decimals (1/3, pi) if it has six significant digits or more and is
that number, rounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from fractions import Fraction
from typing import TypeAlias

from pytest_llmeval.scoring.mathematics.exact import is_decimal, value, without_decimals
from pytest_llmeval.scoring.mathematics.formulas import Formula, readings, squeezed, with_plain_unit, words_of
from pytest_llmeval.scoring.mathematics.latex import Tokens, joined
from pytest_llmeval.scoring.mathematics.prover import Proof
from pytest_llmeval.scoring.mathematics.units import unit

#: whether two formulas in LaTeX are equal; ``prover.prove`` with its time limit
Prover: TypeAlias = Callable[[str, str], Proof]

_SIGNIFICANT = 6
#: what math-verify reads otherwise: it takes a gamma before brackets or signs for the function
_LATEX = {"°": r"\cdot\frac{\pi}{180}", "%": r"\cdot\frac{1}{100}", r"\gamma": r"\text{gamma}"}
#: dx/dt, which math-verify takes for 0
_DERIVATIVE = re.compile(r"\\frac\{(?:d|\\partial)[^{}]*\}\{(?:d|\\partial)[^{}]+\}")
_MAX_LATEX = 600
_MAX_ELEMENTS = 60
_OPERATORS = {"+", "-", "/", "^", r"\cdot", r"\frac", r"\sqrt"}
_INFINITE = {(r"\infty",), ("-", r"\infty")}
_COMPARED = {"group", "union", "matrix", "list", "ratio"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the answers are equal; ``problem`` says why that could not be decided."""

    equal: bool
    problem: str = ""


def compare(gold: str, answer: str, prove: Prover, tolerance: Fraction = Fraction(0)) -> Verdict:
    """Compare an answer with the gold answer. ``tolerance`` is a share of the gold number."""
    first, second = squeezed(gold), squeezed(answer)
    if first and first == second:
        return Verdict(True)
    comparison = _Comparison(prove, tolerance)
    golds, answers = readings(gold), readings(answer)
    equal = any(comparison.same(one, other) for one in golds for other in answers)
    return Verdict(equal, "" if equal else comparison.problem)


class _Comparison:
    def __init__(self, prove: Prover, tolerance: Fraction) -> None:
        self._prove, self._tolerance, self.problem = prove, tolerance, ""

    def same(self, gold: Formula, answer: Formula) -> bool:
        """Whether two formulas are equal."""
        if gold.tokens == answer.tokens and gold.unit == answer.unit:
            return True
        if (words := self._same_words(gold, answer)) is not None:
            return words
        if gold.kind == "relation" or answer.kind == "relation":
            return self._same_relation(gold, answer)
        if gold.kind in _COMPARED or answer.kind in _COMPARED:
            return self._same_parts(gold, answer)
        if value(gold.tokens) is not None and value((plain := with_plain_unit(answer)).tokens) is not None:
            answer = plain
        return self._same_units(gold, answer) and self._same_value(gold, answer)

    def _same_words(self, gold: Formula, answer: Formula) -> bool | None:
        """None if neither is words, or both may be products of variables."""
        if gold.kind != "words" and answer.kind != "words":
            return None
        if gold.kind == answer.kind == "words":
            if gold.sign.replace(" ", "") == answer.sign.replace(" ", ""):
                single = (
                    len(gold.tokens) == len(answer.tokens) == 1 and len(gold.text) == len(answer.text) == 1
                )
                return not single or gold.text == answer.text or gold.text.isupper()
            are_products = not any("\\" in part for part in (*gold.tokens, *answer.tokens))
            return self._proved(gold.tokens, answer.tokens) if are_products else False
        words, other = (gold, answer) if gold.kind == "words" else (answer, gold)
        if other.kind == "relation":
            return None
        if not any("\\" in part for part in words.tokens):  # variables
            return None if other.kind == "expression" and value(other.tokens) is None else False
        return not _OPERATORS & {*other.tokens} and words.sign == words_of(other.text.replace(r"\text", " "))

    def _same_relation(self, gold: Formula, answer: Formula) -> bool:
        if gold.kind == answer.kind:
            if gold.sign == answer.sign and self._all(gold.parts, answer.parts):
                return True
            if gold.sign == answer.sign == "=" and gold.parts[0].tokens == answer.parts[0].tokens:
                return self.same(gold.parts[1], answer.parts[1])
            if set(answer.sign.split()) == {"="} and _is_name(answer.parts[0]) and _is_name(gold.parts[0]):
                # x = 2 + 3 = 5 says x = 5
                return gold.parts[0].tokens == answer.parts[0].tokens and self.same(
                    gold.parts[-1], answer.parts[-1]
                )
            return self._proved(gold.tokens, answer.tokens)
        if gold.kind == "relation":
            if gold.sign.split()[0] in ("=", r"\in") and len(gold.parts) == 2 and _is_name(gold.parts[0]):
                return self.same(gold.parts[1], answer)
            return False
        if answer.sign.split()[-1] in ("=", r"\in", r"\approx"):
            side = answer.parts[-1 if not answer.sign.endswith(r"\approx") else -2]
            return side.kind != "relation" and self.same(gold, side)
        return False

    def _same_parts(self, gold: Formula, answer: Formula) -> bool:
        kinds = (gold.kind, answer.kind)
        in_any_order = False
        if kinds == ("list", "list"):
            in_any_order = gold.sign == ","
        elif kinds == ("group", "group"):
            if gold.sign != answer.sign or (gold.unit and answer.unit and gold.unit != answer.unit):
                return False
            in_any_order = gold.sign == r"\{\}"
        elif set(kinds) == {"group", "list"}:
            group = gold if gold.kind == "group" else answer
            if group.sign != r"\{\}":
                return False
            in_any_order = True
        elif kinds == ("group", "expression") or kinds == ("expression", "group"):
            group, other = (gold, answer) if gold.kind == "group" else (answer, gold)
            if group.sign == r"\{\}" and len(group.parts) == 1:  # {5} for 5
                return self.same(group.parts[0], answer) if group is gold else self.same(gold, group.parts[0])
            return group.sign == r"\{\}" and not group.parts and other.tokens == (r"\emptyset",)
        elif kinds == ("union", "union"):
            in_any_order = True
        elif kinds == ("matrix", "matrix"):
            if gold.sign != answer.sign:
                return False
        elif kinds == ("ratio", "ratio"):
            if gold.unit and answer.unit and gold.unit != answer.unit:
                return False
        elif "ratio" in kinds:
            return False
        else:
            return False
        return (
            self._in_any_order(gold.parts, answer.parts)
            if in_any_order
            else self._all(gold.parts, answer.parts)
        )

    def _all(self, golds: Sequence[Formula], answers: Sequence[Formula]) -> bool:
        return len(golds) == len(answers) and all(map(self.same, golds, answers))

    def _in_any_order(self, golds: Sequence[Formula], answers: Sequence[Formula]) -> bool:
        if len(golds) != len(answers) or len(golds) > _MAX_ELEMENTS:
            return False
        left = list(answers)
        for gold in golds:
            exact = next((one for one in left if one.tokens == gold.tokens), None)
            match = exact or next((one for one in left if self.same(gold, one)), None)
            if match is None:
                return False
            left.remove(match)
        return True

    def _same_units(self, gold: Formula, answer: Formula) -> bool:
        """Whether the units allow the numbers to be equal: known units of both must be the same."""
        if not gold.unit or not answer.unit:
            return True
        one, other = unit(gold.unit), unit(answer.unit)
        return one is None or other is None or one == other

    def _same_value(self, gold: Formula, answer: Formula) -> bool:
        first, second = value(gold.tokens), value(answer.tokens)
        if _INFINITE & {gold.tokens, answer.tokens}:
            return gold.tokens == answer.tokens
        if first is not None and second is not None:
            return self._same_numbers(first, second, gold.tokens, answer.tokens)
        if _in_base(gold.tokens) or _in_base(answer.tokens):
            # 42_7 may be written without its base, which the question names
            return gold.tokens[: -len(_in_base(gold.tokens)) or None] == answer.tokens
        return self._proved(gold.tokens, answer.tokens)

    def _same_numbers(self, first: Fraction, second: Fraction, gold: Tokens, answer: Tokens) -> bool:
        if first == second or abs(first - second) <= self._tolerance * abs(first):
            return True
        in_percent = ("%" in gold) != ("%" in answer)
        if in_percent and (first * 100 == second or first == second * 100):
            # "25%" for 25, whose question asks for a percentage; 0.25 for "25%" has the same value
            return first == second * 100 if "%" in answer else first * 100 == second
        for decimal, other, parts in ((second, first, answer), (first, second, gold)):
            if is_decimal(parts) and not _has_finite_decimals(other):
                return _rounds_to(_decimal(other), parts[-1], decimal < 0)
        return False

    def _proved(self, gold: Tokens, answer: Tokens) -> bool:
        first, second = _latex(gold), _latex(answer)
        if not first or not second or max(len(first), len(second)) > _MAX_LATEX:
            return False
        proof = self._prove(first, second)
        if proof.problem:
            self.problem = proof.problem
        if proof.equal:
            return True
        if proof.gold is None or proof.answer is None:
            return False
        with localcontext(prec=40):
            try:
                left, right = Decimal(proof.gold), Decimal(proof.answer)
            except InvalidOperation:
                return False
            if self._tolerance and abs(left - right) <= abs(left) * Decimal(float(self._tolerance)):
                return True
            for parts, number, other in ((answer, right, left), (gold, left, right)):
                if is_decimal(parts):
                    return _rounds_to(other, parts[-1], number < 0)
        return False


def _is_name(side: Formula) -> bool:
    """Whether a side of an equation is a name, such as ``x``, ``x_1``, ``f(x)`` or ``\\text{Area}``."""
    parts = side.tokens
    if side.kind == "words" or (len(parts) == 1 and parts[0][-1:].isalpha()):
        return True
    return len(parts) > 1 and parts[0][-1:].isalpha() and parts[1] in ("_", "(") and len(parts) <= 8


def _in_base(parts: Tokens) -> Tokens:
    """The subscript of a numeral such as ``42_7`` or ``152A_{11}``."""
    at = len(parts) - 4
    if at > 0 and parts[at : at + 2] == ("_", "{") and parts[-1] == "}" and parts[-2].isdigit():
        digits = parts[:at]
        if digits[0][0].isdigit() and all(part.isalnum() or "." in part for part in digits):
            return parts[at:]
    return ()


def _has_finite_decimals(number: Fraction) -> bool:
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _decimal(number: Fraction) -> Decimal:
    with localcontext(prec=40):
        return Decimal(number.numerator) / Decimal(number.denominator)


def _rounds_to(number: Decimal, digits: str, negative: bool) -> bool:
    """Whether ``number``, rounded or cut to as many decimals as ``digits`` has, is ``digits``."""
    if len(digits.replace(".", "").lstrip("0")) < _SIGNIFICANT:
        return False
    wanted = -Decimal(digits) if negative else Decimal(digits)
    step = Decimal(1).scaleb(-len(digits.partition(".")[2]))
    with localcontext(prec=60):
        try:
            return wanted in (number.quantize(step, ROUND_HALF_UP), number.quantize(step, ROUND_DOWN))
        except InvalidOperation:
            return False


def _latex(parts: Tokens) -> str:
    """Tokens as LaTeX that math-verify reads, with nothing to round; empty if it cannot read them."""
    out: list[str] = []
    for part in without_decimals(parts):
        if not part.isascii() and part != "°":
            return ""
        if part == "i" and r"\sum" not in parts:
            out += ["(", "I", ")"]  # math-verify ignores the exponent of a bare I
        else:
            out.append(_LATEX.get(part, part))
    latex = joined(tuple(out))
    return "" if _DERIVATIVE.search(latex) else latex
