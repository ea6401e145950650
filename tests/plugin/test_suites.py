"""Suites: ``--llm-benchmark=suite:NAME``."""

from __future__ import annotations

import pytest

from pytest_llmeval.config.benchmark_suites import packaged_suites
from pytest_llmeval.suites import catalog
from tests.support.tiny_benchmark import results
from tests.support.tiny_variants import ECHO, write_variants
from tests.support.workers import WORKERS

SUITES = """
[suites.ours]
description = "what we look at"
benchmarks = ["tiny@bare", "tiny:hard", "quiz.csv"]
weights = {"quiz.csv" = 2}
"""


@pytest.fixture(autouse=True)
def ours(pytester: pytest.Pytester) -> None:
    write_variants(pytester.path / "tiny")
    (pytester.path / "quiz.csv").write_text("question,A,B,answer\none?,x,y,A\ntwo?,x,y,A\n")
    (pytester.path / "llmeval.toml").write_text(SUITES)


def test_each_packaged_suite_names_packaged_benchmarks() -> None:
    named = {name for suite in packaged_suites().values() for name in suite.benchmarks}
    assert named <= set(catalog.packaged())
    assert set(packaged_suites()) == {"core", "chinese", "base", "math", "code"}


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_row_for_each_benchmark_and_the_average(pytester: pytest.Pytester, xdist: str) -> None:
    done = pytester.runpytest(*ECHO, "--llm-benchmark=suite:ours", xdist)
    assert done.ret == 0
    content = results(pytester)
    assert [result["benchmark"] for result in content["results"]] == ["tiny@bare", "tiny", "quiz"]
    (suite,) = content["suites"]
    rows = [(row["benchmark"], row["parts"], row["weight"], row["accuracy"]) for row in suite["benchmarks"]]
    assert rows == [("tiny@bare", [], 1, 0.5), ("tiny", ["hard"], 1, 0.5), ("quiz", [], 2, 1)]
    assert (suite["suite"], suite["model"], suite["average"]) == ("ours", "echo", 0.75)
    done.stdout.fnmatch_lines(["suite ours*echo", "benchmark*", "*tiny:hard*", "weighted average *75.0%*"])
    folder = pytester.path / "reports/latest"
    assert "| **weighted average** |" in (folder / "summary.md").read_text("utf-8")
    assert '<section id="suites">' in (folder / "report.html").read_text("utf-8")


def test_a_replay_has_the_conditions_of_each_benchmark(pytester: pytest.Pytester) -> None:
    assert pytester.runpytest(*ECHO, "--llm-benchmark=suite:ours", "--llm-run-name=first").ret == 0
    first = results(pytester)
    done = pytester.runpytest("--llm-replay=first", "--llm-benchmark=suite:ours")
    assert done.ret == 0
    again = results(pytester)
    assert [result["shots"] for result in again["results"]] == [0, 1, 0]
    assert again["suites"] == first["suites"]
    done.stdout.no_fnmatch_line("*not scored as in*")


def test_two_models_and_a_whole_benchmark_beside_its_part(pytester: pytest.Pytester) -> None:
    (pytester.path / "llmeval.toml").write_text(SUITES + '[models.two]\nbackend = "echo"\n')
    options = ("--llm-benchmark=suite:ours", "--llm-benchmark=tiny", "--llm-model=two")
    assert pytester.runpytest(*ECHO, *options).ret == 0
    content = results(pytester)
    assert [suite["model"] for suite in content["suites"]] == ["echo", "two"]
    assert {result["counts"]["requested"] for result in content["results"]} == {8, 2}
    assert content["suites"][0]["benchmarks"][1]["counts"]["requested"] == 4  # tiny:hard


def test_a_benchmark_without_data_is_left_out(pytester: pytest.Pytester) -> None:
    far = pytester.mkdir("far")
    (far / "benchmark.toml").write_text(
        "[data]\npaths = ['far.csv']\ninside = false\n[prompts.generate]\nuser = '{{ question }}'\n"
    )
    (pytester.path / "llmeval.toml").write_text('[suites.wide]\nbenchmarks = ["quiz.csv", "far"]\n')
    done = pytester.runpytest(*ECHO, "--llm-benchmark=suite:wide")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*far left out: *", "no average: far was not run"])
    (suite,) = results(pytester)["suites"]
    assert (suite["average"], suite["missing"]) == (None, "far was not run")
    named = pytester.runpytest(*ECHO, "--llm-benchmark=suite:wide", "--llm-benchmark=far")
    assert named.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[suites.x]\n", "*[[]suites.x]: benchmarks is missing*"),
        ("[suites.x]\nbenchmarks = []\n", "*[[]suites.x]: benchmarks: the list is empty"),
        ("[suites]\nx = 1\n", "*[[]suites.x] must be a table"),
        ("[suites.x]\nbenchmarks = ['suite:y']\n", "*a suite cannot contain another one"),
        ("[suites.x]\nbenchmarks = ['tiny']\nweights = {tinny = 2}\n", "*'tinny'*did you mean 'tiny'*"),
        ("[suites.x]\nbenchmarks = ['tiny']\nweights = {tiny = 0}\n", "*weights: *numbers above 0*"),
        ("[suites.x]\nbenchmarks = ['tiny']\nweight = {tiny = 1}\n", "*unknown key 'weight'*'weights'*"),
        ("[suites.x]\nbenchmarks = ['tinny']\n", "*unknown benchmark 'tinny'*"),
        ("", "*unknown suite 'x'; known: *core*"),
    ],
)
def test_mistakes(pytester: pytest.Pytester, toml: str, message: str) -> None:
    (pytester.path / "llmeval.toml").write_text(toml)
    done = pytester.runpytest(*ECHO, "--llm-benchmark=suite:x")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: " + message])


def test_the_list_and_a_run_of_the_file(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--llm-list=suite").stdout.fnmatch_lines(
        ["suites:", "*suite:ours * what we look at:*"]
    )
    toml = SUITES + '[runs.all]\nmodels = ["echo"]\nbenchmarks = ["suite:ours"]\n'
    (pytester.path / "llmeval.toml").write_text(toml)
    assert pytester.runpytest("--llm-run=all", "--llm-cache-dir=cache").ret == 0
    assert results(pytester)["suites"][0]["suite"] == "ours"
