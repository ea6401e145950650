"""Several tests that ask one benchmark: each has a result with its own name, ids, gates and baselines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

ECHO = "--llm-model=echo"
ANSWER = """
@pytest.mark.llmeval("tiny")
def test_answer(question, llm):
    assert llm.answer(question) == question.answer
"""
SHORT = """
@pytest.mark.llmeval("tiny")
def test_short(question, llm):
    assert len(llm.complete(question).text) < 100
"""


def write(pytester: pytest.Pytester, *tests: str, name: str = "test_tiny") -> None:
    pytester.makepyfile(**{name: "\n".join(["import pytest", *tests])})


def counts(pytester: pytest.Pytester) -> dict[str, tuple[int, int]]:
    """Correct and requested of each result."""
    rows = results(pytester)["results"]
    return {row["benchmark"]: (row["counts"]["correct"], row["counts"]["requested"]) for row in rows}


def ids(pytester: pytest.Pytester) -> list[str]:
    return [row["id"] for row in questions(pytester)]


@pytest.mark.parametrize("xdist", WORKERS)
def test_each_test_has_a_result(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    write(pytester, ANSWER, SHORT)
    done = pytester.runpytest(ECHO, xdist, "--llm-fail-under=0.5", "--llm-fail-under=tiny/test_short:birds=1")
    assert done.ret == 1
    assert counts(pytester) == {"tiny/test_answer": (2, 8), "tiny/test_short": (8, 8)}
    assert results(pytester)["run"]["complete"] is True
    assert [row["test"] for row in results(pytester)["results"]] == ["test_answer", "test_short"]
    assert len(set(ids(pytester))) == 16 and "tiny/test_short/birds/0" in ids(pytester)
    done.stdout.fnmatch_lines(
        [
            "tiny/test_answer * echo *",
            "tiny/test_short * echo *",
            "gate 0.5: FAIL [[]tiny/test_answer, echo]: 25.0%*",
            "gate 0.5: PASS [[]tiny/test_short, echo]: 100.0%*",
            "gate tiny/test_short:birds=1: PASS [[]echo]: 100.0% (4 of 4)*",
        ]
    )


def test_a_gate_on_the_benchmark_applies_to_each_test(pytester: pytest.Pytester, tiny: Path) -> None:
    write(pytester, ANSWER, SHORT)
    done = pytester.runpytest(ECHO, "--llm-fail-under=tiny=0.5")
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        [
            "gate tiny=0.5: FAIL [[]tiny/test_answer, echo]*",
            "gate tiny=0.5: PASS [[]tiny/test_short, echo]*",
        ]
    )
    verdicts = [(gate["benchmark"], gate["verdict"]) for gate in results(pytester)["gates"]]
    assert verdicts == [("tiny/test_answer", "fail"), ("tiny/test_short", "pass")]


def test_one_test_has_the_benchmarks_name(pytester: pytest.Pytester, tiny: Path) -> None:
    write(pytester, SHORT)
    done = pytester.runpytest(ECHO, "--llm-fail-under=tiny/test_short=0.9", "--llm-fail-under=tiny=0.9")
    assert done.ret == 0
    assert counts(pytester) == {"tiny": (8, 8)}
    assert "tiny/birds/0" in ids(pytester)
    assert "test" not in results(pytester)["results"][0] and "test" not in questions(pytester)[0]
    done.stdout.fnmatch_lines(["gate tiny/test_short=0.9: PASS [[]echo]*", "gate tiny=0.9: PASS [[]echo]*"])


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_gate_on_an_unknown_test(pytester: pytest.Pytester, tiny: Path, xdist: str) -> None:
    write(pytester, ANSWER, SHORT)
    done = pytester.runpytest(ECHO, xdist, "--llm-fail-under=tiny/test_shrt=0.5")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    output = done.stdout.str() + done.stderr.str()
    assert (
        "unknown test 'test_shrt' in --llm-fail-under=tiny/test_shrt=0.5; did you mean 'test_short'?"
        in output
    )
    assert not list(pytester.path.glob("reports/*/results.json"))


def test_a_selection_does_not_rename_a_result(pytester: pytest.Pytester, tiny: Path) -> None:
    write(pytester, ANSWER, SHORT)
    assert pytester.runpytest(ECHO, "-k", "test_short").ret == 0
    assert counts(pytester) == {"tiny/test_short": (8, 8)}


def test_tests_of_the_same_name(pytester: pytest.Pytester, tiny: Path) -> None:
    in_class = "class TestIt:\n" + SHORT.replace("\n", "\n    ").replace(
        "(question, llm)", "(self, question, llm)"
    )
    for name in ("test_one", "test_two"):
        write(pytester, SHORT, in_class, name=name)
    assert pytester.runpytest(ECHO).ret == 0
    assert list(counts(pytester)) == [
        "tiny/test_one/test_short",
        "tiny/test_one/TestIt/test_short",
        "tiny/test_two/test_short",
        "tiny/test_two/TestIt/test_short",
    ]


def test_values_of_another_parameter(pytester: pytest.Pytester, tiny: Path) -> None:
    write(
        pytester,
        """
@pytest.fixture(params=[1, 2])
def number(request):
    return request.param

@pytest.mark.llmeval("tiny")
@pytest.mark.parametrize("style", ["brief", object()])
def test_style(question, llm, style, number):
    assert (llm.answer(question) == question.answer) == (style == "brief")
""",
    )
    assert pytester.runpytest(ECHO).ret == 0
    assert sorted(counts(pytester).items()) == [
        ("tiny/test_style[1-brief]", (2, 8)),
        ("tiny/test_style[1-style1]", (6, 8)),
        ("tiny/test_style[2-brief]", (2, 8)),
        ("tiny/test_style[2-style1]", (6, 8)),
    ]
    # -k may select by the parameter's value, and a gate may name the function
    done = pytester.runpytest(ECHO, "-k", "brief", "--llm-fail-under=tiny/test_style=0.2")
    assert done.ret == 0
    assert sorted(counts(pytester)) == ["tiny/test_style[1-brief]", "tiny/test_style[2-brief]"]
    assert [gate["verdict"] for gate in results(pytester)["gates"]] == ["pass", "pass"]


def test_baselines_are_matched_by_test(pytester: pytest.Pytester, tiny: Path) -> None:
    write(pytester, SHORT)
    pytester.runpytest(ECHO, "--llm-run-name=one")
    write(pytester, ANSWER, SHORT)
    done = pytester.runpytest(ECHO, "--llm-run-name=both", "--llm-baseline=one")
    done.stdout.fnmatch_lines(["llmeval: the baseline one has no tiny/test_answer to compare with"])
    (comparison,) = results(pytester)["comparisons"]
    assert comparison["benchmark"] == "tiny/test_short"
    assert comparison["pairs"] == 8
    write(pytester, ANSWER)
    done = pytester.runpytest(ECHO, "--llm-baseline=both", "--llm-max-drop=0.5")
    assert done.ret == 0
    (comparison,) = results(pytester)["comparisons"]
    assert comparison["pairs"] == 8 and comparison["baseline"]["run"] == "both"
    done.stdout.no_fnmatch_line("*was asked by*")
    # another test, the only one of either run
    done = pytester.runpytest(ECHO, "--llm-baseline=one")
    done.stdout.fnmatch_lines(["llmeval: tiny was asked by test_answer, in the baseline by test_short"])


def test_a_replay_takes_each_tests_own_answers(pytester: pytest.Pytester, tiny: Path) -> None:
    write(pytester, ANSWER, ANSWER.replace("test_answer", "test_again"))
    pytester.runpytest(ECHO, "--llm-run-name=both")
    path = pytester.path / "reports/both/questions.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        if row["test"] == "test_again":
            row["text"] = row["target"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert pytester.runpytest("--llm-replay=both", "test_tiny.py").ret == 0
    assert counts(pytester) == {"tiny/test_answer": (2, 8), "tiny/test_again": (8, 8)}
    # without tests: the benchmark itself, once
    assert pytester.runpytest("--llm-replay=both").ret == 0
    assert list(counts(pytester)) == ["tiny"]


def test_tests_share_stored_answers(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makeconftest(
        """
        from pytest_llmeval import Completion, run_batches

        class Model:
            window = 1
            def check(self): pass
            def identity(self): return "counting"
            def store_key(self, digest): return "counting"
            def run(self, jobs):
                run_batches(jobs, self.answer, 1)
            def answer(self, batch):
                for job in batch:
                    with open("sent.txt", "a") as file:
                        file.write("x")
                    job.finish(Completion(text="A", finish_reason="stop"))

        def pytest_llmeval_make_model(config, cache_dir):
            return Model() if config.backend == "counting" else None
        """
    )
    (pytester.path / "llmeval.toml").write_text('[models.counting]\nbackend = "counting"\n')
    write(pytester, ANSWER, SHORT)
    assert pytester.runpytest("--llm-model=counting").ret == 0
    assert counts(pytester) == {"tiny/test_answer": (2, 8), "tiny/test_short": (8, 8)}
    assert (pytester.path / "sent.txt").read_text() == "x" * 8
