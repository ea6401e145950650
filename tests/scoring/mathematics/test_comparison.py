"""Equal and different mathematical answers; none of the inputs is from a benchmark."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.extract.formula import boxed
from pytest_llmeval.scoring.mathematics.comparison import compare
from pytest_llmeval.scoring.mathematics.exact import value
from pytest_llmeval.scoring.mathematics.formulas import readings
from pytest_llmeval.scoring.mathematics.latex import joined, tokens
from pytest_llmeval.scoring.mathematics.prover import Proof
from pytest_llmeval.scoring.metrics import METRICS

#: answers that are equal without math-verify
PLAIN = [
    (r"\frac{5}{7}", r"\dfrac57"),
    (r"\frac{5}{7}", "5/7"),
    (r"\frac 57", "$5/7$"),
    (r"-\frac{5}{7}", r"\frac{-5}{7}"),
    ("3.75", r"\frac{15}{4}"),
    ("3.75", r"3\frac34"),
    ("3.75", "3 3/4"),
    (r"7\frac{2}{9}", r"\frac{65}{9}"),
    ("12,500", "12500"),
    (r"12{,}500", r"12,\!500"),
    ("12500", "12 500"),
    ("12500", r"1.25 \times 10^4"),
    ("4.2e-5", r"4.2\cdot10^{-5}"),
    (r"0.1\overline{6}", r"\frac16"),
    ("1/3", "0.333333"),
    ("2/3", "0.666667"),
    ("2/3", "0.666666"),
    (r"35\%", "35"),
    (r"35\%", "0.35"),
    ("35", r"35\%"),
    (r"\$9.50", "9.5"),
    (r"72^\circ", "72"),
    (r"72^{\circ}", "72 degrees"),
    (r"18\text{ cm}^2", "18"),
    (r"18\text{ cm}^2", r"18\,\mathrm{cm}^{2}"),
    ("18", "18 m"),
    (r"18\text{ m}", "18 m"),
    (r"18\text{ m}", r"18 \text{ meters}"),
    ("15 minutes", "15 min"),
    ("15 apples", "15"),
    ("2^{10}", "1024"),
    ("6!", "720"),
    (r"\binom{6}{2}", "15"),
    ("(3,4]", r"\left( 3, 4 \right]"),
    ("(3,4]", "(3, 4]"),
    (r"(0.5,\infty)", r"\left(\frac12,+\infty\right)"),
    (r"[2,\infty)", r"x \ge 2"),
    (r"[2,\infty)", r"2 \leq x"),
    (r"(-1,4]", r"-1 < t \leqslant 4"),
    (r"(-1,4]", r"\{x \mid -1 < x \le 4\}"),
    (r"(-1,4]", r"x \in (-1, 4]"),
    (r"(-\infty,1)\cup(3,4)", r"(3,4) \cup (-\infty, 1)"),
    (r"\{1,5,7\}", r"\{7, 1, 5\}"),
    ("1,5,7", "7, 1 and 5"),
    (r"\{1,5\}", "1, 5"),
    (r"4 \text{ or } 9", "9, 4"),
    (r"\pm 6", "6, -6"),
    (r"\pm 6", r"6 \text{ and } -6"),
    ("8;11", "8; 11"),
    (r"\begin{pmatrix} 1/2 \\ 3 \end{pmatrix}", r"\begin{bmatrix} 0.5 \\ 3 \end{bmatrix}"),
    (r"\text{Wednesday}", "wednesday"),
    (r"\text{(C)}", "C"),
    (r"\text{an odd function}", "an odd function"),
    ("x = 11", "11"),
    ("11", "x=11"),
    ("11", "x = 5 + 6 = 11"),
    (r"y = 3x - 7", "3x-7"),
    ("5:2", "5 : 2"),
    (r"6:45 \text{ p.m.}", "6:45 PM"),
    (r"6:45 \text{ p.m.}", "6:45"),
    (r"321_5", "321_{5}"),
    (r"321_5", "321"),
    ("108,135,189", "108, 135, 189"),
    ("½", "0.5"),
    ("x²", "x^2"),
    ("2√3", r"2\sqrt{3}"),
    (r"\sqrt3", "sqrt(3)"),
    (r"\boxed{13}", "13"),
]
#: answers that only math-verify knows to be equal
PROVED = [
    (r"\frac{4}{\sqrt{2}}", r"2\sqrt{2}"),
    (r"3+\sqrt{5}", r"\sqrt 5 + 3"),
    (r"\frac{\sqrt{3}+1}{2}", r"\frac12 + \frac{\sqrt3}{2}"),
    (r"2\pi", "6.283185"),
    (r"\sqrt{2}", "1.41421356"),
    (r"\frac{3\pi}{4}", r"0.75\pi"),
    (r"(x+3)^2", "x^2+6x+9"),
    (r"x(x-1)", r"x^2 - x"),
    ("0.5x+1", r"\frac{x}{2}+1"),
    ("2+3i", "3i+2"),
    ("i^3", "-i"),
    ("e^{2t}e^{t}", "e^{3t}"),
    (r"2\sin x\cos x", r"2\cos{x}\sin{x}"),
    ("2x+y=4", "4x+2y=8"),
    (r"c^2(\gamma^2-1)", r"c^2\gamma^2 - c^2"),
    (r"\frac{dx}{dt} = ax - b", r"\frac{dx}{dt} = -b + ax"),
    ("ab+c", "c+ba"),
    (r"[5, 2\sqrt{6}]", r"[5, \sqrt{24}]"),
    (r"\log_2 8", "3"),
    (r"\cos 60^\circ", r"\frac12"),
    ("(1, \\frac{2}{\\sqrt2})", r"(1,\sqrt{2})"),
]
DIFFERENT = [
    ("(3,4]", "[3,4)"),
    ("(3,4]", "[3,4]"),
    ("(3,4]", "(3,4)"),
    ("(3,4)", r"\{3,4\}"),
    (r"\sqrt{51}", "51"),
    (r"\sqrt{3}", "sqrt(2)"),
    (r"\frac{5}{7}", r"\frac{7}{5}"),
    (r"\frac{5}{7}", "57"),
    (r"\frac13", "0.33"),
    (r"\frac13", "0.333334"),
    ("10000001", "10000000.0"),
    ("98.5", "99"),
    ("1e-7", "2e-7"),
    (r"\pi", "3.14"),
    (r"7\frac{2}{9}", r"\frac{14}{9}"),
    ("-4", "4"),
    (r"\pm 4", "4"),
    ("1, 2", "1, 3"),
    ("1, 2", "1, 2, 3"),
    ("(2, 1)", "(1, 2)"),
    ("8;11", "11;8"),
    ("0.25", "25"),
    ("18 m", "18 cm"),
    (r"18\text{ cm}^2", r"18\text{ cm}^3"),
    ("4t", "4"),
    ("2 m", "2"),
    ("3 ab", "3"),
    ("3abcd", "3"),
    ("5 t + 1", "5"),
    ("x+1", "y+1"),
    ("x^2", "x^3"),
    ("x", "-x"),
    ("i", "-i"),
    ("y = 3x - 7", "y = -3x - 7"),
    ("y = 3x - 7", "-y = 3x - 7"),
    (r"c^2(\gamma^2-1)", r"c^2(\gamma^2-2)"),
    (r"\Gamma(-1)x", r"\Gamma(-2)x"),
    (r"\frac{x}{0}", r"\frac{2x}{0}"),
    (r"\frac{dx}{dt} = ax - b", r"-\frac{dx}{dt} = ax - b"),
    ("x = 3", "y = 3"),
    (r"[2,\infty)", "x > 2"),
    (r"[2,\infty)", r"x \le 2"),
    (r"(-\infty,1)\cup(3,4)", r"(-\infty,1)\cap(3,4)"),
    (r"\begin{pmatrix} 1 \\ 3 \end{pmatrix}", r"\begin{pmatrix} 3 \\ 1 \end{pmatrix}"),
    (r"\begin{pmatrix} 1 & 3 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 3 \end{pmatrix}"),
    (r"\text{even}", r"\text{odd}"),
    (r"\text{Wednesday}", "3"),
    ("321_5", "321_6"),
    ("321_5", "86"),
    ("5:2", "2:5"),
    (r"6:45 \text{ p.m.}", r"6:45 \text{ a.m.}"),
    ("2^{10}", "210"),
    ("3,250", "3, 251"),
    ("1,2", "12"),
    (r"\infty", r"-\infty"),
    (r"\emptyset", "0"),
    (r"72^\circ", "27"),
    ("A", "B"),
    (r"\text{(C)}", "D"),
    ("13", ""),
    ("13", "$"),
]


def no_proof(gold: str, answer: str) -> Proof:
    raise AssertionError(f"{gold} and {answer} must not need math-verify")


@pytest.mark.parametrize(("gold", "answer"), PLAIN)
def test_equal_without_math_verify(gold: str, answer: str) -> None:
    assert compare(boxed(gold) or gold, answer, no_proof).equal


@pytest.fixture(scope="module")
def score() -> object:
    pytest.importorskip("math_verify")
    metric = METRICS["math"].make({}, "here")
    return lambda gold, answer: metric(answer, Question("b", "s", "0", {}, {}, gold))


@pytest.mark.parametrize(("gold", "answer"), PROVED)
def test_equal(score, gold: str, answer: str) -> None:  # type: ignore[no-untyped-def]
    assert score(gold, answer) == 1
    assert score(answer, gold) == 1


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_different(score, gold: str, answer: str) -> None:  # type: ignore[no-untyped-def]
    assert score(gold, answer) == 0


@pytest.mark.parametrize(
    "gold", [gold for pair in (*PLAIN, *PROVED, *DIFFERENT) for gold in pair if gold.strip("$")]
)
def test_everything_equals_itself_in_another_spelling(gold: str) -> None:
    spelled = gold.replace(r"\frac", r"\dfrac") if r"\boxed" not in gold else gold
    assert compare(gold, f" ${spelled}$.", no_proof).equal


_PIECES = (
    r"\frac",
    r"\sqrt",
    r"\text{",
    r"\begin{pmatrix}",
    r"\end{pmatrix}",
    r"\{",
    r"\pm",
    r"\cup",
    "cm",
    "or",
)


def _formulas() -> st.SearchStrategy[str]:
    atoms = st.one_of(
        st.integers(-99, 99).map(str), st.sampled_from(["x", r"\pi", "0.5", r"\text{cm}", r"\infty"])
    )
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: rf"\frac{{{pair[0]}}}{{{pair[1]}}}"),
            st.tuples(inner, st.sampled_from("+-,;=/^_"), inner).map("".join),
            inner.map(lambda text: rf"\sqrt{{{text}}}"),
            inner.map(lambda text: f"({text})"),
            inner.map(lambda text: rf"\left[{text}\right)"),
        ),
        max_leaves=12,
    )


@settings(max_examples=200, deadline=None)
@given(_formulas())
def test_one_spelling_is_stable(formula: str) -> None:
    parts = tokens(formula)
    if parts is not None:
        assert tokens(joined(parts)) == parts


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*"01x{}()[]\\,.;:^_-+/$%&=<>| \n", *_PIECES])).map("".join))
def test_any_text_is_read_without_an_error(text: str) -> None:
    if readings(text):
        assert compare(text, text, no_proof).equal


@given(st.fractions(max_denominator=10**6))
def test_fractions_have_their_exact_value(number) -> None:  # type: ignore[no-untyped-def]
    text = rf"-\frac{{{-number.numerator}}}{{{number.denominator}}}" if number < 0 else str(number)
    parts = tokens(text)
    assert parts is not None
    assert value(parts) == number


DATA = Path(os.environ.get("LLMEVAL_TEST_DATA", "/work/shared/data")) / "math"


@pytest.mark.skipif(not DATA.is_dir(), reason="needs LLMEVAL_TEST_DATA with the folder math")
def test_every_gold_of_public_sets_equals_itself() -> None:
    count = 0
    for path in sorted(DATA.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            for gold in [row.get("answer") or row.get("final_answer") or boxed(row.get("solution") or "")]:
                for text in gold if isinstance(gold, list) else [gold]:
                    if text not in (None, ""):
                        count += 1
                        assert compare(str(text), f"${text}$", no_proof).equal or "$" in str(text)
                        assert compare(str(text), str(text), no_proof).equal
    assert count > 3000
