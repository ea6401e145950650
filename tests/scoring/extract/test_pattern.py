"""A benchmark's own pattern in front of an extractor."""

from __future__ import annotations

import re

import pytest

from pytest_llmeval.scoring.extract import EXTRACTORS
from pytest_llmeval.scoring.extract.pattern import with_pattern

CHOICES = {"A": "red", "B": "blue"}


@pytest.mark.parametrize(
    ("name", "pattern", "match", "text", "answer"),
    [
        ("text", r"final: (\w+)", "last", "final: one, final: two", "two"),
        ("text", r"final: (\w+)", "first", "final: one, final: two", "one"),
        ("text", r"final: \w+", "last", "final: one", "final: one"),
        ("text", r"final: (\w+)", "last", "none here", None),
        ("choice", r"\[\[(.)\]\]", "last", "[[A]] or rather [[B]]", "B"),
        ("choice", r"\[\[(.)\]\]", "last", "The answer is A. [[?]]", None),
        ("number", r"total=(.*)$", "last", "7 and 8, total=1,200", "1200"),
        ("text", r"a(b)?", "last", "a", None),
    ],
)
def test_reads_what_the_pattern_finds(
    name: str, pattern: str, match: str, text: str, answer: str | None
) -> None:
    assert with_pattern(EXTRACTORS[name], re.compile(pattern), match)(text, CHOICES) == answer
