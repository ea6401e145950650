"""Reasoning before the answer: formulas, parts of a question, restated choices, other questions."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_llmeval.scoring.extract import choice

LABELS = "ABCDEFGHIJ"
NEWTONS = {label: f"{2 * number + 2} N" for number, label in enumerate(LABELS)}
NUMBERS = dict(zip(LABELS, ["−4", "−10", "12", "−7", "4", "0", "1", "−1", "−12", "7"], strict=True))
TEETH = dict(
    zip(
        LABELS,
        [
            *("Plaque", "Gingivitis", "Caries", "Enamel hypoplasia", "Fluorosis"),
            *("Erosion", "Attrition", "Abrasion", "Decay", "Stain"),
        ],
        strict=True,
    )
)
CASES = [
    ("Let P(A) = 0.3 and P(B) = 0.5. Then P(A and B) = 0.15. The answer is (G).", NEWTONS, "G"),
    ("Let A be the event. So A has probability 0.5. The answer is (C).", NEWTONS, "C"),
    ("Hence, $A^2 = B$ and thus $C = 2A$. The answer is (D).", NEWTONS, "D"),
    ("Thus we get G = mMr^{-2}. Therefore the answer is (B).", NEWTONS, "B"),
    ("The matrix A has rank 2. So B must be invertible. Hence C = AB.", NEWTONS, None),
    ("By Theorem B, therefore D = 4. The answer is (H)", NEWTONS, "H"),
    ("(a) The mass is 2 kg. (b) The force is 4 N. (c) So the work is 8 J. The answer is (E).", NEWTONS, "E"),
    ("(I) is true. (II) is false. (III) is true. So I and III hold. The answer is (F).", NEWTONS, "F"),
    ("Statement I is true and statement II is false. Therefore, I only. The answer is (C).", NEWTONS, "C"),
    ("I think that the force is 8 N. The answer is (D).", NEWTONS, "D"),
    ("So the sum is -4 + 3 = -1. The answer is (H).", NUMBERS, "H"),
    ("We have 12 - 5 = 7. The answer is (J).", NUMBERS, "J"),
    ("Therefore -4 is too small. The answer is (D).", NUMBERS, "D"),
    ("The answer is -7.", NUMBERS, "D"),
    ("The answer is 7.", NUMBERS, "J"),
    ("Plaque leads to caries, and caries to decay. The answer is (C).", TEETH, "C"),
    ("Erosion is caused by acid. Attrition is caused by teeth. So the answer is (G).", TEETH, "G"),
    (
        "(A) Plaque is soft. (B) Gingivitis is an inflammation. (C) Caries is a hole. The answer is (E).",
        TEETH,
        "E",
    ),
    ("(A) Plaque is soft. (B) Gingivitis is an inflammation. (C) Caries is a hole. (D) Ename", TEETH, None),
    (
        "Wikipedia. The answer is (F).\n\nQuestion: What?\nOptions: (A) x (B) y\nThe answer is (A).",
        TEETH,
        "F",
    ),
    ("The answer is (F).\n\nQ: next one?\nA: The answer is (B).", TEETH, "F"),
    (
        "1. The answer is (B).\n2. The answer is (C).\nThe last question: acids erode. The answer is (F).",
        TEETH,
        "F",
    ),
    ("Answers: 1. B 2. C 3. D. For this question, the answer is (F).", TEETH, "F"),
    ("The force on B is 4 N, which is half of that on A. So F = 8 N. The answer is (D).", NEWTONS, "D"),
    ("Since I = V/R, I = 2 A. The answer is (A).", NEWTONS, "A"),
    ("The current I is 4. Therefore I is 4 A", NEWTONS, None),
    ("So we have $f(x) = Ax + B$ with A = 2 and B = 3, hence f(1) = 5. The answer is (J).", NEWTONS, "J"),
    ("Vitamin D is needed; vitamin C is not. The answer is (I).", TEETH, "I"),
    ("hepatitis B is common, so hepatitis B it is. The answer is (J).", TEETH, "J"),
    ("The grade is A. He got an A. The answer is (B).", TEETH, "B"),
    ("Group A had more than group B. Hence group A won. The answer is (H).", TEETH, "H"),
    ("Company A earns more. So A is better than B", TEETH, None),
    ("In case A, x = 1; in case B, x = 2; so the answer is (C) or (D).", TEETH, None),
    ("The answer is (F) because it is acid, not (G).", TEETH, "F"),
    ("The answer is (A)(B)(C).", TEETH, None),
    ("the answer is: (C) 12, since -4 + 16 = 12", NUMBERS, "C"),
    ("The answer is (C). The answer is (C).", TEETH, "C"),
    ("\\[ \\boxed{-7} \\]", NUMBERS, "D"),
    ("\\boxed{D}", NUMBERS, "D"),
    ("\\boxed{(D) -7}", NUMBERS, "D"),
    ("Answer: (D) −7", NUMBERS, "D"),
    ("$$\\boxed{12}$$ so the answer is C.", NUMBERS, "C"),
    ("Final Answer: The final answer is $\\boxed{G}$", NUMBERS, "G"),
    ("The correct answer is option (I) 7? No: the correct answer is (J) 7.", NUMBERS, "J"),
    ("Therefore, the answer is $\\boxed{\\text{H}}$. I hope this helps!", NUMBERS, "H"),
    ("I. The answer is (I).", TEETH, "I"),
]


@pytest.mark.parametrize(("text", "choices", "label"), CASES)
def test_reasoned(text: str, choices: Mapping[str, str], label: str | None) -> None:
    assert choice(text, choices) == label
