"""What metrics give for one document, as JSON and back."""

from __future__ import annotations

import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.lm_eval.values import pack, source_of, unpack, with_source

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.integers() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_comes_back_as_it_was(value: object) -> None:
    packed = json.loads(json.dumps(pack(value), allow_nan=False))
    assert unpack(packed) == value
    assert type(unpack(packed)) is type(value)
    assert source_of(packed) == (None, packed)
    assert source_of(json.loads(json.dumps(with_source(pack(value), "acc")))) == ("acc", packed)


def test_not_a_number_comes_back() -> None:
    assert str(unpack(pack((float("nan"),)))) == "(nan,)"


def test_numpy_becomes_plain() -> None:
    found = pack({"gold": (numpy.int64(2), numpy.array([0.5, numpy.inf])), "acc": numpy.float32(0.5)})
    assert unpack(found) == {"gold": (2, [0.5, float("inf")]), "acc": 0.5}
    assert type(unpack(pack(numpy.float64(0.5)))) is float


@pytest.mark.parametrize("value", [object(), {1, 2}, [lambda: 1], b"x"])
def test_what_has_no_form(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        pack(value)
