"""Text of models and servers on terminals and in CI logs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import RequestFailed, UserError, one_line
from pytest_llmeval.core.hostile_text import cut, escaped, safe, without_commands

COMMANDS = [
    "::add-mask::x",
    "  ::error::x",
    "##[error]x",
    "said ##vso[task.setvariable variable=a]b",
    "##teamcity[blockOpened name='x']",
    "section_start:1:x",
    "+++ x",
    "--- x",
    "~~~ x",
    "^^^ +++",
    "travis_fold:start:x",
]


@pytest.mark.parametrize("line", COMMANDS)
def test_no_line_is_a_command(line: str) -> None:
    shown = without_commands(f"one\n{line}\n{line}")
    for each in shown.split("\n")[1:]:
        assert "\\" in each and each.replace("\\", "") == line
    assert without_commands(shown) == shown


@given(st.text())
def test_nothing_hidden_is_left(text: str) -> None:
    shown = escaped(text)
    assert all(c.isprintable() or c in "\n\t\u200c\u200d" or c.isspace() or ord(c) > 0x7F for c in shown)
    assert not set(shown) & set("\x1b\x07\x08\r\x9b\u202e\u2066\u200b\ufeff\u2028\x85")
    assert escaped(shown) == shown


def test_escapes_are_legible() -> None:
    assert escaped("\x1b[31m\u202ered\x9b") == r"\x1b[31m\u202ered\x9b"
    assert escaped("a\r\nb\rc\td") == "a\nb\\rc\td"
    assert escaped("👩‍💻 नमस्ते می‌خواهم") == "👩‍💻 नमस्ते می‌خواهم"


def test_long_texts_are_cut_with_their_length() -> None:
    shown = safe("x" * 1_000_000)
    assert len(shown) < 5000 and shown.endswith("\n… (cut: 1,000,000 characters)")
    assert safe("short") == "short"


def test_errors_are_safe_to_print() -> None:
    for kind in (UserError, RequestFailed):
        assert str(kind("::add-mask::x\x1b]0;t\x07")) == r"\::add-mask::x\x1b]0;t\x07"


def test_no_emoji_is_cut_in_two() -> None:
    family = "👩‍👩‍👧"
    assert one_line(f"{family} and more", 12) == f"{family} and m…"
    assert cut("ab" + family, 4) == "ab"
    assert cut("e\u0301e\u0301", 3) == "e\u0301"
    assert cut("👍🏽👍🏽", 3) == "👍🏽"
