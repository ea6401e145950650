"""The extractor ``choice_list``: answers to several questions, in their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.extract import choice_list


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("（1）【答案】 A <eoa>\n（2）【答案】 B <eoa>", "A, B"),
        ("【解析】B不对。<eoe>\n【答案】: A <eoa>\n（2）【解析】… <eoe>\n【答案】：BD <eoa>", "A, BD"),
        ("（1）【答案】 A <eoa>\n（2）【答案】 文中没有提到。<eoa>\n（3）【答案】 C <eoa>", "A, -, C"),
        ("所以正确的答案是A和C。<eoe>\n【答案】: A和C <eoa>", "AC"),
        ("【答案】 A、C <eoa>", "AC"),
        ("【答案】 **AB** <eoa>", "AB"),
        ("【答案】 G C E F A <eoa>", "GCEFA"),
        ("【答案】1. A 2. B 3. C", "A, B, C"),
        ("【答案】\n21．A\n22．B", "A, B"),
        ("【答案】A\nB 项错误。", "A"),
        ("【答案】题目有误，无法作答 <eoa>", None),
        ("1. B\n2. C\n3. D", "B, C, D"),
        ("**1.** B\n**2.** AC", "B, AC"),
        ("21～25 ABCDA\n26～30 BBBBB", "A, B, C, D, A, B, B, B, B, B"),
        ("21-25: ABCDA 26-30: BCBCB", "A, B, C, D, A, B, C, B, C, B"),
        ("1. The answer is A\n2. The answer is B", "A, B"),
        ("(1) 答案是 A。\n(2) 答案是 C。", "A, C"),
        ("B D A", "BDA"),
        ("A", "A"),
        ("So the answer is AC.", "AC"),
        ("如果答案是 A，那么 x = 1。所以答案是 B。", "A, B"),
        ("<think>【答案】 A</think>【答案】 B", "B"),
        ("The passage does not say.", None),
        ("", None),
    ],
)
def test_reads(text: str, answers: str | None) -> None:
    assert choice_list(text) == answers


def test_labels_of_the_question() -> None:
    assert choice_list("【答案】 P <eoa>\n【答案】 Q <eoa>") is None
    assert choice_list("【答案】 P <eoa>\n【答案】 Q <eoa>", {"P": "", "Q": ""}) == "P, Q"


@given(st.lists(st.text("ABCD", min_size=1, max_size=4), min_size=1, max_size=20))
def test_the_protocol_is_read(golds: list[str]) -> None:
    text = "\n".join(f"（{number}）【答案】 {gold} <eoa>" for number, gold in enumerate(golds, 1))
    assert choice_list(text) == ", ".join(golds)


@pytest.mark.parametrize(
    "text", ["1. " * 20_000, "【答案】" * 9_000, "A " * 20_000, "1-" * 20_000, "答案 " * 9_000]
)
def test_long_texts_take_linear_time(text: str) -> None:
    choice_list(text)
