"""Options that are misspelt."""

from __future__ import annotations

import pytest

from pytest_llmeval.plugin.command_line import misspelt_options
from tests.support.workers import WORKERS


@pytest.mark.parametrize(
    ("argument", "option"),
    [
        ("--llm-modle=echo", "--llm-model"),
        ("--llm-limt", "--llm-limit"),
        ("--llm-fail_under=0.5", "--llm-fail-under"),
        ("--llm_benchmark=mini", "--llm-benchmark"),
        ("--llmmodel", "--llm-model"),
        ("--LLM-MODEL=echo", "--llm-model"),
        ("--lm-model=echo", "--llm-model"),
        ("--model=echo", "--llm-model"),
        ("--limit=3", "--llm-limit"),
        ("--llm-lst", "--llm-list"),
        ("--new-benchmark=x", "--llm-new-benchmark"),
    ],
)
def test_the_right_name(argument: str, option: str) -> None:
    name = argument.partition("=")[0]
    assert misspelt_options([argument]) == f"unknown option {name}; did you mean {option}?"


def test_options_of_nobody() -> None:
    assert misspelt_options(["--cov=src", "--color-x", "echo", "-z", ""]) == ""
    assert misspelt_options(["--llm-zzz\x1b[2J"]) == (
        "unknown option --llm-zzz [2J; pytest --help lists all --llm options"
    )


def test_several() -> None:
    line = misspelt_options(["--llm-modle", "echo", "--llm-limt=3"])
    assert line == (
        "unknown option --llm-modle; did you mean --llm-model?; "
        "unknown option --llm-limt; did you mean --llm-limit?"
    )


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_run_is_refused_with_one_line(pytester: pytest.Pytester, xdist: str) -> None:
    done = pytester.runpytest("--llm-modle=echo", xdist)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in done.errlines if line] == [
        "ERROR: unknown option --llm-modle; did you mean --llm-model?"
    ]


def test_in_addopts(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --llm-modle=echo\n")
    done = pytester.runpytest()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: unknown option --llm-modle; did you mean --llm-model?"])


def test_an_option_of_a_conftest_is_not_misspelt(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_addoption(parser):\n    parser.addoption('--llm-modle')\n")
    pytester.makepyfile("def test(pytestconfig): assert pytestconfig.option.llm_modle == 'x'")
    assert pytester.runpytest("--llm-modle=x").ret == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_comes_first(pytester: pytest.Pytester, option: str) -> None:
    assert pytester.runpytest("--llm-modle=x", option).ret == 0


def test_other_plugins_options_are_pytest_s_business(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest("--nonsense")
    done.stderr.fnmatch_lines(["*unrecognized arguments: --nonsense"])
