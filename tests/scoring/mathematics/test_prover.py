"""The worker of math-verify: time limits, threads, and text that wants to be Python."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pytest_llmeval.scoring.mathematics import prover

pytest.importorskip("math_verify")


def test_equal_and_different_formulas() -> None:
    assert prover.prove(r"\frac{2}{\sqrt{2}}", r"\sqrt{2}", 5).equal
    proof = prover.prove(r"\sqrt{2}", r"\sqrt{3}", 5)
    assert not proof.equal
    assert (proof.gold or "")[:6] == "1.4142"


@pytest.mark.parametrize(
    "hostile",
    [r"9^{9^{9}}", r"9^{9^{9^{9}}}", r"(10^{10})!", r"2^{-9^{9^{9}}}", r"\operatorname{eye}(100000)"],
)
def test_the_time_limit_cannot_be_escaped(hostile: str) -> None:
    assert "more than 0.5 s" in prover.prove(hostile, r"\sqrt{2}", 0.5).problem
    assert prover.prove(r"x+\pi", r"\pi+x", 5).equal


def test_nested_roots_end() -> None:
    deep = r"\sqrt{2+" * 50 + "x" + "}" * 50
    assert not prover.prove(deep, deep.replace("x", "y"), 2).equal
    assert not prover.prove(r"\sqrt{" * 500 + "2" + "}" * 500, "3", 2).equal


@pytest.mark.parametrize(
    "wrapped", ["{}", r"\text{{{}}}", r"\operatorname{{{}}}(1)", r"f_{{{}}}", r"\mathrm{{{}}}+1"]
)
def test_text_is_never_evaluated(tmp_path: Path, wrapped: str) -> None:
    created = tmp_path / "created"
    for text in (f"__import__('pathlib').Path('{created}').touch()", f"open('{created}', 'w')"):
        assert not prover.prove(wrapped.replace("{}", text), "1", 2).equal
        assert not prover.prove("1", wrapped.replace("{}", text), 2).equal
    assert not created.exists()


def test_threads_share_a_worker() -> None:
    results: list[bool] = []

    def ask(number: int) -> None:
        results.append(prover.prove(rf"\sqrt{{{number * number}}}", rf"{number}", 5).equal)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_a_worker_that_dies_is_started_again() -> None:
    assert prover.prove("a+b", "b+a", 5).equal
    process = prover._SHARED._process
    assert process is not None
    process.kill()
    process.wait()
    assert prover.prove("a+c", "c+a", 5).equal
