"""Every question asked several times: one item a question, an answer each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.analysis.majority import majority_index
from pytest_llmeval.analysis.stats import effective, wilson
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.models.openai.extra_fields import ExtraFields
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

#: a model that gives the letters of its name one after another, - for no letter and ! for an error
CONFTEST = """
from pytest_llmeval import Completion, run_batches

def answer(letters, request):
    letter = letters[request.repeat % len(letters)]
    return Completion(error="no answer today") if letter == "!" else Completion(
        text="I cannot say" if letter == "-" else letter, finish_reason="stop", prompt_tokens=10,
        completion_tokens=1, latency_s=0.5,
    )

class Moody:
    window = 16
    def __init__(self, letters): self.letters = letters
    def check(self): pass
    def identity(self): return "moody"
    def store_key(self, digest): return self.letters
    def run(self, jobs):
        run_batches(jobs, lambda batch: [job.finish(answer(self.letters, job.request)) for job in batch], 16)

def pytest_llmeval_make_model(config, cache_dir):
    return Moody(config.target) if config.backend == "moody" else None
"""


@pytest.fixture
def moody(pytester: pytest.Pytester, tiny: Path) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    (pytester.path / "llmeval.toml").write_text(
        '[models.moody]\nbackend = "moody"\npath = "ABA"\n[models.lost]\nbackend = "moody"\npath = "A!-"\n'
    )
    return pytester


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_run(moody: pytest.Pytester, xdist: str) -> None:
    done = moody.runpytest(
        "--llm-model=moody", "--llm-benchmark=tiny", "--llm-repeats=3", "--llm-temperature=1", xdist
    )
    assert done.ret == 0
    # each item counts once in pytest's line, as the majority says
    done.stdout.fnmatch_lines(
        [
            "3 answers per question: pass@1 25.0%, pass@2 41.7%, pass@3 50.0%,",
            "  majority vote 25.0%",
            "4 flip between correct and wrong: tiny/birds/0, tiny/birds/1, tiny/logic/0,*",
            "*2 correct, 6 wrong*",
        ]
    )
    assert "mostly identical" not in done.stdout.str()
    (result,) = results(moody)["results"]
    # 8 questions, 3 answers each; A is right for two of them, and B for two others
    assert result["counts"]["requested"] == 24 and result["counts"]["correct"] == 2 * 2 + 2 * 1
    assert result["accuracy"] == 0.25
    assert result["repeats"]["times"] == 3
    assert result["repeats"]["pass_at"] == pytest.approx(
        {"1": 2 / 8, "2": (2 * 1 + 2 * 2 / 3) / 8, "3": 4 / 8}
    )
    assert result["repeats"]["majority"] == 0.25
    assert result["repeats"]["flipped"] == ["tiny/birds/0", "tiny/birds/1", "tiny/logic/0", "tiny/logic/1"]
    # the repeats of a question are no new questions
    assert tuple(result["interval"]) == pytest.approx(
        wilson(*effective([(2, 3), (1, 3), (0, 3), (0, 3)] * 2))
    )
    assert result["latency_s"]["mean"] == 0.5 and result["tokens"]["prompt"] == 240
    assert results(moody)["run"]["complete"] is True
    lines = questions(moody)
    assert [(line["id"], line.get("repeat", 0)) for line in lines[:4]] == [
        ("tiny/birds/0", 0),
        ("tiny/birds/0", 1),
        ("tiny/birds/0", 2),
        ("tiny/birds/1", 0),
    ]
    assert [line["answer"] for line in lines] == ["A", "B", "A"] * 8


def test_gates_and_baselines_know_of_repeats(moody: pytest.Pytester) -> None:
    args = ("--llm-model=moody", "--llm-benchmark=tiny", "--llm-repeats=3", "--llm-temperature=1")
    assert moody.runpytest(*args, "--llm-run-name=base", "--llm-fail-under=0.25").ret == 0
    done = moody.runpytest(*args, "--llm-limit=3", "--llm-fail-under=0.25")
    done.stdout.fnmatch_lines(["gate 0.25: INCOMPLETE*6 of 8 questions were asked*"])
    done = moody.runpytest(*args, "--llm-baseline=base", "--llm-max-drop=0.9")
    assert done.ret == 0
    (found,) = results(moody)["comparisons"]
    assert (found["pairs"], found["before"]) == (8, pytest.approx(0.25))
    # each flips from right to wrong, or back, by the chance of 2/3 times 1/3
    assert [found["fixed"], found["broken"], found["change"]] == pytest.approx([8 / 9, 8 / 9, 0.0])
    assert found["fixed_questions"] == found["broken_questions"] == []


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_time_without_an_answer_is_an_error_and_the_others_count(
    moody: pytest.Pytester, xdist: str
) -> None:
    done = moody.runpytest("--llm-model=lost", "--llm-benchmark=tiny", "--llm-repeats=3", xdist)
    assert done.ret == 1
    (result,) = results(moody)["results"]
    assert result["counts"] == {
        "requested": 24,
        "correct": 2,
        "wrong": 6,
        "unparsed": 8,
        "answered": 0,
        "error": 8,
    }
    assert results(moody)["run"]["complete"] is False
    assert sum(line["error"] is not None for line in questions(moody)) == 8
    # of two answers there is no pass@3
    assert list(result["repeats"]["pass_at"]) == ["1", "2"]
    done.stdout.fnmatch_lines(["llmeval: lost: at temperature 0 repeats are mostly identical*"])


@pytest.mark.parametrize("xdist", WORKERS)
def test_errors_are_counted_by_question(moody: pytest.Pytester, xdist: str) -> None:
    """Each of the eight questions has an error in one of three repeats."""
    args = ("--llm-model=lost", "--llm-benchmark=tiny", "--llm-repeats=3", "--llm-fail-under=0.01", xdist)
    assert moody.runpytest(*args, "--llm-allow-errors=7").ret == 1
    (gate,) = results(moody)["gates"]
    assert (gate["verdict"], gate["reason"]) == ("incomplete", "8 of 24 answers ended in an error")
    assert results(moody)["run"]["complete"] is False
    assert moody.runpytest(*args, "--llm-allow-errors=8").ret == 0
    assert results(moody)["gates"][0]["verdict"] == "pass"
    assert results(moody)["run"]["complete"] is True


def test_errors_in_all_repeats_are_one(moody: pytest.Pytester) -> None:
    (moody.path / "llmeval.toml").write_text('[models.lost]\nbackend = "moody"\npath = "!"\n')
    args = ("--llm-model=lost", "--llm-benchmark=tiny", "--llm-repeats=3", "--llm-limit=1")
    assert moody.runpytest(*args, "--llm-allow-errors=1").ret == 1
    assert moody.runpytest(*args, "--llm-allow-errors=2").ret == 0
    assert results(moody)["run"]["complete"] is True


def test_a_replay_has_all_repeats_again(moody: pytest.Pytester) -> None:
    moody.runpytest("--llm-model=moody", "--llm-benchmark=tiny", "--llm-repeats=3", "--llm-run-name=first")
    first = results(moody)["results"][0]
    assert moody.runpytest("--llm-replay=first", "--llm-benchmark=tiny").ret == 0
    again = results(moody)["results"][0]
    for name in ("counts", "accuracy", "interval", "repeats"):
        assert again[name] == first[name], name


def test_every_repeat_is_stored_and_the_first_is_shared_with_runs_that_ask_once(
    pytester: pytest.Pytester,
) -> None:
    from pytest_llmeval.core.types import ChatPrompt, Message, Request
    from pytest_llmeval.runtime.store import request_key

    prompt = ChatPrompt((Message("user", "?"),))
    keys = [request_key("m", Request(prompt, temperature=1, repeat=repeat)) for repeat in range(3)]
    assert len(set(keys)) == 3 and keys[0] == request_key("m", Request(prompt, temperature=1))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--llm-repeats=0",), "a whole number of at least 1"),
        (("--llm-repeats=2", "--llm-mode=logprob"), "--llm-repeats needs --llm-mode=generate"),
    ],
)
def test_mistakes_are_one_line(
    pytester: pytest.Pytester, tiny: Path, args: tuple[str, ...], says: str
) -> None:
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=tiny", *args)
    assert done.ret == 4
    (line,) = [line for line in (done.errlines + done.outlines) if line.startswith("ERROR")]
    assert says in line


@pytest.mark.parametrize(
    ("said", "voted"),
    [
        ("A", 0),
        ("BAA", 1),
        ("AB", 0),
        ("BACA", 1),
        # what was not read or not answered has no vote, unless nothing was
        ("--A", 2),
        ("!-B", 2),
        ("!--", 1),
        ("!!", 0),
    ],
)
def test_the_first_of_the_most_frequent_answers_stands_for_all(said: str, voted: int) -> None:
    made = {"A": Outcome.CORRECT, "-": Outcome.UNPARSED, "!": Outcome.ERROR}
    assert majority_index([(made.get(s, Outcome.WRONG), s if s.isalpha() else None) for s in said]) == voted


def test_what_came_from_the_store_and_latencies_are_of_answers(moody: pytest.Pytester) -> None:
    args = ("--llm-model=moody", "--llm-benchmark=tiny", "--llm-repeats=3", "--llm-temperature=1")
    assert moody.runpytest(*args, "--llm-repeats=2").ret == 0
    done = moody.runpytest(*args)
    done.stdout.fnmatch_lines(["*16 of 24 answers from the store*"])
    (result,) = results(moody)["results"]
    assert result["cached"] == 16 and result["latency_s"]["mean"] == 0.5
    done = moody.runpytest(*args)
    done.stdout.fnmatch_lines(["*24 of 24 answers from the store*"])
    assert results(moody)["results"][0]["latency_s"]["mean"] is None


def test_of_judgements_without_answers_the_most_frequent_stands_for_all() -> None:
    assert majority_index([(Outcome.WRONG, None), (Outcome.CORRECT, None), (Outcome.CORRECT, None)]) == 1


def test_each_repeat_has_a_seed_of_its_own() -> None:
    extra_fields = ExtraFields(sampling={"seed": 7})
    assert [extra_fields.add_to({}, scoring=False, repeat=repeat) for repeat in range(3)] == [
        {"seed": 7},
        {"seed": 8},
        {"seed": 9},
    ]
    assert extra_fields.add_to({}, scoring=True, repeat=2) == {}
    assert json.dumps(ExtraFields().add_to({"a": 1}, scoring=False, repeat=2)) == '{"a": 1}'
