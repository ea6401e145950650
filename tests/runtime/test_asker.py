"""Asking questions without pytest: repeats, orders of choices, grades, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import RequestFailed, UserError
from pytest_llmeval.core.types import Completion, Grade, Judgement, Order, Question, Request, TextPrompt
from pytest_llmeval.models.base import Jobs, run_batches
from pytest_llmeval.runtime.asker import Asker, Attempt
from pytest_llmeval.runtime.engine import Engine
from pytest_llmeval.runtime.llm import LLM
from pytest_llmeval.suites.choice_order import rotations
from pytest_llmeval.suites.suite import Suite
from tests.support.made_results import make_info

CONFIG = ModelConfig("m", "test")
QUESTION = Question("b", "maths", "0", {"question": "2+2?"}, {"A": "3", "B": "4", "C": "5"}, "B")


class Choosing(Suite):
    """Scores the choices, in all rotations of them."""

    reorders = True
    most_orders = 3

    def orders(self, question: Question) -> tuple[Order, ...]:
        return rotations(tuple(question.choices))

    def request(self, question: Question, model: ModelConfig) -> Request:
        if question.fields["question"] == "broken":
            raise UserError("its template fails")
        return Request(TextPrompt(str(dict(question.choices))), choices=question.choices)

    def read(self, question: Question, completion: Completion) -> str | None:
        return max(completion.scores, key=completion.scores.__getitem__, default=None)

    def grade(
        self, question: Question, completion: Completion, model: ModelConfig, judgement: Judgement | None
    ) -> Grade:
        answer = self.read(question, completion)
        if question.fields["question"] == "ungraded":
            raise RequestFailed("metric m: no")
        right = answer == question.answer
        return Grade(answer, question.answer, float(right), correct=right, graded=True, note="m: because")


class Knowing:
    """Knows that 4 is right; fails where there is no 4."""

    window = 12

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def check(self) -> None:
        """See ``Model``."""

    def identity(self) -> str:
        return "knowing"

    def run(self, jobs: Jobs) -> None:
        def answer(batch: object) -> None:
            for job in batch:  # type: ignore[attr-defined]
                self.requests.append(job.request)
                scores = {label: float(text == "4") for label, text in job.request.choices.items()}
                job.finish(Completion(scores=scores, error=None if any(scores.values()) else "no 4"))

        run_batches(jobs, answer, 4)


@pytest.fixture
def model() -> Knowing:
    return Knowing()


@pytest.fixture
def asker(model: Knowing) -> Iterator[Asker]:
    engine = Engine(model, "m")
    yield Asker(CONFIG, engine, {"b": Choosing(make_info(repeats=2), [QUESTION], [Path()])}, print)
    engine.close()


def test_the_window_is_in_questions(asker: Asker) -> None:
    assert asker.window == 2  # 12 requests: 2 questions in 2 repeats and 3 orders


def test_all_repeats_and_orders_are_asked_ahead_once(asker: Asker, model: Knowing) -> None:
    asker.ask_ahead([QUESTION])
    asker.ask_ahead([QUESTION])
    for repeat in range(2):
        for rotation in range(3):
            response = asker.respond(QUESTION, Attempt(repeat, rotation), extract=True)
            assert response.answer == "B"  # in the file's labels, wherever 4 was shown
    assert [request.repeat for request in model.requests] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(("rotation", "shown"), [(0, "B"), (1, "A"), (2, "C")])
def test_labels_are_those_of_the_file(asker: Asker, rotation: int, shown: str) -> None:
    attempt = Attempt(0, rotation)
    response = asker.respond_graded(QUESTION, attempt)
    assert asker.shown(QUESTION, attempt).answer == shown
    assert response.presented is not None and response.presented.scores[shown] == 1.0
    assert response.completion.scores == {"A": 0.0, "B": 1.0, "C": 0.0}
    assert (response.answer, response.order) == ("B", rotations(("A", "B", "C"))[rotation])
    assert response.grade is not None and response.grade.correct
    assert response.score == 1.0 and response.completion.notes == ("m: because",)
    assert attempt.responses == {QUESTION.id: response}


def test_an_attempt_keeps_what_failed(asker: Asker) -> None:
    wrong = replace(QUESTION, key="1", choices={"A": "1", "B": "2"})
    attempt = Attempt()
    with pytest.raises(RequestFailed, match="no 4"):
        asker.respond(wrong, attempt, extract=True)
    assert attempt.responses[wrong.id].completion.error == "no 4"


def test_a_grade_that_fails_makes_the_answer_worthless(asker: Asker) -> None:
    ungraded = replace(QUESTION, key="2", fields={"question": "ungraded"})
    attempt = Attempt()
    with pytest.raises(RequestFailed, match="metric m: no"):
        asker.respond_graded(ungraded, attempt)
    assert attempt.responses[ungraded.id].completion.error == "metric m: no"


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (replace(QUESTION, problem="the row is bad"), "the row is bad"),
        (replace(QUESTION, fields={"question": "broken"}), "its template fails"),
    ],
)
def test_what_cannot_be_asked_is_that_question_s_error(asker: Asker, question: Question, says: str) -> None:
    asker.ask_ahead([question])
    with pytest.raises(RequestFailed, match=says):
        asker.respond(question, Attempt(), extract=True)


def test_a_test_s_model_asks_in_the_current_attempt(asker: Asker) -> None:
    llm = LLM(asker)
    asker.attempt = Attempt(1, 2)
    assert llm.shown(QUESTION).answer == "C"
    assert (llm.answer(QUESTION), llm.score(QUESTION), llm.correct(QUESTION)) == ("B", 1.0, True)
    assert llm.complete(QUESTION).scores["B"] == 1.0
    assert not asker.attempt.responses[QUESTION.id].extracted
    assert (llm.name, repr(llm)) == ("m", "llm(m)")
