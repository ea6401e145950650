"""Slices: each item once, in order, of one model and benchmark, shorter towards the end."""

from __future__ import annotations

from itertools import chain, groupby

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.plugin.xdist.slices import Key, slices

keys_of = st.lists(
    st.tuples(
        st.one_of(
            st.none(),
            st.tuples(st.sampled_from(["m", "n"]), st.sampled_from(["b", "c"]), st.sampled_from("stuv")),
        ),
        st.integers(1, 120),
    ),
    max_size=12,
).map(lambda runs: [key for key, number in runs for _ in range(number)])


@given(keys_of, st.integers(1, 9), st.data())
def test_each_item_once_in_order(keys: list[Key | None], workers: int, data: st.DataObject) -> None:
    indices = [index for index in range(len(keys)) if index % 7 or data.draw(st.booleans())][:200]
    found = slices(indices, keys, workers)
    assert list(chain.from_iterable(found)) == indices
    assert all(found)
    assert found == slices(indices, keys, workers)
    for one in found:
        assert len({key and key[:2] for key in (keys[index] for index in one)}) == 1


@given(keys_of.filter(any), st.integers(1, 9))
def test_no_slice_is_more_than_a_part_of_what_is_left(keys: list[Key | None], workers: int) -> None:
    left = sum(key is not None for key in keys)
    for one in slices(range(len(keys)), keys, workers):
        if keys[one[0]] is not None:
            assert len(one) <= max(8, left // (2 * workers), 1)
            left -= len(one)


def test_they_begin_with_subjects_and_get_shorter() -> None:
    keys: list[Key | None] = [("m", "b", f"s{subject}") for subject in range(50) for _ in range(20)]
    found = slices(range(1000), keys, 2)
    lengths = [len(one) for one in found]
    assert lengths[0] == 240  # whole subjects: 12 of them, as 250 would cut one
    whole = [length for length in lengths if length >= 20]
    assert whole == sorted(whole, reverse=True)
    assert max(lengths[len(whole) :]) <= 10
    assert all(one[0] % 20 == 0 for one in found if len(one) > 10)


def test_a_long_subject_is_cut_without_a_crumb() -> None:
    keys: list[Key | None] = [("m", "b", "s")] * 260 + [("m", "b", "t")] * 740
    assert [len(one) for one in slices(range(1000), keys, 2)][:2] == [130, 130]


def test_few_questions_reach_every_worker() -> None:
    assert len(slices(range(6), [("m", "b", "s")] * 6, 3)) >= 3


def test_ordinary_tests_are_runs_of_their_own() -> None:
    ours = ("m", "b", "s")
    keys: list[Key | None] = [None] * 3 + [ours] * 4 + [None] * 2 + [ours]
    found = slices(range(10), keys, 1)
    kinds = [(keys[one[0]] is not None, len(one)) for one in found]
    merged = [(ours, sum(n for _, n in group)) for ours, group in groupby(kinds, lambda kind: kind[0])]
    assert merged == [(False, 3), (True, 4), (False, 2), (True, 1)]
