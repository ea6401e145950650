"""The badge: its texts and colours, also with hostile names."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.analysis.gate import GateResult, GateVerdict
from pytest_llmeval.report.badge import badge_svg, badge_texts
from tests.support.made_results import make_info, result_of


def verdict(word: GateVerdict) -> GateResult:
    return GateResult("b=0.5", word, 0.5, 0.5, "why", "b", None, "m")


def test_a_single_result_has_no_names() -> None:
    assert badge_texts(True, [result_of({"maths": "ccw"})]) == ("b", "66.7%")
    assert badge_texts(False, [result_of({"maths": "ccw"})]) == ("b", "66.7% (incomplete)")
    assert badge_texts(True, []) == ("llmeval", "no results")


def test_names_appear_only_where_results_differ() -> None:
    ours, theirs = result_of({"maths": "cw"}, model="ours"), result_of({"maths": "c"}, model="theirs")
    assert badge_texts(True, [ours, theirs]) == ("b", "ours 50.0% · theirs 100.0%")
    other = result_of({"maths": "w"}, make_info("other"))
    assert badge_texts(True, [result_of({"maths": "cw"}), other]) == ("llmeval", "b 50.0% · other 0.0%")
    assert badge_texts(True, [ours] * 5)[1].endswith("…")


@pytest.mark.parametrize(
    ("complete", "verdicts", "colour"),
    [
        (True, [], "#2f5fc4"),
        (True, ["pass"], "#2c8a57"),
        (True, ["pass", "fail"], "#c8372d"),
        (True, ["not_run"], "#2f5fc4"),
        (True, ["inconclusive"], "#2f5fc4"),
        (False, ["incomplete"], "#c8372d"),
        (False, [], "#7a6a2e"),
    ],
)
def test_the_colour_follows_the_gates(complete: bool, verdicts: list[GateVerdict], colour: str) -> None:
    drawn = badge_svg(complete, [result_of({"maths": "cw"})], [verdict(word) for word in verdicts])
    assert colour in drawn
    assert sum(one in drawn for one in ("#2f5fc4", "#2c8a57", "#c8372d", "#7a6a2e")) == 1


@given(st.text(st.characters(exclude_categories=())))
def test_hostile_names_are_escaped(name: str) -> None:
    drawn = badge_svg(True, [result_of({"maths": "c"}, model=name), result_of({"maths": "c"}, model="b")])
    tags = {one.tag.rpartition("}")[2] for one in ElementTree.fromstring(drawn).iter()}
    assert tags == {"svg", "title", "rect", "text"}
