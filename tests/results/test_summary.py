"""From finished questions to results; the builders here also serve the tests of the reports."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.analysis.stats import effective, macro_interval, wilson
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.summary import Result, outline, summarise
from tests.support.made_results import (
    GROUPS,
    INFOS,
    counted,
    counted_all,
    make_info,
    result_of,
    results_of,
    runs,
    tallied,
)


def expected_accuracy(entries: Iterable[Record]) -> float | None:
    """correct / (correct + wrong + unparsed) of questions with a gold answer, by the design's words."""
    scored = [
        entry
        for entry in entries
        if entry.gold and entry.outcome in (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED)
    ]
    return sum(e.outcome is Outcome.CORRECT for e in scored) / len(scored) if scored else None


@settings(max_examples=50)
@given(runs())
def test_every_count_adds_up_to_what_was_requested(entries: list[Record]) -> None:
    results = results_of(entries, *INFOS)
    assert sum(result.counts.requested for result in results) == len(entries)
    for result in results:
        own = [e for e in entries if (e.model, e.benchmark) == (result.model, result.benchmark)]
        parts = [(result, own)]
        parts += [(part, [e for e in own if e.subject == key]) for key, part in result.subjects.items()]
        parts += [
            (group, [e for e in own if e.subject in GROUPS[name]]) for name, group in result.groups.items()
        ]
        for part, asked in parts:
            counts = part.counts.as_dict()
            assert counts.pop("requested") == len(asked) == sum(counts.values()) > 0
            assert counts == {outcome.value: sum(e.outcome is outcome for e in asked) for outcome in Outcome}
        assert set(result.subjects) == {e.subject for e in own}
        assert set(result.groups) == {g for g, keys in GROUPS.items() if any(e.subject in keys for e in own)}


@settings(max_examples=50)
@given(runs())
def test_accuracy_is_of_what_was_scored_and_null_without(entries: list[Record]) -> None:
    for result in results_of(entries, *INFOS):
        own = [e for e in entries if (e.model, e.benchmark) == (result.model, result.benchmark)]
        assert result.accuracy == expected_accuracy(own)
        assert (result.interval is None) == (result.accuracy is None)
        by_subject = {key: expected_accuracy(e for e in own if e.subject == key) for key in result.subjects}
        assert {key: part.accuracy for key, part in result.subjects.items()} == by_subject
        known = [accuracy for accuracy in by_subject.values() if accuracy is not None]
        assert result.macro_accuracy == (pytest.approx(statistics.fmean(known)) if known else None)
        for name, group in result.groups.items():
            assert group.accuracy == expected_accuracy(e for e in own if e.subject in GROUPS[name])
            known = [by_subject[key] for key in GROUPS[name] if by_subject.get(key) is not None]  # type: ignore[misc]
            assert group.macro_accuracy == (pytest.approx(statistics.fmean(known)) if known else None)


def _content(result: Result) -> dict[str, object]:
    """All of a result but its speed, which is about the clock."""
    content = dataclasses.asdict(result)
    del content["questions_per_s"]
    return content


@settings(max_examples=50)
@given(runs().flatmap(lambda entries: st.tuples(st.just(entries), st.permutations(entries))))
def test_the_order_in_which_questions_finish_does_not_matter(both: tuple[list[Record], list[Record]]) -> None:
    models = {"m": "identity of m", "n": "identity of n"}
    one, other = (results_of(entries, *INFOS, identities=models) for entries in both)
    assert [_content(result) for result in one] == [_content(result) for result in other]
    # the order of what is shown is also the same
    for left, right in zip(one, other, strict=True):
        assert list(left.subjects) == list(right.subjects)
        assert list(left.groups) == list(right.groups)


@settings(max_examples=50)
@given(runs())
def test_a_question_asked_again_is_counted_once(entries: list[Record]) -> None:
    again = [dataclasses.replace(entry, outcome=Outcome.ERROR, target=None) for entry in entries]
    assert list(map(_content, results_of(again + entries, *INFOS))) == list(
        map(_content, results_of(entries, *INFOS))
    )
    tally = tallied(again + entries)
    assert tally.counts() == tallied(entries).counts()
    assert sorted(entry.id for entry in tally) == sorted(entry.id for entry in entries)


@settings(max_examples=50)
@given(runs())
def test_the_live_counts_are_those_of_the_end(entries: list[Record]) -> None:
    tally = tallied(entries)
    assert tally.counts().requested == len(entries)
    for result in summarise(tally, {info.name: info for info in INFOS}):
        assert tally.counts(model=result.model, benchmark=result.benchmark) == result.counts
    for model in ("m", "n"):
        assert tally.counts(model=model).requested == sum(entry.model == model for entry in entries)


def test_the_answers_from_the_store_are_counted_live() -> None:
    tally = tallied([counted(key=0, cached=True), counted(key=1), counted(key=2, cached=True)])
    assert tally.stored("m", "b") == 2
    tally.add(counted(key=0))
    assert tally.stored("m", "b") == 1


def test_both_averages_by_hand() -> None:
    result = result_of({"maths": "cccccccc", "physics": "ww", "law": "cw"})
    assert result.accuracy == 9 / 12
    assert result.macro_accuracy == pytest.approx((1 + 0 + 0.5) / 3)
    assert result.groups["stem"].accuracy == 0.8
    assert result.groups["stem"].macro_accuracy == 0.5
    assert result.groups["other"].accuracy == result.groups["other"].macro_accuracy == 0.5
    assert result.interval == wilson(9, 12)
    assert result.subjects["maths"].interval == wilson(8, 8)
    assert result.groups["stem"].interval == wilson(8, 10)
    assert result.counts.rate == Fraction(3, 4)


def test_a_subject_without_an_accuracy_is_left_out_of_the_mean_over_subjects() -> None:
    result = result_of({"maths": "cw", "physics": "ee", "law": "aa"})
    assert result.subjects["physics"].accuracy is None
    assert result.subjects["law"].accuracy is None
    assert result.macro_accuracy == 0.5
    assert result.groups["other"].macro_accuracy is None


def test_questions_without_gold_answers_give_no_accuracy_instead_of_0() -> None:
    entries = [*counted_all({"maths": "aaa"}), counted("maths", 9, Outcome.UNPARSED, gold=False)]
    (result,) = results_of(entries)
    assert (result.counts.answered, result.counts.unparsed, result.counts.requested) == (3, 1, 4)
    assert (result.accuracy, result.interval, result.macro_accuracy) == (None, None, None)


def test_a_result_is_in_the_order_of_the_benchmark() -> None:
    numbers = {"zebra": "c", "loner": "c", "law": "c", "apple": "c", "maths": "c"}
    result = result_of(numbers)
    # declared subjects as declared, then the others by name
    assert list(result.subjects) == ["maths", "law", "loner", "apple", "zebra"]
    assert list(result.groups) == ["stem", "other", "hard"]


def test_results_are_in_the_order_of_benchmarks_and_models() -> None:
    entries = [counted(model=model, of=name) for name, model in itertools.product("cb", ("late", "n", "m"))]
    results = results_of(entries, *INFOS, identities={"m": "weights 1", "n": "weights 2", "silent": "x"})
    assert [(result.benchmark, result.model) for result in results] == [
        ("b", "m"), ("b", "n"), ("b", "late"), ("c", "m"), ("c", "n"), ("c", "late"),
    ]  # fmt: skip
    assert [result.identity for result in results[:3]] == ["weights 1", "weights 2", ""]
    assert results[0].info is INFOS[0]


def test_models_do_not_mix() -> None:
    good, bad = results_of(
        counted_all({"maths": "ccc"}, model="good") + counted_all({"maths": "www"}, model="bad")
    )
    assert (good.model, good.accuracy, good.counts.requested) == ("good", 1.0, 3)
    assert (bad.model, bad.accuracy, bad.counts.requested) == ("bad", 0.0, 3)


def test_a_benchmark_that_nothing_is_known_of_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError, match="unheard"):
        results_of([counted(of="unheard")])


def test_of_nothing_there_are_no_results() -> None:
    assert results_of([]) == ()
    assert tallied([]).counts().requested == 0


def test_latencies_are_of_what_was_asked_in_this_run() -> None:
    entries = [
        counted(key=0, latency_s=1.0),
        counted(key=1, latency_s=2.0, outcome=Outcome.UNPARSED),
        counted("law", key=2, latency_s=6.0, outcome=Outcome.WRONG),
        counted(key=3, latency_s=50.0, cached=True),
        counted(key=4, latency_s=60.0, outcome=Outcome.ERROR),
        counted(key=5, latency_s=None),
        counted(key=6, latency_s=math.nan),
        counted(key=7, latency_s=math.inf),
    ]
    (result,) = results_of(entries)
    assert result.latency.p50 == 2.0
    assert result.latency.p95 == pytest.approx(5.6)
    assert result.latency.mean == 3.0
    assert result.subjects["maths"].latency_p50_s == 1.5
    assert result.subjects["law"].latency_p50_s == 6.0
    assert result.groups["stem"].latency_p50_s == 1.5
    assert result.whole.latency_p50_s == 2.0
    assert result.cached == 1


def test_without_latencies_there_are_none() -> None:
    result = result_of({"maths": "ee"}, latency_s=3.0)
    assert dataclasses.astuple(result.latency) == (None, None, None)
    assert result.subjects["maths"].latency_p50_s is None


def test_tokens_are_summed_where_they_are_known() -> None:
    entries = [
        counted(key=0, prompt_tokens=100, completion_tokens=7),
        counted(key=1, prompt_tokens=50),
        counted("law", key=2, prompt_tokens=1),
    ]
    (result,) = results_of(entries)
    assert (result.tokens.prompt, result.tokens.completion) == (151, 7)
    unknown = result_of({"maths": "c"})
    assert (unknown.tokens.prompt, unknown.tokens.completion) == (None, None)
    zero = result_of({"maths": "c"}, prompt_tokens=0)
    assert zero.tokens.prompt == 0


def test_the_speed_is_over_the_wall_time_of_these_questions() -> None:
    # the clock: 0 at the start, then 1, 2, 3 for m and 4, 5 for n
    entries = counted_all({"maths": "ccc"}, model="m") + counted_all({"maths": "cc"}, model="n")
    m, n = summarise(tallied(entries, step=0.5), {"b": make_info()})
    assert m.questions_per_s == pytest.approx(3 / 1.5)
    assert n.questions_per_s == pytest.approx(2 / 1.0)
    (stopped,) = summarise(tallied(entries[:3], step=0.0), {"b": make_info()})
    assert stopped.questions_per_s is None


def test_the_whole_is_a_group_of_all_subjects() -> None:
    result = result_of({"maths": "cw", "law": "w"}, latency_s=2.0)
    assert result.whole.counts == result.counts
    assert result.whole.macro_accuracy == result.macro_accuracy == 0.25
    assert result.whole.latency_p50_s == 2.0


@pytest.mark.parametrize(
    ("subjects", "lines"),
    [
        ([], []),
        (["loner"], [("", ["loner"])]),
        (["maths"], [("stem", ["maths"]), ("hard", [])]),
        (["law"], [("other", ["law"])]),
        (
            ["physics", "law", "maths", "loner", "new"],
            [("stem", ["physics", "maths"]), ("other", ["law"]), ("hard", []), ("", ["loner", "new"])],
        ),
    ],
)
def test_the_outline_of_tables(subjects: list[str], lines: list[tuple[str, list[str]]]) -> None:
    assert list(outline(subjects, GROUPS)) == lines


@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.dictionaries(st.sampled_from(["g1", "g2", "g3"]), st.lists(st.sampled_from("abcdefgh"))),
)
def test_an_outline_has_each_subject_once(subjects: list[str], groups: dict[str, list[str]]) -> None:
    found = list(outline(subjects, groups))
    assert sorted(itertools.chain.from_iterable(keys for _, keys in found)) == sorted(subjects)
    for name, keys in found:
        assert keys == [key for key in subjects if key in keys]
        assert set(keys) <= set(groups.get(name, subjects))
    named = [name for name, _ in found if name]
    assert named == [name for name, keys in groups.items() if set(keys) & set(subjects)]


def test_the_mean_over_subjects_has_an_interval_of_its_own() -> None:
    result = result_of({"maths": "ccwwu", "physics": "cwcw", "law": "ce", "loner": "w"})
    assert result.macro_interval == macro_interval([(2, 5), (2, 4), (1, 1), (0, 1)])
    assert result.whole.macro_interval == result.macro_interval
    assert result.groups["stem"].macro_interval == macro_interval([(2, 5), (2, 4)])
    assert result_of({"maths": "aa"}).macro_interval is None


def test_without_clusters_an_interval_is_wilson_s() -> None:
    result = result_of({"maths": "ccwwu"})
    assert result.weight is None and result.effective == (2, 5)
    assert result.interval == result.subjects["maths"].interval == wilson(2, 5)


def test_clusters_are_what_an_interval_counts() -> None:
    outcomes = [Outcome.CORRECT] * 5 + [Outcome.WRONG] * 5
    entries = [counted("maths", key, of, cluster=f"maths/{key // 5}") for key, of in enumerate(outcomes)]
    entries += [counted("law", key) for key in range(3)]
    (result,) = results_of(entries)
    assert result.subjects["maths"].effective == effective([(5, 5), (0, 5)])
    assert result.subjects["law"].weight is None
    assert result.effective == effective([(5, 5), (0, 5), (1, 1), (1, 1), (1, 1)])
    assert result.counts.scored == 13 and result.accuracy == 8 / 13
    assert result.macro_interval == macro_interval([effective([(5, 5), (0, 5)]), (3, 3)])


def test_repeats_by_hand() -> None:
    made = {outcome.value[0]: outcome for outcome in Outcome}
    entries = [
        counted("maths", key, made[letters[0]], outcomes=tuple(made[letter] for letter in letters))
        for key, letters in enumerate(["ccc", "ccw", "wcu", "www", "eec"])
    ]
    (result,) = results_of(entries)
    assert (result.counts.requested, result.counts.error, result.counts.scored) == (15, 2, 13)
    repeats = result.repeats
    assert repeats is not None and repeats.times == 3
    # the last has one answer only, which tells of pass@1 alone
    assert repeats.pass_at == pytest.approx(
        {1: (1 + 2 / 3 + 1 / 3 + 0 + 1) / 5, 2: (1 + 1 + 2 / 3 + 0) / 4, 3: (1 + 1 + 1 + 0) / 4}
    )
    assert repeats.majority == 2 / 5
    assert repeats.flipped == ("b/maths/1", "b/maths/2")
    assert result.effective == effective([(3, 3), (2, 3), (1, 3), (0, 3), (1, 1)])
    assert result_of({"maths": "ccw"}).repeats is None


def test_a_question_counted_again_replaces_all_its_repeats() -> None:
    twice = counted(outcomes=(Outcome.CORRECT, Outcome.WRONG))
    tally = tallied([twice, counted(outcomes=(Outcome.ERROR, Outcome.CORRECT))])
    assert tally.counts().as_dict() == {
        "requested": 2,
        "correct": 1,
        "wrong": 0,
        "unparsed": 0,
        "answered": 0,
        "error": 1,
    }
