"""Questions with the same error: shown once by pytest, all of them in the files and for other plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.api_server import Reply, Server, completion, error
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

pytestmark = pytest.mark.usefixtures("sdk_loaded", "tiny")


def run(pytester: pytest.Pytester, server: Server, *more: str) -> pytest.RunResult:
    return pytester.runpytest(
        "--llm-model=openai:m",
        f"--llm-base-url={server.url}",
        "--llm-benchmark=tiny",
        "--llm-retries=0",
        "--llm-concurrency=1",
        *more,
    )


@pytest.fixture(autouse=True)
def without_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CI servers, pytest's summary repeats the messages that are counted here."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)


@pytest.mark.parametrize("xdist", WORKERS)
def test_one_section_and_one_line_for_all(pytester: pytest.Pytester, xdist: str) -> None:
    pytester.makeconftest(
        "def pytest_terminal_summary(terminalreporter):\n"
        "    print('others see', len(terminalreporter.stats.get('failed', ())))\n"
    )
    with Server(usual=error(500, "boom")) as server:
        server.script(Reply(completion()), Reply(completion()))
        done = run(pytester, server, xdist)
        assert done.ret == 1
        failed = 6
        assert results(pytester)["results"][0]["counts"]["error"] == failed
        text = done.stdout.str()
        assert text.count("after 1 attempt: status 500: boom") == 2  # a section of pytest's, a line of ours
        assert len([line for line in done.outlines if line.startswith("FAILED ")]) == 1
        done.stdout.fnmatch_lines(
            [
                "*= FAILURES =*",
                "*- the same error in 5 other questions -*",
                "tiny/*, tiny/*, tiny/*, ...; questions.jsonl has all errors",
                "others see 6",
                "FAILED *",
                "*= llmeval =*",
                "6 * no answer from *status 500: boom (tiny/*",
                "mean over questions *",
                "the same command asks only the 6 questions without an answer; the other answers are stored",
                "results: *",
                "report: *",
                "*6 failed*",
            ]
        )
        assert sum("boom" in str(row["error"]) for row in questions(pytester)) == failed
        # and it does
        server.usual = Reply(completion())
        asked = len(server.bodies)
        again = run(pytester, server, xdist)
        assert again.ret == 0 and len(server.bodies) - asked == failed
        assert "the same command" not in again.stdout.str()


def test_different_errors_are_shown(pytester: pytest.Pytester) -> None:
    with Server(usual=Reply(completion())) as server:
        server.script(Reply(completion()), error(500, "boom"), error(500, "bang"), error(500, "bang"))
        done = run(pytester, server, "--llm-no-cache")
    text = done.stdout.str()
    assert len([line for line in done.outlines if line.startswith("FAILED ")]) == 2
    assert text.count("status 500: boom") == text.count("status 500: bang") == 2
    assert "the same error in 1 other question" in text
    assert "the same command asks" not in text


def test_errors_of_a_test_keep_their_traceback(pytester: pytest.Pytester, tiny: Path) -> None:
    (tiny / "test_tiny.py").write_text(
        "import pytest\n"
        "@pytest.mark.llmeval('tiny')\n"
        "def test_tiny(question, llm):\n"
        "    llm.answer(question)\n"
        "    1 / 0\n"
        "def test_other():\n"
        "    assert False, 'not of a question'\n"
    )
    done = pytester.runpytest("--llm-model=echo", "tiny")
    text = done.stdout.str()
    assert text.count(">       1 / 0") == 1 and "the same error in 7 other questions" in text
    assert "not of a question" in text and "9 failed" in text


def test_strict_failures_are_not_errors(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", "--llm-strict")
    assert len([line for line in done.outlines if line.startswith("FAILED ")]) == 6
