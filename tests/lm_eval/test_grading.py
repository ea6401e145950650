"""What a document's responses are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pytest_llmeval.core.types import Outcome
from pytest_llmeval.lm_eval.grading import grade
from tests.support.lm_eval_instances import Instance, Task


def exact(doc: Any, results: Sequence[Any]) -> Mapping[str, Any]:
    return {"exact_match": float(results[0] == "4"), "length": len(results[0])}


def last_word(responses: Sequence[str]) -> str:
    return responses[0].split()[-1] if responses[0].split() else "[invalid]"


TEXT = [Instance("generate_until", ("2+2=", {}))]


@pytest.mark.parametrize(
    ("text", "outcome", "answer"),
    [
        ("it is 4", Outcome.CORRECT, "4"),
        ("it is 5", Outcome.WRONG, "5"),
        ("", Outcome.UNPARSED, None),
    ],
)
def test_the_first_filter_decides(text: str, outcome: Outcome, answer: str | None) -> None:
    filters = {"last": last_word, "whole": lambda responses: responses[0]}
    found = grade(Task("generate_until", exact, filters, gold=4), TEXT, [[text]], {})
    assert (found.outcome, found.answer, found.target) == (outcome, answer, "4")
    assert found.metrics["whole"] == {"exact_match": 0.0, "length": len(text)}
    assert list(found.metrics) == ["last", "whole"]


def test_without_a_verdict_of_its_own_it_is_answered() -> None:
    task = Task("loglikelihood_rolling", lambda doc, results: {"word_perplexity": (results[0], 7)})
    found = grade(task, [Instance("loglikelihood_rolling", ("text",))], [[-12.5]], {})
    assert (found.outcome, found.target) == (Outcome.ANSWERED, None)
    assert found.metrics == {"none": {"word_perplexity": {"$tuple": [-12.5, 7]}}}


def test_choices_are_named_by_their_texts() -> None:
    task = Task(
        "multiple_choice",
        lambda doc, results: {"acc": float(results[1][0] > results[0][0])},
        choices=("red", "blue"),
        gold=1,
    )
    # in any order: the library sorts them by their number
    instances = [Instance("loglikelihood", ("", " blue"), idx=1), Instance("loglikelihood", ("", " red"))]
    found = grade(task, instances, [[(-1.0, False)], [(-2.0, False)]], {})
    assert (found.outcome, found.answer, found.target) == (Outcome.CORRECT, "blue", "blue")
    found = grade(task, instances, [[(-3.0, False)], [(-2.0, False)]], {})
    assert (found.outcome, found.answer, found.target) == (Outcome.WRONG, "red", "blue")


def test_a_metric_that_came_of_another_is_aggregated_as_that() -> None:
    def passed(doc: Any, results: Sequence[Any]) -> Mapping[str, Any]:
        task.aggregation().setdefault("pass@1", task.aggregation()["pass_at_k"])
        return {"pass@1": 1.0}

    task = Task("generate_until", passed, aggregations={"pass_at_k": max, "acc": min})
    known = dict(task.aggregation())
    for _ in range(2):  # also where the task has it from the document before
        found = grade(task, TEXT, [["x"]], known)
        assert found.metrics == {"none": {"pass@1": {"$of": ["pass_at_k", 1.0]}}}


def test_what_a_task_raises_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        grade(Task("generate_until", lambda doc, results: {"acc": 1 / 0}), TEXT, [["x"]], {})
    with pytest.raises(TypeError, match="cannot be stored"):
        grade(Task("generate_until", lambda doc, results: {"acc": object()}), TEXT, [["x"]], {})
