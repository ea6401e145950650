"""The judge at work, without pytest: when it is asked, and what becomes of its replies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import ChatPrompt, Completion, Judgement, Message, Question, Request
from pytest_llmeval.models.base import Job, Jobs, run_batches
from pytest_llmeval.runtime.engine import Engine
from pytest_llmeval.runtime.judge import Judge
from pytest_llmeval.scoring import patterns
from pytest_llmeval.scoring.metrics.judge import make_judge
from pytest_llmeval.suites.suite import JudgeCase

QUESTION = Question("b", "s", "0", {"question": "Capital of France?"}, {}, "Paris")
CASE = JudgeCase(QUESTION, "Capital of France?", make_judge({}, "here"))
CONFIG = ModelConfig("j", "test")


class Scripted:
    """A backend that replies by ``reply``."""

    window = 4

    def __init__(self, reply: Callable[[Request], Completion]) -> None:
        self.reply = reply
        self.asked: list[Request] = []

    def check(self) -> None:
        """Nothing can be wrong with it."""

    def identity(self) -> str:
        return "scripted"

    def run(self, jobs: Jobs) -> None:
        def answer(batch: object) -> None:
            for job in batch:  # type: ignore[attr-defined]
                self.asked.append(job.request)
                job.finish(self.reply(job.request))

        run_batches(jobs, answer, 4)


@pytest.fixture
def made() -> Iterator[Callable[[Callable[[Request], Completion]], tuple[Judge, Scripted]]]:
    engines = []

    def make(reply: Callable[[Request], Completion]) -> tuple[Judge, Scripted]:
        model = Scripted(reply)
        engines.append(Engine(model, "j"))
        return Judge(CONFIG, engines[-1]), model

    yield make
    for engine in engines:
        engine.close()


Made = Callable[[Callable[[Request], Completion]], tuple[Judge, Scripted]]


def answered(text: str = "Paris", **more: object) -> Completion:
    return Completion(text=text, finish_reason="stop", **more)  # type: ignore[arg-type]


def job() -> Job:
    return Job(Request(ChatPrompt((Message("user", "Capital of France?"),))))


def text_of(completion: Completion) -> str | None:
    return completion.text or None


def judgement(judge: Judge, pending: Future[Judgement | None]) -> Judgement:
    found = judge.wait(pending, 10)
    assert found is not None
    return found


def test_an_answer_is_judged_when_it_is_there_and_by_whoever_brings_it(made: Made) -> None:
    judge, model = made(lambda _: answered("GRADE: C", prompt_tokens=3, completion_tokens=1))
    order = job()
    pending = judge.follow(order, CASE, text_of)
    assert not model.asked
    bringing = threading.Thread(target=order.finish, args=(answered(),))
    bringing.start()
    found = judgement(judge, pending)
    bringing.join()
    assert (found.verdict, found.score, found.prompt_tokens) == ("C", 1.0, 3)
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "completion", [answered(""), Completion(error="no network")], ids=["nothing to judge", "an error"]
)
def test_what_is_no_answer_is_not_judged(made: Made, completion: Completion) -> None:
    judge, model = made(lambda _: answered("GRADE: C"))
    order = job()
    pending = judge.follow(order, CASE, text_of)
    order.finish(completion)
    assert judge.wait(pending, 10) is None
    assert not model.asked


def test_two_verdicts_are_none_and_asked_for_again(made: Made) -> None:
    replies = iter([answered("[[2]] or [[3]]"), answered("[[3]]")])
    judge, model = made(lambda _: next(replies))
    case = JudgeCase(QUESTION, "", make_judge({"scale": [1, 5], "pattern": r"\[\[(\d)\]\]"}, "here"))
    found = judgement(judge, judge.submit(case, "Paris"))
    assert (found.verdict, found.unread, len(model.asked)) == ("3", "[[2]] or [[3]]", 2)


def test_a_pattern_that_takes_too_long_is_an_error_at_once(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    judge, model = made(lambda _: answered("a" * 60 + "!"))
    case = JudgeCase(QUESTION, "", make_judge({"pattern": r"^(\w+\s?)*$"}, "here"))
    found = judgement(judge, judge.submit(case, "Paris"))
    assert found.verdict is None and "took more than 0.2 s" in (found.error or "")
    assert len(model.asked) == 1


def test_an_answer_that_never_comes(made: Made) -> None:
    judge, _ = made(lambda _: answered("GRADE: C"))
    order = job()
    pending = judge.follow(order, CASE, text_of)
    order.future.cancel()
    assert judge.wait(pending, 10) is None


def test_thinking_is_no_reply(made: Made) -> None:
    judge, _ = made(lambda _: answered("<think>GRADE: C?\n</think>\nGRADE: I"))
    found = judgement(judge, judge.submit(CASE, "Lyon"))
    assert (found.verdict, found.text.strip(), found.reasoning.strip()) == ("I", "GRADE: I", "GRADE: C?")


def test_asked_again_but_once(made: Made) -> None:
    judge, model = made(lambda _: answered("who knows", prompt_tokens=2, latency_s=1.5))
    found = judgement(judge, judge.submit(CASE, "Lyon"))
    assert found.verdict is None and found.score is None
    assert found.error is not None and "'who knows'" in found.error
    assert len(model.asked) == 2
    assert (found.prompt_tokens, found.latency_s, found.attempts) == (4, 3.0, 2)


def test_a_failed_request_is_not_asked_again(made: Made) -> None:
    judge, model = made(lambda _: Completion(error="429: enough"))
    found = judgement(judge, judge.submit(CASE, "Lyon"))
    assert found.error == "429: enough" and found.verdict is None
    assert len(model.asked) == 1


def test_a_prompt_that_fails(made: Made) -> None:
    judge, model = made(lambda _: answered("GRADE: C"))
    grading = make_judge({"prompt": "{{ response }} {{ fields.context }}"}, "here")
    found = judgement(judge, judge.submit(JudgeCase(QUESTION, "?", grading), "Lyon"))
    assert found.error is not None and "the judge's prompt fails for b/s/0" in found.error
    assert not model.asked


def test_an_extractor_that_fails(made: Made) -> None:
    def broken(completion: Completion) -> str | None:
        raise ValueError("who wrote this?")

    judge, _ = made(lambda _: answered("GRADE: C"))
    order = job()
    pending = judge.follow(order, CASE, broken)
    order.finish(answered())
    assert judgement(judge, pending).error == "ValueError: who wrote this?"


def test_a_judge_that_gives_up(made: Made) -> None:
    def refuse(_: Request) -> Completion:
        raise ModelUnusable("the key is wrong")

    judge, _ = made(refuse)
    first = judge.submit(CASE, "Lyon")
    with pytest.raises(ModelUnusable, match="the judge j: the key is wrong"):
        judge.wait(first, 10)
    with pytest.raises(ModelUnusable, match="the judge j: the key is wrong"):
        judge.wait(judge.submit(CASE, "Lyon"), 10)


def test_waiting_has_an_end(made: Made) -> None:
    go = threading.Event()

    def late(_: Request) -> Completion:
        go.wait(10)
        return answered("GRADE: C")

    judge, _ = made(late)
    pending = judge.submit(CASE, "Paris")
    with pytest.raises(TimeoutError):
        judge.wait(pending, 0.01)
    go.set()
    assert judgement(judge, pending).verdict == "C"
