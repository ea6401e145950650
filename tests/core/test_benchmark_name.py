"""Names of benchmarks with variants, parts, prefixes and paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.benchmark_name import BenchmarkName, item_name

#: what exists in the folder of these tests
PATHS = {"a@b.csv", "q:1.csv", "mine", "x::y/[z]/b.csv", "team@home", "C:\\data\\q.csv", "ceval:hard@x"}


@pytest.mark.parametrize(
    ("text", "base", "variant", "part"),
    [
        ("ceval", "ceval", None, None),
        ("ceval:stem", "ceval", None, "stem"),
        ("ceval : stem", "ceval", None, "stem"),
        ("mmlu_pro@lm-eval", "mmlu_pro", "lm-eval", None),
        ("mmlu_pro@lm-eval:computer science", "mmlu_pro", "lm-eval", "computer science"),
        ("ceval:a:b", "ceval", None, "a:b"),
        ("ceval:", "ceval", None, ""),
        ("lm-eval:mmlu", "lm-eval:mmlu", None, None),
        ("lm-eval:mmlu:law", "lm-eval:mmlu", None, "law"),
        ("lm-eval:a@b", "lm-eval:a@b", None, None),
        ("a@b.csv", "a@b.csv", None, None),
        ("a@b.csv:hist", "a@b.csv", None, "hist"),
        ("q:1.csv", "q:1.csv", None, None),
        ("q:1.csv:hist", "q:1.csv", None, "hist"),
        ("x::y/[z]/b.csv:hist", "x::y/[z]/b.csv", None, "hist"),
        ("x::y/[z]/other.csv", "x::y/[z]/other.csv", None, None),
        ("team@home", "team@home", None, None),
        ("team@home@cot:law", "team@home", "cot", "law"),
        ("C:\\data\\q.csv", "C:\\data\\q.csv", None, None),
        ("C:\\data\\q.csv:law", "C:\\data\\q.csv", None, "law"),
        ("C:/other/q@cot", "C:/other/q", "cot", None),
        ("ceval:hard@x", "ceval:hard@x", None, None),
        ("nobody@home.csv", "nobody@home.csv", None, None),
        ("@cot", "@cot", None, None),
        ("data@2024/quiz.csv", "data@2024/quiz.csv", None, None),
    ],
)
def test_parse(text: str, base: str, variant: str | None, part: str | None) -> None:
    name = BenchmarkName.parse(text, PATHS.__contains__)
    assert name == BenchmarkName(base, variant, part)
    assert BenchmarkName.parse(str(name), PATHS.__contains__) == name


@given(
    st.from_regex(r"[a-z0-9_][a-z0-9_/-]{0,8}", fullmatch=True),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,8}", fullmatch=True),
    st.none() | st.from_regex(r"[A-Za-z0-9_.\u4e00-\u4eff@:-]{1,8}", fullmatch=True),
)
def test_what_is_written_is_read(base: str, variant: str | None, part: str | None) -> None:
    name = BenchmarkName(base, variant, part)
    assert BenchmarkName.parse(str(name)) == name


@given(st.text(alphabet="a@:/\\. C", max_size=12), st.sets(st.text(alphabet="a@:/\\. C", max_size=6)))
def test_any_text_has_a_name(text: str, paths: set[str]) -> None:
    name = BenchmarkName.parse(text, paths.__contains__)
    assert "/" not in (name.part or "")
    if text.strip() in paths:
        assert name == BenchmarkName(text.strip())


def test_names_of_items() -> None:
    assert item_name("ceval", "law", "0") == "law-0"
    assert item_name("mmlu_pro@lm-eval", "law", "0") == "lm-eval-law-0"
    assert item_name("mmlu_pro@lm-eval/test_short[a@b]", "law", "") == "lm-eval-law-"
    assert item_name("lm-eval:a@b", "law", "0") == "law-0"
