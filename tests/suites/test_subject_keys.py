"""Keys of subjects that a column names in words."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.suites.benchmark import Subject
from pytest_llmeval.suites.subject_keys import subject_keys

LAW = {"law": Subject(key="law", name="Law and Order", zh="法律")}


def test_words_become_keys() -> None:
    keys = subject_keys(["Intermediate Algebra", "math.AG", " law and order ", "法律", "", " "], LAW)
    assert list(keys.values()) == ["intermediate_algebra", "math.AG", "law", "law"]


def test_different_names_have_different_keys() -> None:
    keys = subject_keys(["A B", "a-b!", "a b?", " A B"], {})
    assert keys["A B"] == keys[" A B"] == "a_b" and len(set(keys.values())) == 3


@given(st.lists(st.text(max_size=100)))
def test_every_name_has_a_key_of_its_own(values: list[str]) -> None:
    keys = subject_keys(values, {})
    assert keys.keys() == {value for value in values if value.strip()}
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", key) for key in keys.values())
    assert len(set(keys.values())) == len({value.strip() for value in keys})


@given(st.text(min_size=1, alphabet="鸟类法律数学"), st.text(max_size=5))
def test_a_key_in_another_script_does_not_depend_on_other_names(value: str, other: str) -> None:
    assert subject_keys([value], {})[value] == subject_keys([other, value], {})[value]
