"""Tests of programs in the layouts of published data, and texts that only look like them."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.scoring.metrics.outputs import output_problem, result_problem
from pytest_llmeval.scoring.metrics.packed_tests import unpacked
from pytest_llmeval.scoring.metrics.program_tests import (
    Assertions,
    InputTests,
    needed_packages,
    problem_of_tests,
    read_tests,
    together,
)

CHECK = """def check(candidate):
    assert candidate([1, 2]) == 3
    assert candidate(
        []
    ) == 0
"""
ROWS = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}, {"input": "2", "output": "3"}]


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def test_tests_in_python() -> None:
    check = read_tests(CHECK)
    assert isinstance(check, Assertions)
    assert check.calling("add").code.endswith("\n\ncheck(add)\n")
    assert check.calling("os.system('x')") == check.calling("") == check
    assert [check.number(line) for line in (0, 1, 2, 4, 99)] == ["", "", "test 1 of 2: ", "test 2 of 2: ", ""]
    listed = read_tests('["assert f(1)", "x = 2\\nassert f(x)", "assert f(3)"]')
    assert isinstance(listed, Assertions) and listed.code == "assert f(1)\nx = 2\nassert f(x)\nassert f(3)"
    assert [listed.number(line) for line in (1, 3, 4, 5)] == [*(f"test {n} of 3: " for n in (1, 2, 3)), ""]
    assert read_tests("[f(x) for x in range(3)]") == Assertions(("[f(x) for x in range(3)]",))


def test_tests_with_inputs() -> None:
    pairs = [("1\n", "2\n"), ("2", "3")]
    assert read_tests(json.dumps(ROWS)) == InputTests(pairs)
    apps = {"inputs": ["1\n", "2"], "outputs": ["2\n", "3"], "fn_name": "f"}
    assert read_tests(json.dumps(apps)) == InputTests(pairs, "f")
    for data in (json.dumps(ROWS).encode(), pickle.dumps(json.dumps(ROWS))):
        assert read_tests(packed(data)) == InputTests(pairs)
    cases = InputTests([("[1, 2]\n3", "4"), ([[5], 6], 7)]).cases("f").cases
    assert [case.input for case in cases] == [[[1, 2], 3], [[5], 6]]
    assert cases[0].problem("4") is None and cases[1].problem("8") == "the result is 8, not 7"
    with pytest.raises(ValueError, match=r"test 1 of 1: Expecting value"):
        InputTests([("not JSON", "1")]).cases("f")
    with pytest.raises(ValueError, match=r"test 1 of 1: an input or output of type int is no text"):
        InputTests([(1, "1")]).cases(None)


def test_tests_of_two_columns() -> None:
    first, then = read_tests(json.dumps(ROWS[:1])), read_tests(json.dumps(ROWS[1:]))
    assert together(first, then) == read_tests(json.dumps(ROWS))
    assert together(None, then) == then
    assert together(Assertions(("a",)), Assertions(("b",))) == Assertions(("a", "b"))
    with pytest.raises(ValueError, match="one column has tests in Python"):
        together(first, Assertions(("a",)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("assert f(", "the tests are not Python: '(' was never closed (<unknown>, line 1)"),
        ('["assert f(1)"]', None),
        (json.dumps(ROWS), None),
        (packed(b"anything"), None),
        ('[{"input": "1"}]', "the tests need an input and an output each"),
        (
            '{"inputs": ["1"], "outputs": []}',
            "the tests need lists of inputs and outputs that are equally long",
        ),
        ('{"inputs": [], "outputs": []}', "there are no tests"),
    ],
)
def test_problems_are_found_before_a_run(text: str, problem: str | None) -> None:
    assert problem_of_tests(text) == problem


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/llmeval-was-unpickled",)


def test_pickles_are_never_loaded() -> None:
    with pytest.raises(ValueError, match=r"a pickle with STACK_GLOBAL; only one with a single text is read"):
        unpacked(packed(pickle.dumps(Hostile())))
    assert not os.path.exists("/tmp/llmeval-was-unpickled")
    for value, opcode in ((["[]"], "EMPTY_LIST"), (b"[]", "SHORT_BINBYTES"), (1, "BININT1"), (None, "NONE")):
        with pytest.raises(ValueError, match=f"a pickle with {opcode}"):
            unpacked(packed(pickle.dumps(value)))
    with pytest.raises(ValueError, match="not a whole pickle"):
        unpacked(packed(pickle.dumps("[]")[:-1]))
    with pytest.raises(ValueError, match="neither Python nor JSON nor base64"):
        unpacked("QUJDREVGR0hJSktMTU5PUA==")


@given(st.text(), st.sampled_from(range(2, pickle.HIGHEST_PROTOCOL + 1)))
def test_a_pickled_text_is_read(text: str, protocol: int) -> None:
    assert unpacked(packed(pickle.dumps(text, protocol))) == text


@given(st.binary(max_size=200))
def test_anything_packed_is_read_or_refused(data: bytes) -> None:
    for content in (packed(data), packed(b"\x80\x04" + data)):
        try:
            read_tests(content)
        except ValueError as error:
            assert str(error)


def test_needed_packages() -> None:
    code = "import numpy.linalg as np, math\nfrom sympy import x\nfrom . import y\nif a:\n    import z\n"
    assert needed_packages(code) == ["numpy", "sympy"]
    assert needed_packages("import (") == []


@pytest.mark.parametrize(
    ("output", "expected", "problem"),
    [
        ("3\n", "3", None),
        ("\n 3  \n4\n\n", "3\n4", None),
        ("3 4", "3  4", None),  # numbers are compared as such
        ("a b", "a  b", "line 1 is 'a b', not 'a  b'"),
        ("0.50", "5e-1", None),
        ("50000000000000000", "50000000000000001", "line 1 is '50000000000000000', not '50000000000000001'"),
        ("0.3333333", "0.3333334", "line 1 is '0.3333333', not '0.3333334'"),
        ("3\n\n4", "3\n4", "3 lines of output, not 2"),
        ("NaN", "nan", "line 1 is 'NaN', not 'nan'"),
        ("sNaN", "1", "line 1 is 'sNaN', not '1'"),
        ("", "x", "line 1 is '', not 'x'"),
        ("YES", "Yes", "line 1 is 'YES', not 'Yes'"),
    ],
)
def test_outputs_are_compared_as_livecodebench_does(output: str, expected: str, problem: str | None) -> None:
    assert output_problem(output, expected) == problem


def test_results() -> None:
    assert result_problem("[1, 2.0]", [1.0, 2]) is None
    assert result_problem("true", 1) is None  # as in Python
    assert result_problem('"1"', 1) == "the result is '1', not 1"
    assert result_problem("", 1) == "it ended before it returned a result"
    for hostile in ("[" * 100_000, "9" * 10_000, "{"):
        assert result_problem(hostile, 1) == "the result cannot be read"
