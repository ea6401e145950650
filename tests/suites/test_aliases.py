"""Other names of columns."""

from __future__ import annotations

from pytest_llmeval.suites.aliases import with_aliases
from pytest_llmeval.suites.cells import Row


def test_the_first_name_that_is_present_counts() -> None:
    rows: list[Row] = [(1, {"b": "1", "c": "2"}, None), (2, {"b": "3"}, "short")]
    renamed = with_aliases(rows, {"a": ("x", "b", "c")})
    assert renamed == [(1, {"a": "1", "c": "2"}, None), (2, {"a": "3"}, "short")]


def test_a_column_with_its_own_name_stays() -> None:
    rows: list[Row] = [(1, {"a": "1", "b": "2"}, None)]
    assert with_aliases(rows, {"a": ("b",)}) == rows
