"""The engine's thread and the two ways of running jobs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request
from pytest_llmeval.models.base import Job, Jobs, Model, run_batches, run_concurrently
from pytest_llmeval.models.echo import EchoModel
from pytest_llmeval.runtime.engine import Engine


def request(text: str = "q") -> Request:
    return Request(ChatPrompt((Message("user", text),)))


def text_of(asked: Request) -> str:
    assert isinstance(asked.prompt, ChatPrompt)
    return asked.prompt.question[0].content


class Batches:
    """Answers with the question's text; fails on 'bad'; gives up on 'fatal'."""

    window = 8

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def check(self) -> None: ...

    def identity(self) -> str:
        return "batches"

    def run(self, jobs: Jobs) -> None:
        self.gate.wait(10)
        run_batches(jobs, self.answer, 8)

    def answer(self, batch: Sequence[Job]) -> None:
        self.sizes.append(len(batch))
        for job in batch:
            text = text_of(job.request)
            if text == "fatal":
                raise ModelUnusable("no such weights")
            if text == "bad":
                raise ValueError("broken\nbatch")
            job.finish(Completion(text=text))


class Async(Batches):
    def run(self, jobs: Jobs) -> None:
        asyncio.run(run_concurrently(jobs, self.complete, 3))

    in_flight = most = 0

    async def complete(self, asked: Request) -> Completion:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(0.001)
        self.in_flight -= 1
        text = text_of(asked)
        if text == "fatal":
            raise ModelUnusable("no such key")
        if text == "bad":
            raise RequestFailed("status 500", attempts=3)
        return Completion(text=text)


def test_the_protocol_is_met() -> None:
    assert isinstance(EchoModel(), Model)
    assert isinstance(Batches(), Model)


@pytest.mark.parametrize("kind", [Batches, Async])
@settings(max_examples=20)
@given(texts=st.lists(st.text(max_size=3).filter(lambda t: t not in ("bad", "fatal")), max_size=30))
def test_each_request_gets_its_own_answer(kind: type[Batches], texts: list[str]) -> None:
    engine = Engine(kind(), "m")
    jobs = engine.ask(map(request, texts))
    assert [engine.wait(job, 10).text for job in jobs] == texts
    engine.close()


def test_waiting_requests_are_taken_together() -> None:
    model = Batches()
    model.gate.clear()
    engine = Engine(model, "m")
    jobs = engine.ask([request(str(n)) for n in range(20)])
    model.gate.set()
    for job in jobs:
        engine.wait(job, 10)
    assert model.sizes == [8, 8, 4]
    engine.close()


def test_concurrency_is_reached_and_kept() -> None:
    model = Async()
    engine = Engine(model, "m")
    for job in engine.ask([request(str(n)) for n in range(30)]):
        engine.wait(job, 10)
    assert model.most == 3
    engine.close()


@pytest.mark.parametrize(("kind", "attempts"), [(Batches, 1), (Async, 3)])
def test_a_failure_is_that_question_s_error(kind: type[Batches], attempts: int) -> None:
    engine = Engine(kind(), "m")
    good = engine.ask([request("good")])[0]
    assert engine.wait(good, 10).error is None
    bad = engine.wait(engine.ask([request("bad")])[0], 10)
    assert bad.error is not None and "\n" not in bad.error
    assert bad.attempts == attempts
    assert engine.wait(engine.ask([request("after")])[0], 10).text == "after"
    engine.close()


@pytest.mark.parametrize("kind", [Batches, Async])
def test_a_model_that_gives_up_tells_every_waiter(kind: type[Batches]) -> None:
    engine = Engine(kind(), "m")
    jobs = engine.ask([request("fatal"), *(request(str(n)) for n in range(20))])
    told = 0
    for job in jobs:
        try:
            completion = engine.wait(job, 10)
        except ModelUnusable as error:
            assert "no such" in str(error)
            told += 1
        else:
            assert completion.error or completion.text
    assert told
    with pytest.raises(ModelUnusable, match="no such"):
        engine.wait(engine.ask([request("later")])[0], 10)
    engine.close()


def test_close_forgets_what_waits() -> None:
    model = Batches()
    model.gate.clear()
    engine = Engine(model, "m")
    job = engine.ask([request()])[0]
    engine._jobs.close()
    model.gate.set()
    with pytest.raises(ModelUnusable, match="stopped"):
        engine.wait(job, 10)
    engine.close()


def test_queue_and_latency_are_apart() -> None:
    job = Job(request())
    job.taken = job.created + 2.0
    job.finish(Completion(text="x", latency_s=0.5))
    done = job.future.result(0)
    assert done.queue_s == pytest.approx(2.0)
    assert done.latency_s == 0.5


def test_wait_can_time_out() -> None:
    model = Batches()
    model.gate.clear()
    engine = Engine(model, "m")
    with pytest.raises(TimeoutError):
        engine.wait(engine.ask([request()])[0], 0.01)
    model.gate.set()
    engine.close()


def test_the_activity_counts_what_was_taken_and_finished() -> None:
    model = Batches()
    model.gate.clear()
    engine = Engine(model, "m")
    jobs = engine.ask([request("a"), request("b")])
    before = engine.activity
    assert (before.model, before.sent, before.back, before.status) == ("m", 0, 0, None)
    model.status = "loading"  # type: ignore[attr-defined]
    assert engine.activity.status == "loading"
    model.gate.set()
    for job in jobs:
        engine.wait(job, 10)
    after = engine.activity
    assert (after.sent, after.back) == (2, 2)
    assert 0 <= after.quiet_s < 10
    engine.close()
