"""The extractor ``choices``: all choices that a text calls right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract import EXTRACTORS, choices

CHOICES = {"A": "copper", "B": "glass", "C": "silver", "D": "wood"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("AC", "AC"),
        ("C, A", "AC"),
        ("A and C", "AC"),
        ('["A", "C"]', "AC"),
        ("A\nC", "AC"),
        ("The answer is A.", "A"),
        ("The answers are (A) and (C).", "AC"),
        ("Copper conducts, so A fits. Glass does not. The correct answers are A, C.", "AC"),
        ("\\boxed{A, C}", "AC"),
        ("\\boxed{A} and \\boxed{C}", "AC"),
        ("答案：A、C", "AC"),
        ("【解析】B不导电，排除。【答案】 AC", "AC"),
        ("所以正确的选项是A和C。", "AC"),
        ("A) copper: correct\nB) glass: wrong\nC) silver: correct\nD) wood: wrong", "AC"),
        ("First I thought the answer is ABC. No, wait, glass does not conduct: the answer is AC.", "AC"),
        ("<think>The answer is D.</think>AC", "AC"),
        ("I do not know.", None),
        ("None of them conducts.", None),
        ("", None),
    ],
)
def test_texts(text: str, answer: str | None) -> None:
    assert choices(text, CHOICES) == answer


ALLOYS = {"A": "Heat it", "B": "Cool it", "C": "Add zinc", "D": "Remove slag", "E": "Stir"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # lists
        ("Answer: A; C", "AC"),
        ("答案：A.C.D", "ACD"),
        ("【答案】A D", "AD"),
        ("Answer: b, c", "BC"),
        ("My choices: A, D", "AD"),
        ("The correct choices are options B, C, and E", "BCE"),
        ("The correct options are A, C, D. B is wrong.", "ACD"),
        ("$\\boxed{A}$, $\\boxed{C}$", "AC"),
        ("\\boxed{B \\text{ and } C}", "BC"),
        ("Answers: B, C, E.", "BCE"),
        ('{"answers": ["B", "C"]}', "BC"),
        ('{"why": "A is wrong", "selected_options": ["B", "C"]}', "BC"),
        # lists with the texts of the choices
        ("The correct choices are B) Cool it and D) Remove slag.", "BD"),
        ("Correct: A. Heat it, C. Add zinc", "AC"),
        ("The correct answers are:\nA. Heat it\nC. Add zinc", "AC"),
        ("The correct answers are:\n\n- **B**\n- **D**", "BD"),
        ("A. Heat it\nC. Add zinc", "AC"),
        ("The correct answers are Heat it and Stir.", "AE"),
        # each choice in turn
        ("A. ✓\nB. ✗\nC. ✓\nD. ✗\nE. ✗", "AC"),
        ("✅ A. Heat it\n❌ B. Cool it\n✅ C. Add zinc", "AC"),
        ("[x] A\n[ ] B\n[x] C", "AC"),
        ("A: True\nB: False\nC: True", "AC"),
        ('{"A": true, "B": false, "C": true}', "AC"),
        ("A：正确。B：错误。C：正确。D：错误。", "AC"),
        ("A seems right. But wait, A is wrong. C is correct. D is correct.", "CD"),
        # Chinese and other languages
        ("正确的有：A、C、D。", "ACD"),
        ("A、D两项正确", "AD"),
        ("B项和C项均符合题意", "BC"),
        ("Antwort: A, C und D", "ACD"),
        ("Las respuestas correctas son A y C.", "AC"),
        ("正解はAとCです。", "AC"),
        # alternatives, and letters that are no choices
        ("A or B", None),
        ("The answer is A or C.", None),
        ("\\boxed{A} or \\boxed{C}", None),
        ("The answers could be A, B or D.", None),
        ("The answers are A and F.", None),
        ("Heat it; Stir", None),
        # the last statement decides
        ("Answer: A, B\nActually, the answer is B, D", "BD"),
        ("Answer: B, D\n\nExplanation: A is wrong. C is wrong.", "BD"),
        ("A is correct. B is wrong. Therefore choose A and C.", "AC"),
    ],
)
def test_forms_of_sets(text: str, answer: str | None) -> None:
    assert choices(text, ALLOYS) == answer


def test_a_list_of_all_choices_is_the_question() -> None:
    listed = "\n".join(f"{label}. {text}" for label, text in ALLOYS.items())
    assert choices(listed, ALLOYS) is None
    assert choices(f"Which are the answers?\n{listed}", ALLOYS) is None


def test_a_text_cut_off_needs_a_statement() -> None:
    cut_off = EXTRACTORS["explicit_choices"]
    assert cut_off("A conducts, so A and C seem to be", CHOICES) is None
    assert cut_off("The answers are A and C. This is because", CHOICES) == "AC"


@given(st.text(max_size=300))
def test_the_answer_is_a_set_of_labels(text: str) -> None:
    answer = choices(text, CHOICES)
    assert answer is None or (answer and set(answer) <= set(CHOICES) and list(answer) == sorted(answer))
