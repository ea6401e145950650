"""The weighted average of a suite."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.analysis.stats import macro_interval, weighted_interval, wilson
from pytest_llmeval.results.suite_average import Member, suite_results
from pytest_llmeval.results.summary import Result
from tests.support.made_results import result_of

RESULT = result_of({"maths": "cccw", "law": "cw"})


def named(name: str, model: str = "echo", base: Result = RESULT) -> Result:
    return dataclasses.replace(base, model=model, info=dataclasses.replace(base.info, name=name))


def test_weights_and_order() -> None:
    results = [named("a"), named("b")]
    members = [Member("b", weight=3), Member("a")]
    (suite,) = suite_results({"mine": members}, results, ["echo"])
    assert [row.label for row in suite.rows] == ["b", "a"]
    assert suite.average == pytest.approx(RESULT.accuracy)
    assert suite.interval is not None and suite.interval[0] < suite.average < suite.interval[1]
    assert suite.to_json()["benchmarks"][0]["weight"] == 3


def test_a_part_counts_its_own_questions() -> None:
    subject = next(iter(RESULT.subjects))
    (suite,) = suite_results({"mine": [Member("a", (subject,))]}, [named("a")], ["echo"])
    assert suite.rows[0].counts == RESULT.subjects[subject].counts
    assert (suite.rows[0].label, suite.average) == (f"a:{subject}", RESULT.subjects[subject].accuracy)


@pytest.mark.parametrize(
    ("members", "early", "why"),
    [
        ([Member("a"), Member("gone")], False, "gone was not run"),
        ([Member("a", ("nothing",))], False, "a was not run"),
        ([Member("a")], True, "the run ended early"),
    ],
)
def test_no_average_without_every_member(members: list[Member], early: bool, why: str) -> None:
    (suite,) = suite_results({"mine": members}, [named("a")], ["echo"], ended_early=early)
    assert (suite.average, suite.interval, suite.missing) == (None, None, why)


def test_each_model_has_its_own() -> None:
    results = [named("a"), named("a", "other")]
    suites = suite_results({"x": [Member("a")], "y": [Member("a")]}, results, ["echo", "other"])
    assert [(suite.suite, suite.model) for suite in suites] == [
        ("x", "echo"), ("x", "other"), ("y", "echo"), ("y", "other"),
    ]  # fmt: skip


PARTS = st.lists(
    st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n).map(float), st.just(float(n)))),
    min_size=1,
    max_size=6,
)


@given(PARTS, st.floats(0.1, 50))
def test_equal_weights_are_the_mean_over_subjects(parts: list[tuple[float, float]], weight: float) -> None:
    interval = weighted_interval(parts, [weight] * len(parts))
    assert interval == pytest.approx(macro_interval(parts))


@given(PARTS, st.data())
def test_the_interval_holds_the_average(parts: list[tuple[float, float]], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0.01, 9), min_size=len(parts), max_size=len(parts)))
    interval = weighted_interval(parts, weights)
    assert interval is not None
    average = sum(w * s / n for w, (s, n) in zip(weights, parts, strict=True)) / sum(weights)
    assert 0 <= interval[0] <= average + 1e-9 and average - 1e-9 <= interval[1] <= 1
    assert interval[0] < interval[1]


def test_a_weight_that_is_everything() -> None:
    interval = weighted_interval([(50.0, 100.0), (1.0, 2.0)], [1e9, 1.0])
    assert interval == pytest.approx(wilson(50, 100), abs=0.002)
    with pytest.raises(ValueError, match="above 0"):
        weighted_interval([(1.0, 2.0)], [0.0])
