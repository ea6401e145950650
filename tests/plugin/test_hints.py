"""A run in which nothing was asked says what to do, and options without an effect are refused."""

from __future__ import annotations

import pytest

from pytest_llmeval.config.models import BACKENDS
from pytest_llmeval.config.options import OPTIONS
from tests.support.tiny_benchmark import results
from tests.support.tiny_variants import ECHO, write_variants
from tests.support.workers import WORKERS

TINY = "--llm-benchmark=tiny"


@pytest.fixture(autouse=True)
def tiny(pytester: pytest.Pytester) -> None:
    write_variants(pytester.path / "tiny")


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_folder_without_benchmarks(pytester: pytest.Pytester, xdist: str) -> None:
    folder = pytester.mkdir("empty")
    done = pytester.runpytest(*ECHO, f"--rootdir={folder}", str(folder), xdist)
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    done.stdout.fnmatch_lines(
        ["llmeval: no benchmark was selected: name one with --llm-benchmark=NAME, such as *mini*"]
    )


def test_no_hint_without_a_model_or_beside_other_tests(pytester: pytest.Pytester) -> None:
    pytester.runpytest("empty").stdout.no_fnmatch_line("*no benchmark was selected*")
    pytester.makepyfile("def test_other(): pass\n")
    done = pytester.runpytest(*ECHO)
    assert done.ret == 0
    done.stdout.no_fnmatch_line("*no benchmark was selected*")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("-k", "hard", TINY), "*to ask the group or subject hard: --llm-benchmark=tiny:hard"),
        (("-k", "tiny and hard"), "*to ask the group or subject hard: --llm-benchmark=tiny:hard"),
        (("-k", "test_mmlu and astronomy"), "*subject astronomy: --llm-benchmark=mmlu:astronomy"),
        (("-k", "stem and nowhere"), "*group or subject stem: --llm-benchmark=*:stem or * ..."),
    ],
)
def test_a_part_is_no_keyword(pytester: pytest.Pytester, args: tuple[str, ...], line: str) -> None:
    done = pytester.runpytest(*ECHO, *args)
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    done.stdout.fnmatch_lines([line])


def test_a_keyword_that_selects_needs_no_hint(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest(*ECHO, TINY, "-k", "logic")
    assert done.ret == 0
    done.stdout.no_fnmatch_line("*to ask the group*")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--llm-base-url=http://localhost:9/v1",), "--llm-base-url has no effect on echo (echo)*openai*"),
        (("--llm-rate=1",), "--llm-rate has no effect on echo (echo)*"),
        (("--llm-device=cpu",), "--llm-device has no effect on echo (echo)*hf or serve or smollm2*"),
        (("--llm-model=hf:x", "--llm-top-p=0.5"), "--llm-top-p has no effect on echo (echo), x (hf)*"),
        (("--llm-judge=echo",), "--llm-judge=echo: no judge is needed: tiny is scored without one*"),
        (
            ("--llm-fail-under=mini=0.5",),
            "--llm-fail-under=mini=0.5: no question of mini *, only of tiny",
        ),
        (("--llm-fail-under=tiny@bare=0.5",), "--llm-fail-under=tiny@bare=0.5: no question of tiny@bare *"),
    ],
)
@pytest.mark.parametrize("xdist", WORKERS)
def test_options_without_an_effect(
    pytester: pytest.Pytester, args: tuple[str, ...], message: str, xdist: str
) -> None:
    done = pytester.runpytest(*ECHO, TINY, *args, xdist)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (done.stderr if xdist == "-n0" or "effect" in message else done.stdout).fnmatch_lines(
        [f"ERROR: {message}"]
    )
    assert not (pytester.path / "reports").exists()


def test_a_file_is_never_refused(pytester: pytest.Pytester) -> None:
    (pytester.path / "llmeval.toml").write_text(
        "rate = 1\ndevice = 'cpu'\nbase_url = 'http://localhost:9/v1'\njudge = {model = 'echo'}\n"
        "[gates]\nmini = 0.5\n"
    )
    assert pytester.runpytest(*ECHO, TINY).ret == 0
    assert results(pytester)["gates"][0]["verdict"] == "not_run"


def test_one_model_is_enough(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest(*ECHO, "--llm-model=hf:nowhere", TINY, "--llm-device=cpu")
    done.stderr.no_fnmatch_line("*has no effect*")


def test_a_baseline_of_another_benchmark(pytester: pytest.Pytester) -> None:
    assert pytester.runpytest(*ECHO, "--llm-benchmark=mini", "--llm-run-name=before").ret == 0
    done = pytester.runpytest(*ECHO, TINY, "--llm-baseline=before")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: --llm-baseline=before: before asked mini, and this run asks tiny"])


def test_the_marks_of_options_name_backends() -> None:
    marked = {option.key: set(option.backends) for option in OPTIONS if option.backends}
    assert all(backends <= set(BACKENDS) for backends in marked.values())
    assert marked["rate"] == {"openai", "serve"}
    assert "max_tokens" not in marked
