"""Answers stated in many languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract import choice
from pytest_llmeval.scoring.extract.answer_table import LANGUAGES
from pytest_llmeval.scoring.extract.languages import OWN_MARKERS, with_latin_labels

CHOICES = {"A": "7 km", "B": "9 km", "C": "11 km", "D": "13 km"}


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code not in OWN_MARKERS])
def test_a_noun_and_a_colon(code: str) -> None:
    for noun in LANGUAGES[code].answer.split("|"):
        for text in (f"{noun}: C", f"{noun.capitalize()} : **C**", f"... \n\n{noun}: (C)."):
            assert choice(text, CHOICES) == "C", text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Die richtige Antwort ist Option D.", "D"),
        ("Also lautet die Antwort B.", "B"),
        ("A ist falsch. Richtig ist C.", "C"),
        ("La réponse correcte est donc la C.", "C"),
        ("C'est la proposition D.", "D"),
        ("La alternativa correcta es la letra A.", "A"),
        ("A alternativa correta é a B.", "B"),
        ("La risposta esatta è la lettera D.", "D"),
        ("Het juiste antwoord is B.", "B"),
        ("Rätt svar är C.", "C"),
        ("Prawidłowa odpowiedź to D.", "D"),
        ("Správná odpověď je B.", "B"),
        ("A válasz: D", "D"),
        ("Doğru cevap C seçeneğidir.", "C"),
        ("Jadi, jawaban yang benar adalah D.", "D"),
        ("Vậy đáp án là A.", "A"),
        ("Правильный ответ — В.", "B"),
        ("Відповідь: D", "D"),
        ("Η σωστή απάντηση είναι Β.", "B"),
        ("الجواب هو ب", "B"),
        ("الإجابة: ج", "C"),
        ("پاسخ صحیح گزینه D است.", "D"),
        ("התשובה הנכונה היא C.", "C"),
        ("सही उत्तर: A", "A"),
        ("সঠিক উত্তর: ব", "B"),
        ("คำตอบคือ ค", "C"),
        ("คำตอบที่ถูกต้องคือ D", "D"),
        ("正解は選択肢Bです。", "B"),
        ("よって答えはDである。", "D"),
        ("따라서 정답은 A입니다.", "A"),
    ],
)
def test_sentences(text: str, label: str) -> None:
    assert choice(text, CHOICES) == label


@pytest.mark.parametrize(
    "text",
    [
        "Je ne sais pas.",
        "A distância é grande.",
        "A távolság nagy.",
        "La réponse A ou B, selon le cas.",
        "Ответ неизвестен.",
        "Соль А растворяется в воде",
        "答えはわかりません。",
    ],
)
def test_no_answer_is_made_up(text: str) -> None:
    assert choice(text, CHOICES) is None


@given(st.text(max_size=200))
def test_only_stated_letters_are_replaced(text: str) -> None:
    replaced = with_latin_labels(text)
    assert len(replaced) == len(text)
    assert replaced == text or not text.isascii()
