"""Comparison of two runs of the same questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.analysis.compare import Exclusions, counterpart
from pytest_llmeval.analysis.paired import (
    effective_pairs,
    holm,
    macro_change_interval,
    mcnemar,
    paired_interval,
)
from tests.support.made_comparisons import answers, compared


def test_example() -> None:
    found = compared(
        {"law": "cw", "maths": "cccwww", "physics": "cccc"},
        {"maths": "cwuccw", "physics": "cccw", "law": "cc"},
    )
    maths, whole = found.subjects["maths"], found.whole
    assert (maths.pairs, maths.before, maths.after, maths.fixed, maths.broken) == (6, 0.5, 0.5, 2, 2)
    assert (maths.change, maths.p, maths.interval) == (0, 1.0, paired_interval(2, 2, 6))
    assert list(found.subjects) == ["maths", "physics", "law"]
    assert whole is not None and (whole.pairs, whole.fixed, whole.broken) == (12, 3, 3)
    assert whole.p == mcnemar(3, 3) and whole.interval == paired_interval(3, 3, 12)
    stem = found.groups["stem"]
    assert (stem.pairs, stem.change, stem.macro.change) == (10, -0.1, pytest.approx(-0.125))
    assert stem.macro.interval == macro_change_interval([(2, 2, 6), (0, 1, 4)])
    assert (whole.macro.before, whole.macro.after) == (pytest.approx(2 / 3), pytest.approx(0.75))
    adjusted = [change.adjusted_p for change in found.subjects.values()]
    assert adjusted == list(holm([change.p for change in found.subjects.values()]))
    assert [one.nodeid for one in found.broken] == ["test_b[maths-1]", "test_b[maths-2]", "test_b[physics-3]"]
    assert [one.id for one in found.fixed] == ["b/maths/3", "b/maths/4", "b/law/1"]
    assert found.exclusions == Exclusions() and found.differences == ()
    assert (
        found.part(None) is whole
        and found.part("stem") is stem
        and found.part("law") is found.subjects["law"]
    )
    assert found.part("nothing") is None


def test_questions_in_no_pair_are_counted_by_reason() -> None:
    found = compared({"maths": "eeccwac-", "law": "c"}, {"maths": "ece-cacc", "law": "-"})
    assert found.exclusions == Exclusions(
        errors_before=2, errors_after=1, only_before=2, only_after=1, unscored=1
    )
    assert found.whole is not None and (found.whole.pairs, found.whole.fixed) == (2, 1)
    assert found.failed_before == {"maths": 2} and found.unmatched == {"maths": 1}
    assert found.exclusions.words() == [
        "2 ended in an error in the earlier run",
        "1 ended in an error in the later run",
        "2 asked only in the earlier run",
        "1 asked only in the later run",
        "1 have no gold answer",
    ]
    assert "law" not in found.subjects and "other" not in found.groups


def test_unparsed_answers_are_not_correct_and_errors_are_not_wrong() -> None:
    found = compared({"maths": "cccc"}, {"maths": "cuwe"})
    assert found.whole is not None
    assert (found.whole.pairs, found.whole.broken) == (3, 2)


def test_runs_without_common_questions() -> None:
    found = compared({"maths": "c"}, {"law": "c"})
    assert found.whole is None and found.subjects == {} and found.groups == {} and found.detectable is None
    assert found.exclusions.words() == [
        "1 asked only in the earlier run",
        "1 asked only in the later run",
    ]


def test_counterpart() -> None:
    assert counterpart("m", ["n", "m"]) == "m"
    assert counterpart("m", ["n"]) == "n"
    assert counterpart("m", ["n", "o"]) is None


@given(st.lists(st.tuples(st.sampled_from("cwuea-"), st.sampled_from("cwuea-")), max_size=40))
def test_every_question_is_in_a_pair_or_excluded(both: list[tuple[str, str]]) -> None:
    before, after = ("".join(side) for side in zip(*both, strict=True)) if both else ("", "")
    found = compared({"maths": before}, {"maths": after})
    out = found.exclusions
    asked = sum(one != "-" or other != "-" for one, other in both)
    paired = found.whole.pairs if found.whole else 0
    assert paired + sum(getattr(out, name) for name in out.__slots__) == asked


@given(st.lists(st.tuples(st.sampled_from("cw"), st.sampled_from("cw")), min_size=1, max_size=40))
def test_swapped_runs_give_the_opposite_change(both: list[tuple[str, str]]) -> None:
    before, after = ("".join(side) for side in zip(*both, strict=True))
    there, back = compared({"maths": before}, {"maths": after}), compared({"maths": after}, {"maths": before})
    assert there.whole is not None and back.whole is not None
    assert there.whole.change == -back.whole.change and there.whole.p == back.whole.p
    assert {one.id for one in there.fixed} == {one.id for one in back.broken}
    assert len(there.fixed) == there.whole.fixed and len(there.broken) == there.whole.broken


def test_clustered_questions_have_fewer_effective_pairs() -> None:
    before, after = {"maths": "c" * 20 + "w" * 20}, {"maths": "w" * 5 + "c" * 15 + "w" * 15 + "c" * 5}
    clusters = {f"b/maths/{number}": str(number // 5) for number in range(40)}
    plain, found = compared(before, after), compared(before, after, clusters=clusters)
    assert plain.whole is not None and found.whole is not None
    assert found.whole.effective == effective_pairs([(0, 5, 5), *[(0, 0, 5)] * 6, (5, 0, 5)])
    assert found.whole.effective[2] < 10
    assert found.whole.interval[0] < plain.whole.interval[0]
    assert found.whole.p == pytest.approx(1.0) and plain.whole.p == mcnemar(5, 5)


def test_repeated_questions_count_by_their_fraction_correct() -> None:
    found = compared({"maths": "cc,cw,ww,ee"}, {"maths": "cw,cc,ww,cc"})
    assert found.whole is not None
    assert (found.whole.pairs, found.whole.before, found.whole.after) == (3, 0.5, 0.5)
    # one question lost half an answer, another gained half
    assert (found.whole.fixed, found.whole.broken) == (0.5, 0.5)
    assert found.exclusions.errors_before == 1
    # half correct counts as right, so no question has moved
    assert found.fixed == found.broken == ()


def test_failed_repeats_do_not_count() -> None:
    answer = answers({"maths": "cew,c"})["b/maths/0"]
    assert (answer.right, answer.times, answer.error) == (0.5, 2, False)
