"""Strictly and loosely followed instructions."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.instructions import INSTRUCTIONS
from pytest_llmeval.scoring.instructions.following import Followed, follow, variants
from pytest_llmeval.scoring.instructions.instruction import parse
from pytest_llmeval.scoring.instructions.linguistics import LibraryLinguistics

CHECKS = parse(
    ["punctuation:no_comma", "startend:quotation"],
    [{}, {}],
    INSTRUCTIONS,
)


@pytest.mark.parametrize(
    ("text", "strict", "loose"),
    [
        ('"So it is."', (True, True), (True, True)),
        ('Sure, here it is:\n"So it is."', (False, False), (True, True)),
        ('**"So it is."**\n\nAnything else, dear?', (False, False), (True, True)),
        ('Sure\n"So, then."', (False, False), (True, True)),  # without its last line: no comma is left
        ("So, then", (False, False), (False, False)),
        ("", (False, False), (False, False)),
    ],
)
def test_strict_and_loose(text: str, strict: tuple[bool, ...], loose: tuple[bool, ...]) -> None:
    assert follow(text, CHECKS, LibraryLinguistics()) == Followed(strict, loose)


def test_the_eight_variants() -> None:
    assert variants(" *a*\n\nb\n c ") == (
        " *a*\n\nb\n c ",
        "b\n c",
        "*a*\n\nb",
        "b",
        " a\n\nb\n c ",
        "b\n c",
        "a\n\nb",
        "b",
    )
    assert set(variants("one *line*")) == {"one *line*", "one line", ""}
