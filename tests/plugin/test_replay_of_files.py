"""--llm-replay of runs whose benchmarks were files of questions."""

from __future__ import annotations

import pytest

from pytest_llmeval.__main__ import main

ECHO = ("--llm-model=echo", "--llm-cache-dir=cache", "--llm-run-name=first")
QUIZ = "my data/quiz.csv"
EXAM = "--llm-benchmark=my data/exam.csv"


@pytest.fixture(autouse=True)
def files(pytester: pytest.Pytester) -> None:
    (pytester.path / "my data").mkdir()
    for name in ("quiz", "exam"):
        path = pytester.path / "my data" / f"{name}.csv"
        path.write_text("question,A,B,answer\none?,a,b,A\n", "utf-8")


@pytest.mark.parametrize("form", [(f"--llm-benchmark={QUIZ}",), ("--llm-benchmark", QUIZ)])
def test_the_message_names_the_files(pytester: pytest.Pytester, form: tuple[str, ...]) -> None:
    assert pytester.runpytest(*ECHO, *form, EXAM).ret == 0
    done = pytester.runpytest("--llm-replay=first")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        [
            "*--llm-replay: first asked quiz, exam; name the files or folders of questions again: "
            "--llm-benchmark='my data/quiz.csv' --llm-benchmark='my data/exam.csv'"
        ]
    )
    assert pytester.runpytest("--llm-replay=first", *form, EXAM).ret == 0


def test_a_command_that_names_no_file(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.llmeval]\nbenchmarks = ["my data/quiz.csv"]')
    assert pytester.runpytest(*ECHO).ret == 0
    (pytester.path / "pyproject.toml").unlink()
    done = pytester.runpytest("--llm-replay=first")
    done.stderr.fnmatch_lines(["*first asked quiz; name * again: --llm-benchmark=PATH"])


def test_a_name_that_the_run_does_not_have(pytester: pytest.Pytester) -> None:
    assert pytester.runpytest(*ECHO, "--llm-benchmark=my data/quiz.csv").ret == 0
    done = pytester.runpytest("--llm-replay=first", "--llm-benchmark=quis")
    done.stderr.fnmatch_lines(["*unknown benchmark 'quis'*"])


def test_reread(pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    assert pytester.runpytest(*ECHO, "--llm-benchmark=my data/quiz.csv").ret == 0
    capsys.readouterr()
    assert main(["reread", "first"]) != 0
    assert "--llm-benchmark='my data/quiz.csv'" in capsys.readouterr().err
