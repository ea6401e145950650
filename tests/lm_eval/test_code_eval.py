"""Programs of lm-evaluation-harness' tasks in our sandbox."""

from __future__ import annotations

import math
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.lm_eval.code_eval import CodeEval, pass_at, sandboxed

TEST = "assert add(2, 3) == 5"


@pytest.mark.slow  # starts Python in the sandbox
def test_programs_that_pass_and_that_do_not() -> None:
    right, wrong = "def add(a, b): return a + b", "def add(a, b): return a * b"
    rates, results = CodeEval().compute(
        references=[TEST, TEST], predictions=[[right, wrong], [wrong, wrong]], k=[1, 2, 3]
    )
    assert rates == {"pass@1": 0.25, "pass@2": 0.5}
    assert [row["passed"] for _, row in results[0]] == [True, False]
    assert results[1][0][1]["result"].startswith("failed: AssertionError")


@given(st.integers(1, 60), st.data())
def test_the_chance_is_that_of_drawing(total: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, total))
    assert math.isclose(pass_at(total, passed, 1), passed / total, abs_tol=1e-12)
    assert pass_at(total, passed, total) == (passed > 0)


@pytest.mark.skipif(find_spec("evaluate") is None, reason="needs lm-eval (tox installs it)")
def test_only_code_eval_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluate  # type: ignore[import-untyped]  # it has no types

    monkeypatch.setattr(evaluate, "load", lambda name, *args: (name, *args))
    with sandboxed():
        assert isinstance(evaluate.load("code_eval"), CodeEval)
        assert evaluate.load("bleu", 1) == ("bleu", 1)
    assert evaluate.load("code_eval") == ("code_eval",)
