"""Never drop what pytest would keep; drop what it cannot."""

from __future__ import annotations

from _pytest.mark.expression import Expression
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.plugin.keyword import may_match, may_select

STATIC = ("benchmarks", "ceval", "test_ceval.py", "llmeval")
SUBJECTS = ("accountant", "logic", "law", "high_school_physics")

words = st.one_of(
    st.sampled_from(
        [
            "ceval",
            "cmmlu",
            "accountant",
            "logic",
            "law",
            "llm",
            "7",
            "12",
            "[logic-",
            "-1]",
            "-",
            "t-1",
            "0-puyu",
            "t-1-p",
            "test_ceval[law-3]",
            "school",
            "gw0",
            "]",
            "y-1x",
            "1-",
        ]
    ),
    st.text(alphabet="aclnt-[]0123puy_", min_size=1, max_size=6),
).filter(lambda word: word not in ("and", "or", "not"))
expressions = st.recursive(
    words,
    lambda inner: st.one_of(
        inner.map(lambda e: f"not {e}"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} and {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} or {pair[1]})"),
    ),
    max_leaves=6,
)


def static(word: str) -> bool:
    return any(word.lower() in name for name in STATIC)


def names(models: tuple[str, ...]) -> list[tuple[str, str]]:
    ends = [f"-{model}]" for model in models] or ["]"]
    return [(f"test_ceval[{subject}-", end) for subject in SUBJECTS for end in ends]


@given(expressions, st.sampled_from(SUBJECTS), st.integers(0, 20_000), st.sampled_from([(), ("puyu", "m2")]))
def test_what_pytest_keeps_is_never_dropped(
    expression: str, subject: str, number: int, models: tuple[str, ...]
) -> None:
    try:
        compiled = Expression.compile(expression)
    except SyntaxError:
        return
    for end in [f"-{model}]" for model in models] or ["]"]:
        name = f"test_ceval[{subject}-{number}{end}"
        if compiled.evaluate(lambda word, /, name=name, **_: static(word) or word.lower() in name):
            assert may_select(expression, static, names(models))


def test_other_benchmarks_are_not_read() -> None:
    for expression in ("cmmlu", "mmlu", "ceval and agronomy", "not ceval", "test_mini", "[law-x"):
        assert not may_select(expression, static, names(()))
    for expression in ("ceval", "accountant", "law or cmmlu", "[law-", "17", "not (law and 17)"):
        assert may_select(expression, static, names(()))


def test_an_unreadable_expression_is_left_to_pytest() -> None:
    assert may_select("ceval and (", static, names(()))


def test_a_word_may_cross_the_number() -> None:
    assert may_match("w-12]", "test[law-", "]")
    assert may_match("12-pu", "test[law-", "-puyu]")
    assert not may_match("w-]", "test[law-", "]")
    assert not may_match("x-12]", "test[law-", "]")
