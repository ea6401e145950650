"""Text of any characters on a terminal: width, cleaning, wrapping, padding."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.report.text import bar, can_draw, char_width, clean, left, right, width_of, wrap

#: characters of real names and of hostile ones
names = st.text(
    st.one_of(
        st.sampled_from("aZ9_-/ .注册会计师，（）Ａé́\u200b\u202e\u2028\x00\x07\x1b[31m\x9b\r\n\t🙂한ᅡ"),
        st.characters(),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("accountant", 10),
        ("注册会计师", 10),
        ("accountant 注册会计师", 21),
        ("ＡＢＣ", 6),
        ("（理科）", 8),
        ("ｱｲｳ", 3),
        ("é", 1),
        ("e\u0301", 1),
        ("–×·…█▏", 6),
        ("🙂", 2),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),  # the same syllable as one letter after the other
        ("a\u200bb\u2028", 2),
        ("\x00\x1b\x07\x9b", 0),
    ],
)
def test_width_in_columns(text: str, width: int) -> None:
    assert width_of(text) == width


@given(st.text(st.characters(categories=("Lo", "Ps", "Po"), min_codepoint=0x2E80, max_codepoint=0xFFEF)))
def test_chinese_text_has_the_width_of_the_unicode_database(text: str) -> None:
    wide = sum(unicodedata.east_asian_width(char) in ("W", "F") for char in text)
    assert width_of(text) == len(text) + wide


@given(names, names)
def test_the_width_of_two_texts_is_the_sum(one: str, other: str) -> None:
    assert width_of(one + other) == width_of(one) + width_of(other)


def test_a_character_has_width_0_1_or_2() -> None:
    assert {char_width(chr(code)) for code in range(0x30000)} == {0, 1, 2}


@given(names)
def test_clean_removes_control_characters(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    assert clean(shown) == shown
    # printable characters stay, in order
    assert shown.replace(" ", "") == "".join(c for c in text if c.isprintable() and c != " ")


@given(names)
def test_clean_for_an_ascii_terminal(text: str) -> None:
    shown = clean(text, unicode=False)
    assert shown.isascii() and shown.isprintable()
    assert len(shown) == width_of(shown)


def test_clean_truncates_with_an_ellipsis() -> None:
    assert clean("x" * 400) == "x" * 299 + "…"
    assert clean("abcdef", limit=4) == "abc…"
    assert clean("abcdef", limit=4, unicode=False) == "abc..."
    assert clean("会计", unicode=False) == r"\u4f1a\u8ba1"


def test_clean_keeps_the_printable_part_of_escape_sequences() -> None:
    assert clean("\x1b[31mred\x1b[0m\r\nnext\tcell\x07") == "[31mred [0m next cell"


@given(names, st.integers(8, 60), st.integers(0, 4))
def test_wrap_keeps_all_text_within_the_width(text: str, width: int, hang: int) -> None:
    text = clean(text)
    first, *rest = wrap(text, width, hang)
    assert width_of(first) <= width
    assert all(width_of(line) <= width - hang for line in rest)
    assert "".join([first, *rest]).replace(" ", "") == text.replace(" ", "")
    assert all(line == line.rstrip() for line in [first, *rest])
    assert all(line and not line.startswith(" ") for line in rest)


@pytest.mark.parametrize(
    ("text", "width", "hang", "lines"),
    [
        ("", 10, 0, [""]),
        ("short", 10, 0, ["short"]),
        ("mean over questions", 12, 2, ["mean over", "questions"]),
        ("ideological_and_moral", 14, 2, ["ideological_", "and_moral"]),
        ("internlm2_5-1_8b-chat", 16, 0, ["internlm2_5-1_", "8b-chat"]),
        ("raise it with --llm-max-tokens", 21, 2, ["raise it with", "--llm-max-tokens"]),
        ("in a/b-c or d_e", 6, 0, ["in", "a/b-c", "or d_e"]),
        ("注册会计师", 6, 0, ["注册会", "计师"]),
        ("a 注册会计师", 12, 2, ["a 注册会计师"]),
        ("a 注册会计师", 11, 2, ["a 注册会计", "师"]),
        ("ab 注册", 5, 0, ["ab", "注册"]),
        ("abcdefghijkl", 5, 0, ["abcde", "fghij", "kl"]),
    ],
)
def test_wrap_breaks_at_blanks_and_separators(text: str, width: int, hang: int, lines: list[str]) -> None:
    assert wrap(text, width, hang) == lines


@given(names, st.integers(0, 20))
def test_padding_fills_up_to_the_width(text: str, more: int) -> None:
    text = clean(text)
    width = width_of(text) + more
    assert left(text, width) == text + " " * more
    assert right(text, width) == " " * more + text
    assert width_of(left(text, width)) == width_of(right(text, width)) == width


def test_padding_counts_columns() -> None:
    assert left("会计", 6) + "|" == "会计  |"
    assert right("会计", 6) == "  会计"


@given(st.floats(0, 1), st.integers(1, 40), st.booleans())
def test_a_bar_is_as_long_as_its_share(share: float, width: int, unicode: bool) -> None:
    drawn = bar(share, width, unicode=unicode)
    assert len(drawn) == width_of(drawn) == width
    assert re.fullmatch(r"█*[▏▎▍▌▋▊▉]? *" if unicode else r"#* *", drawn)
    if unicode:
        eighths = 8 * drawn.count("█") + sum(" ▏▎▍▌▋▊▉".find(c) for c in drawn if c in "▏▎▍▌▋▊▉")
        assert abs(eighths - share * width * 8) <= 0.5
    else:
        assert abs(drawn.count("#") - share * width) <= 0.5


def test_bars_by_hand() -> None:
    assert bar(0, 4) == "    "
    assert bar(1, 4) == "████"
    assert bar(0.5, 3) == "█▌ "
    assert bar(0.5, 4, unicode=False) == "##  "


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-16", "gb18030"])
def test_what_can_draw(encoding: str) -> None:
    assert can_draw(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "no such encoding", "", None])
def test_what_cannot_draw(encoding: str | None) -> None:
    assert not can_draw(encoding)
