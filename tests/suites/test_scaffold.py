"""``--llm-new-benchmark``: each starter runs as it is, and nothing is overwritten."""

from __future__ import annotations

import shlex

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.scoring import registry
from pytest_llmeval.suites.catalog import load
from pytest_llmeval.suites.scaffold import write_benchmark
from pytest_llmeval.suites.starters import starter
from tests.support.tiny_benchmark import questions, results


@pytest.mark.parametrize("metric", [None, "choices", "exact", "contains", "number", "judge"])
def test_a_new_benchmark_runs_at_once(pytester: pytest.Pytester, metric: str | None) -> None:
    option = [] if metric is None else [f"--llm-metric={metric}"]
    done = pytester.runpytest("--llm-new-benchmark=mine", *option)
    assert done.ret == 0
    command = next(line for line in done.outlines if line.startswith("  pytest "))
    assert pytester.runpytest(*shlex.split(command)[1:], "--llm-cache-dir=cache").ret == 0
    assert len(questions(pytester)) == 3
    assert results(pytester)["results"][0]["metric"] == (metric or "choice")


@pytest.mark.parametrize("metric", ["choice", "choices", "exact", "number", "math", "code", "judge", "em"])
def test_the_rows_fit_their_benchmark(pytester: pytest.Pytester, metric: str) -> None:
    from pytest_llmeval.suites.splits import load_questions, locate

    write_benchmark("mine", metric, pytester.path)
    benchmark = load(pytester.path / "mine")
    layout = locate(benchmark, "test", None, pytester.path)
    rows = load_questions(benchmark, layout, "test").questions
    assert (benchmark.metric.name, len(rows)) == (metric, 3)
    assert [row.problem for row in rows] == [None] * 3
    assert [registry.gold_problem(metric, row.answer or "") for row in rows] == [None] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--llm-new-benchmark=mini"], "mini is a packaged benchmark; choose another name"),
        (["--llm-new-benchmark=a/gsm8k"], "gsm8k is a packaged benchmark; choose another name"),
        (["--llm-new-benchmark=taken"], "*taken already exists; choose another name"),
        (["--llm-new-benchmark=a b"], "a name has only ASCII letters, digits, - and _"),
        (["--llm-new-benchmark=x", "--llm-metric=nmber"], "did you mean 'number'?"),
        (["--llm-new-benchmark=x", "--llm-metric=json"], "there is no example for this metric; *"),
    ],
)
def test_a_name_that_cannot_be_used(pytester: pytest.Pytester, arguments: list[str], message: str) -> None:
    (pytester.mkdir("taken") / "notes.txt").touch()
    done = pytester.runpytest(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: *{message}"])
    assert not (pytester.path / "x").exists()


def test_each_metric_has_a_starter_or_says_that_there_is_none() -> None:
    without = set()
    for metric in registry.metrics():
        try:
            assert starter(metric).rows
        except UserError:
            without.add(metric)
    assert without == {"agreement", "choice_list", "ifeval", "json", "probability_mass", "quantity"}
