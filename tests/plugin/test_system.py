"""System prompts: ``--llm-system``, ``system`` of a model, and ``system`` of a benchmark."""

from __future__ import annotations

import pytest

from tests.support.tiny_benchmark import TOML, questions, results
from tests.support.tiny_variants import ECHO, write_variants
from tests.support.workers import WORKERS

TINY = "--llm-benchmark=tiny"
#: a backend whose answers are the turns that it was sent
SHOWS = """
from pytest_llmeval import Completion
from pytest_llmeval.models.base import run_batches

class Shows:
    window = 8
    def check(self): pass
    def identity(self): return "shows"
    def store_key(self, digest): return "shows"
    def run(self, jobs): run_batches(jobs, self.answer, 8)
    def answer(self, batch):
        for job in batch:
            job.finish(Completion(text="/".join(turn.content for turn in job.request.prompt.messages)))

def pytest_llmeval_make_model(config, cache_dir):
    return Shows() if config.backend == "shows" else None
"""
SYSTEM = 'system = "You answer {{ subject_name }}."\n'


@pytest.fixture(autouse=True)
def tiny(pytester: pytest.Pytester) -> None:
    write_variants(pytester.path / "tiny", SYSTEM + TOML)
    (pytester.path / "llmeval.toml").write_text(
        '[models.own]\nbackend = "echo"\nsystem = "Its own."\n[models.bare]\nbackend = "echo"\nsystem = ""\n'
    )


def first_turns(pytester: pytest.Pytester) -> dict[str, str]:
    """The beginning of the prompt of the first question, by model."""
    rows = {row["model"]: row["prompt"] for row in reversed(questions(pytester))}
    return {model: prompt.partition("\n\n")[0] for model, prompt in rows.items()}


@pytest.mark.parametrize("xdist", WORKERS)
def test_the_option_beats_the_model_and_the_model_the_benchmark(
    pytester: pytest.Pytester, xdist: str
) -> None:
    models = (*ECHO, "--llm-model=own", "--llm-model=bare", TINY, xdist)
    done = pytester.runpytest(*models)
    assert done.ret == 0
    shown = first_turns(pytester)
    assert shown["echo"] == "[system]\nYou answer Birds."
    assert shown["own"] == "[system]\nIts own."
    assert shown["bare"].startswith("[user]")
    systems = {result["model"]: result["system"] for result in results(pytester)["results"]}
    assert systems == {"echo": None, "own": "Its own.", "bare": ""}
    done.stdout.fnmatch_lines(["system prompt: Its own."])
    page = (pytester.path / "reports/latest/report.html").read_text("utf-8")
    assert "system prompt: Its own." in page
    assert pytester.runpytest(*models, "--llm-system=Be brief.").ret == 0
    assert set(first_turns(pytester).values()) == {"[system]\nBe brief."}


def test_answers_are_stored_apart(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SHOWS)
    shows = ("--llm-model=shows:x", "--llm-cache-dir=cache", TINY)
    for system, cached in (("a", 0), ("b", 0), ("a", 8)):
        assert pytester.runpytest(*shows, f"--llm-system={system}").ret == 0
        assert results(pytester)["results"][0]["cached"] == cached


def test_runs_with_different_ones_are_not_compared(pytester: pytest.Pytester) -> None:
    assert pytester.runpytest(*ECHO, TINY, "--llm-system=Be brief.", "--llm-run-name=before").ret == 0
    done = pytester.runpytest(*ECHO, TINY, "--llm-baseline=before")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["ERROR: tiny cannot be compared with before: system prompt 'Be brief.' then, the benchmark's *now*"]
    )
    assert pytester.runpytest(*ECHO, TINY, "--llm-baseline=before", "--llm-system=Be brief.").ret == 0
    replay = pytester.runpytest("--llm-replay=before", "--llm-run-name=again", TINY)
    assert replay.ret == 0
    assert results(pytester)["results"][0]["system"] == "Be brief."


def test_plain_text_has_none(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest(*ECHO, TINY, "--llm-mode=logprob", "--llm-system=Be brief.")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: --llm-system needs chat turns; *"])
    done = pytester.runpytest("--llm-model=own", TINY, "--llm-mode=logprob")
    done.stderr.fnmatch_lines(["ERROR: the system prompt of own needs chat turns; *"])
    # the benchmark's own is for the mode that has turns
    assert pytester.runpytest(*ECHO, TINY, "--llm-mode=logprob").ret == 0


def test_prompts_without_a_model(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest(TINY, "--llm-show-prompts", "--llm-system=Be brief.", "--llm-limit=1")
    done.stdout.fnmatch_lines(["[[]system]", "Be brief."])


def test_rows_of_chat_turns(pytester: pytest.Pytester) -> None:
    rows = [
        '{"answer": "a", "messages": [{"role": "system", "content": "Row."}, '
        '{"role": "user", "content": "a?"}]}',
        '{"messages": [{"role": "user", "content": "b?"}], "answer": "b"}',
    ]
    folder = pytester.mkdir("chat")
    (folder / "chat.jsonl").write_text("\n".join(rows))
    (folder / "benchmark.toml").write_text('system = "Common."\n[data]\npaths = ["chat.jsonl"]\n')
    for option, turns in ((), ["Row.", "Common."]), (("--llm-system=Mine.",), ["Mine.", "Mine."]):
        done = pytester.runpytest("--llm-benchmark=chat", "--llm-show-prompts", *option)
        lines = done.stdout.lines
        assert [lines[at + 1] for at, line in enumerate(lines) if line == "[system]"] == turns


def test_tests_of_ones_own(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(SHOWS)
    pytester.makepyfile(
        "def test_generate(llm):\n"
        "    assert llm.generate('x').text == 'S/x'\n"
        "    own = [{'role': 'system', 'content': 'own'}, {'role': 'user', 'content': 'x'}]\n"
        "    assert llm.generate(own).text == 'own/x'\n"
    )
    done = pytester.runpytest("--llm-model=shows:x", "--llm-system=S", "--llm-cache-dir=cache")
    done.assert_outcomes(passed=1)


def test_two_in_one_benchmark(pytester: pytest.Pytester) -> None:
    toml = SYSTEM + TOML.replace("[prompts.generate]", '[prompts.generate]\nsystem = "x"')
    write_variants(pytester.path / "tiny", toml)
    done = pytester.runpytest(*ECHO, TINY)
    done.stderr.fnmatch_lines(["*system and [[]prompts.generate] system are the same; give one of them"])
