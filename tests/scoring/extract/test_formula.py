"""The extractor ``math``; none of the inputs is from a benchmark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract.formula import formula


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"So we get $\boxed{\frac{5}{7}}$.", r"\frac{5}{7}"),
        (r"First \boxed{3}. No, wait: it is \boxed{8}.", "8"),
        (r"\boxed{(3,4]}", "(3,4]"),
        (r"\boxed{\text{Grace}}", r"\text{Grace}"),
        (r"\boxed{x = \sqrt{\frac{a}{b}}} is what we want, with 12 steps.", r"x = \sqrt{\frac{a}{b}}"),
        (r"\fbox{15}, not 51", "15"),
        (r"\boxed 9", "9"),
        (r"Hence $\boxed{2}$ and $\boxed{-2}$.", "2, -2"),
        (r"\[x = \boxed{2} \text{ or } x = \boxed{7}\]", "2, 7"),
        (r"Part 1: \boxed{2}. The second part is longer: \boxed{7}", "7"),
        (r"\boxed{\boxed{6}}", "6"),
        (r"Put the answer in \boxed{}. The answer is 7.", "7"),
        (r"It is \boxed{12}, since \boxed{", "12"),
        (r"The answer is $\frac{3}{8}$.", r"\frac{3}{8}"),
        ("The final answer is: $(-\\infty, 2]$. I hope it is correct.", r"(-\infty, 2]"),
        ("**Answer:** 42", "42"),
        ("Answer: \\(x^2+1\\)", "x^2+1"),
        ("The answer is $4$ or $9$.", "4, 9"),
        ("The answer is 18 apples because 9 + 9 = 18.", "18 apples"),
        ("Answer: 5. Later: the answer is 6.", "6"),
        ("#### 3,250", "3,250"),
        ("答案是$\\sqrt{7}$。", r"\sqrt{7}"),
        ("答案：12", "12"),
        ("Die Antwort lautet 17.", "17"),
        ("La réponse est $\\pi$.", r"\pi"),
        ("정답: 8", "8"),
        ("答えは12です", "12です"),
        ("x^2+3x+2", "x^2+3x+2"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        ("$(3,4]$", "(3,4]"),
        ("Grace", "Grace"),
        ("We add them up: $3+4=7$. Then $x = 7$, as was to be shown.", "x = 7"),
        ("Adding 3 and 4 gives 7 in total.", "7"),
        ("", None),
        ("I do not know.", None),
        ("Sorry, I cannot solve problem 12.", None),
        ("The answer is not known.", None),
        ("Let us think about what this means for triangles", None),
    ],
)
def test_reads_the_last_explicit_answer(text: str, expected: str | None) -> None:
    assert formula(text) == expected


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    answer = formula(text)
    assert answer is None or answer
