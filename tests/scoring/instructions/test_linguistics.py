"""Sentences, tokens and languages, with the libraries where they are installed and without."""

from __future__ import annotations

import importlib.util
import random
from typing import Any

import pytest

from pytest_llmeval.scoring.instructions import linguistics
from pytest_llmeval.scoring.instructions.linguistics import (
    PUNKT,
    RULES,
    LibraryLinguistics,
    missing,
    rule_sentences,
)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It is. Is it? It is! ", ["It is.", "Is it?", "It is!"]),
        ("Dr. Smith saw J. R. Jones at 5 p.m. today.", ["Dr. Smith saw J. R. Jones at 5 p.m. today."]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("It costs 3.50 dollars at example.org today", ["It costs 3.50 dollars at example.org today"]),
        ("See No. 5 and Fig. 2. Yes.", ["See No. 5 and Fig. 2.", "Yes."]),
        ("Wait... What?", ["Wait...", "What?"]),
        ("so am I. And you", ["so am I.", "And you"]),
        ("一句话。两句话。", ["一句话。两句话。"]),
        (" \n", []),
    ],
)
def test_sentences_by_rules(text: str, sentences: list[str]) -> None:
    assert rule_sentences(text) == sentences


def test_tokens() -> None:
    pytest.importorskip("nltk")
    tokens = LibraryLinguistics(RULES).tokens("IT'S A DOG. I SAW THE U.S. ARMY.")
    assert tokens == ["IT", "'S", "A", "DOG", ".", "I", "SAW", "THE", "U.S.", "ARMY", "."]


def test_languages_do_not_depend_on_chance() -> None:
    detector = pytest.importorskip("langdetect")
    language = LibraryLinguistics().language
    assert language("Der Hund schläft im Garten, und es regnet.") == "de"
    assert language("北京是中国的首都。") in ("zh-cn", "zh-tw", "ko")
    assert language("123 ...") is None
    mixed = "the der le la el il"
    first = language(mixed)
    random.seed(99)
    assert {language(mixed) for _ in range(20)} == {first}
    assert detector.DetectorFactory.seed is None  # that of the user's program stays as it is


ALL = ("sentences", "tokens", "language")


def test_what_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        install = 'pip install "pytest-llmeval-harness[ifeval]"'
        assert missing(ALL, PUNKT) == f"needs langdetect and nltk: {install}"
        assert missing(["sentences"], PUNKT) == f"needs nltk: {install}"
        assert missing(["language"], PUNKT) == f"needs langdetect: {install}"
        assert missing(["sentences"], RULES) is None
        assert missing([], PUNKT) is None

    def no_data() -> Any:
        raise LookupError

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(linguistics, "_punkt", no_data)
    assert "python -m nltk.downloader punkt_tab" in (missing(["tokens"], PUNKT) or "")
    assert missing(ALL, RULES) is None
    assert missing(["language"], PUNKT) is None
