"""Mentions of a gold answer."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.metrics.containment import mentions


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("rome", "it is rome, not bern."),
        ("rome", "it is not bern. it is rome."),
        ("rome", "not only rome"),
        ("5", "5%"),
        ("5", "x=5."),
        ("5", "共5元"),
        ("-5", "it is -5."),
        ("1.5", "(1.5)"),
        ("巴黎", "法国的首都是巴黎市"),
        ("上海", "不是北京，而是上海"),
        ("парис", "это парис."),
        ("c++", "c++ is fast"),
    ],
)
def test_mentioned(gold: str, text: str) -> None:
    assert mentions(gold, text)


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("rome", "romeo"),
        ("rome", "it is not rome but bern."),
        ("rome", "it isn't rome"),
        ("rome", "rome is not the capital"),
        ("rome", "bern rather than rome"),
        ("北京", "不是北京，而是上海"),
        ("5", "3.5"),
        ("5", "-5"),
        ("5", "5.5"),
        ("5", "15"),
        ("5", "3/5"),
        ("5", "10:05"),
        ("-5", "3-5"),
        ("париж", "парижский"),
        ("ber", "über"),
        ("", "anything"),
    ],
)
def test_not_mentioned(gold: str, text: str) -> None:
    assert not mentions(gold, text)


def test_options() -> None:
    assert mentions("rome", "romeo", whole=False)
    assert mentions("rome", "not rome", denied=True)


@pytest.mark.parametrize("piece", ["5", "not 5 ", "5 ", "rome", "not rome "])
def test_long_hostile_texts(piece: str) -> None:
    assert not mentions("7", piece * 20_000)
    mentions(piece.strip(), piece * 20_000)
