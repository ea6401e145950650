"""Extractors of choices: labelled outputs, the rules of OpenCompass, and properties."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract import choice, first_capital, first_option, split_reasoning
from tests.support.paths import DATA

EXTRACTORS = {"choice": choice, "first_capital": first_capital, "first_option": first_option}
TABLE: dict[str, Any] = tomllib.loads((DATA / "choice_outputs.toml").read_text(encoding="utf-8"))
OUTPUTS: list[dict[str, Any]] = TABLE["output"]
CHOICES: dict[str, str] = TABLE["choices"]


def naive(text: str) -> str:
    """The naive rule: the first capital letter among A to D."""
    match = re.search("[A-D]", text)
    return match[0] if match else ""


def masked(text: str) -> str:
    """The form of a text, ignoring which letters and digits and how many blanks it has."""
    text = re.sub(r"[A-Za-zＡ-Ｚ]+", "a", re.sub(r"\d+", "0", text))
    return re.sub(r"\s+", " ", text).strip()


# --- the table --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", OUTPUTS, ids=[f"output-{number}" for number in range(len(OUTPUTS))])
def test_table(row: dict[str, Any]) -> None:
    assert (choice(row["text"], row.get("choices", CHOICES)) or "") == row["answer"]


def test_the_table_is_wide() -> None:
    answers = [row["answer"] for row in OUTPUTS]
    assert len(OUTPUTS) >= 400
    assert len({masked(row["text"]) for row in OUTPUTS}) >= 350
    assert len({(row["text"], str(row.get("choices"))) for row in OUTPUTS}) == len(OUTPUTS)
    assert answers.count("") >= 80
    assert all(answers.count(letter) >= 60 for letter in "ABCD")


def test_the_answers_are_choices() -> None:
    assert all(row["answer"] in {"", *row.get("choices", CHOICES)} for row in OUTPUTS)


def test_the_naive_rule_misreads_many() -> None:
    assert [row["naive"] for row in OUTPUTS] == [naive(row["text"]) for row in OUTPUTS]
    wrong = [row for row in OUTPUTS if row["naive"] != row["answer"]]
    # both kinds of error: the wrong letter, and a letter where the text gives none
    assert len([row for row in wrong if row["answer"] and row["naive"]]) >= 80
    assert len([row for row in wrong if not row["answer"]]) >= 50


# --- OpenCompass' rules -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("C", "C"),
        ("答案是 C", "C"),
        ("A错误，选C", "A"),
        ("The answer is C", None),
        ("Ａ", None),
        ("Ébène A", None),
        ("c", None),
        ("", None),
    ],
)
def test_first_capital_is_any_first_capital(text: str, read: str | None) -> None:
    assert first_capital(text, CHOICES) == read


# the results of opencompass 0.5.4 for these texts
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("答案是C", "C"),
        ("答案： D", "D"),
        ("答案选项应为B", "B"),
        ("选A是错误的，应选C", "A"),
        ("A错误。只有选项C是对", "A"),
        ("故选C只有A是对", "C"),
        ("只有C是对", "C"),
        ("A和B说法不正确的是C", "C"),
        ("B是正确答案", "B"),
        ("我认为，C", "C"),
        ("答案是所谓的D。", "D"),
        ("The answer is (D)", "D"),
        ("the correct answer is: $\\boxed{B}$", "B"),
        ("ANSWER : D", "D"),
        ("A和B都对", "A"),
        ("1. 土地 C A", "A"),
        ("  D\n", "D"),
        ("答案是c", None),
        ("土地", None),
        ("", None),
    ],
)
def test_first_option_follows_the_rules(text: str, read: str | None) -> None:
    assert first_option(text, CHOICES) == read


def test_first_option_takes_labels_of_one_character_only() -> None:
    assert first_option("答案是B", {"甲组": "x", "B": "y"}) == "B"
    assert first_option("答案是甲组", {"甲组": "x", "乙组": "y"}) is None
    assert first_option("答案是]", {"]": "x", "^": "y", "\\": "z", "-": "w"}) == "]"


# --- reasoning --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("C", "C", ""),
        (" C \n", " C \n", ""),
        ("<think>A?</think>C", "C", "A?"),
        ("<think>\nA?\n</think>\n\nC", "C", "A?"),
        ("<THINKING>A?</Thinking> C", "C", "A?"),
        ("<think>never ends", "", "never ends"),
        ("C <think>never ends", "C", "never ends"),
        ("A? </think> C", "C", "A?"),
        ("<think>a</think> b </think> c", "c", "a\nb"),
        ("<think>a</think>b<think>c</think>d", "b\nd", "a\nc"),
        ("<think>a<think>b</think>c", "c", "a\nb"),
        ("<think></think>C", "C", ""),
        ("<think>", "", ""),
        ("<thinker>C", "<thinker>C", ""),
    ],
)
def test_split_reasoning(text: str, answer: str, reasoning: str) -> None:
    assert split_reasoning(text) == (answer, reasoning)


TAGS = st.sampled_from(
    ["<think>", "</think>", "<Thinking>", "</thinking>", "<thi", "nk>", "<think", ">", " ", "\n"]
)


@given(st.lists(TAGS | st.text(max_size=4), max_size=12).map("".join))
def test_split_reasoning_is_idempotent(text: str) -> None:
    answer, _ = split_reasoning(text)
    assert split_reasoning(answer) == (answer, "")


# --- properties -------------------------------------------------------------------------------------

WORDS = (
    "答案 答案： 答案是 正确答案是 故选 选 应选 不选 不是 而是 选项 只有 所以 因此 如果 可能 排除 等等，",
    "不对， 项 的说法 错误 正确 都对 都错 符合题意 当选 是 为 ， 。 、 ： ？ 和 或 土地 土地制度 劳动力",
    "A B C D E AB c a （ ） 【 】 ** ` $ \\boxed{ \\text{ } | # - > ✅ ❌ √ 1. 2. , . ? I",
    '{"answer": " <answer> </answer> <think> </think> the answer is Answer: option choice choose therefore',
    "so not but it's is correct incorrect wrong if wait, both and or",
)
FRAGMENTS = st.sampled_from(" ".join(WORDS).split())
ODD = st.sampled_from(["\n", " ", "\0", "\ud800", "\u200b", "ﷺ", "İ", "ß", "\u3000", "٣", "🇦"])
WRITTEN = st.lists(FRAGMENTS | ODD, max_size=25).map("".join)
ANY_TEXT = st.text(st.characters(codec=None), max_size=60) | WRITTEN
LABELS = st.sampled_from(
    [tuple("ABCD"), tuple("ABCDEFGHIJ"), tuple("1234"), ("甲", "乙"), ("a", "A"), ("True", "False")]
)
ANY_CHOICES = st.one_of(
    LABELS.flatmap(lambda labels: st.fixed_dictionaries(dict.fromkeys(labels, ANY_TEXT))),
    st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=4),
    st.just(CHOICES),
)


@settings(max_examples=300)
@given(ANY_TEXT, ANY_CHOICES)
def test_every_text_gives_a_choice_or_none(text: str, choices: Mapping[str, str]) -> None:
    for extract in EXTRACTORS.values():
        assert extract(text, choices) in {None, *choices}


PIECES = (
    *(
        "A",
        "A\n",
        "A、",
        "A, ",
        "A B ",
        "A. 劳动力\nB. 资本\n",
        "答案",
        "答案是x",
        "答案 ",
        "因此A",
        "(",
        " ",
        "\n",
        "-",
        "|",
    ),
    *(
        "的是",
        "ﷺ",
        "\ud800",
        "the correct answer is ",
        "not ",
        "answer to x ",
        "\\boxed{",
        "<think>",
        "</think>",
    ),
    *("<think", "\n题目：", "等等，"),
)


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize("piece", PIECES, ids=[f"piece-{number}" for number in range(len(PIECES))])
def test_long_hostile_texts_take_linear_time(name: str, piece: str) -> None:
    text = (piece * 100_000)[:100_000]
    assert EXTRACTORS[name](f"{text}\n x", CHOICES) in {None, *CHOICES}
    split_reasoning(text)


FULL_WIDTH = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)} | {" ": "\u3000"})
SURROGATES = re.compile("[\ud800-\udfff]")


@settings(max_examples=300)
@given(WRITTEN)
def test_full_width_text_reads_the_same(text: str) -> None:
    assert choice(text.translate(FULL_WIDTH), CHOICES) == choice(text, CHOICES)


@settings(max_examples=300)
@given(WRITTEN, st.text(" \n\t\r\u3000", max_size=4), st.text(" \n\t\r\u3000", max_size=4))
def test_blanks_around_a_text_change_nothing(text: str, before: str, after: str) -> None:
    assert choice(f"{before}{text}{after}", CHOICES) == choice(text, CHOICES)


FORMS = (
    *(
        "?",
        "选?",
        "答案：?",
        "答案是 ?。",
        "**?**",
        "选项?正确",
        "?项错误，选!",
        "选?是错误的，应选!",
        "不是?，而是!",
        "只有!对",
    ),
    *(
        "!. x",
        "The answer is ?.",
        "so ?",
        "\\boxed{?}",
        "?错误，!正确",
        "?和!都对",
        "?或!",
        '{"answer": "?"}',
    ),
    *("如果选?，则矛盾。所以选!。", "Option ? is wrong, ! is correct.", "it's ?", "答案：?！不对，应该是!"),
    *("?\n\n解析：!项错误", "Rule out ?. The answer is !", "答案：?、!", "?、!都不对"),
)


@given(st.sampled_from(FORMS), st.permutations("BCDEFGH"))
def test_all_letters_are_treated_alike(form: str, letters: list[str]) -> None:
    choices = dict.fromkeys("BCDEFGH", "")
    straight = choice(form.replace("?", "B").replace("!", "C"), choices)
    swapped = choice(form.replace("?", letters[0]).replace("!", letters[1]), choices)
    assert swapped == (None if straight is None else letters["BCDEFGH".index(straight)])


@given(
    st.sampled_from([row for row in OUTPUTS if row["answer"] and "choices" not in row]), st.text(max_size=30)
)
def test_reasoning_before_an_answer_changes_nothing(row: dict[str, Any], thought: str) -> None:
    if "think" in (row["text"] + thought).lower():
        return
    assert choice(f"<think>答案是A。\n{thought}</think>\n{row['text']}", CHOICES) == row["answer"]


def test_labels_may_be_any_strings() -> None:
    assert choice("答案是乙", {"甲": "x", "乙": "y"}) == "乙"
    assert choice("The answer is False.", {"True": "x", "False": "y"}) == "False"
    assert choice("选Ｂ", {"Ａ": "x", "Ｂ": "y"}) == "Ｂ"
    assert choice("The answer is b", {"a": "x", "b": "y", "B": "z"}) == "b"
    assert choice("答案是C", {}) is None
    assert choice("", {"": ""}) is None
    assert choice("A", dict.fromkeys(string.ascii_uppercase, "")) == "A"


@pytest.mark.parametrize(
    "choices",
    [
        dict(zip("ABCD", ("基本符合要求", "选择通道", "答案是唯一的", "以上答案均正确"), strict=True)),
        dict(zip("ABCD", ("只有I", "只有II", "I和II", "A is correct"), strict=True)),
        dict(zip("ABCD", ("“保护性”的弊端", "-1", "80℃", "a/b"), strict=True)),
        dict(zip("ABCD", ("AaBb", "Aabb", "A[1], A[2]", "B"), strict=True)),
        dict(zip("ABCD", ("是什么?", "不正确", "错误", "C是对的"), strict=True)),
    ],
    ids=range(5),
)
@pytest.mark.parametrize("label", "ABCD")
def test_the_text_of_choices_is_not_an_answer(choices: dict[str, str], label: str) -> None:
    restated = "\n".join(f"{letter}. {words}" for letter, words in choices.items())
    assert choice(restated, choices) is None
    assert choice(f"{restated}\n答案：{label}", choices) == label
    assert choice(f"{label}. {choices[label]}", choices) == label
    assert choice(f"The correct answer is ({label}) {choices[label]}", choices) == label


def test_only_the_beginning_and_end_of_a_very_long_text_are_read() -> None:
    rambling = "土地是自然资源。" * 5_000
    assert choice(f"答案是B。{rambling}", CHOICES) == "B"
    assert choice(f"{rambling}答案是C。", CHOICES) == "C"
    assert choice(f"<think>{rambling}答案是A</think>{rambling}答案是D", CHOICES) == "D"


if __name__ == "__main__":
    for row in OUTPUTS:
        if row["naive"] != row["answer"]:
            print(
                f"meant {row['answer'] or '-'}, the naive rule reads {row['naive'] or '-'}: {row['text']!r}"
            )
