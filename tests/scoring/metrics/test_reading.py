"""Token F1 and exact match by the rules of SQuAD and DROP."""

from __future__ import annotations

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.scoring.metrics.base import numbers_of


def score(metric: str, answer: str, gold: str, **options: object) -> float:
    question = Question("b", "s", "0", {}, {}, gold)
    return METRICS[metric].make(options, "here")(answer, question)


@pytest.mark.parametrize(
    ("answer", "gold", "rules", "em", "f1"),
    [
        ("The Eiffel Tower!", "eiffel tower", "squad", 1, 1),
        ("a tall tower", "the tower", "squad", 0, 2 / 3),
        ("tower tower", "tower", "squad", 0, 2 / 3),
        ("in Rome", '["Paris", "Rome"]', "squad", 0, 2 / 3),
        ("", "[]", "squad", 1, 1),
        ("Rome", "[]", "squad", 0, 0),
        ("", "Rome", "squad", 0, 0),
        ("twenty-one", "twenty one", "squad", 0, 0),
        ("twenty-one", "twenty one", "drop", 1, 1),
        ("5", "5.0", "drop", 1, 1),
        ("5 yards", "5", "drop", 0, 0.67),
        ("six yards", "5 yards", "drop", 0, 0),
        ("Kim", '[["Kim", "Lee"]]', "drop", 0, 0.5),
        ("Kim", '[["Kim", "Lee"], ["Kim"]]', "drop", 1, 1),
    ],
)
def test_rules_of_the_official_scripts(answer: str, gold: str, rules: str, em: float, f1: float) -> None:
    assert score("em", answer, gold, rules=rules) == em
    both = score("f1", answer, gold, rules=rules)
    assert both == pytest.approx(f1, abs=0.005)
    assert numbers_of(both) == {"em": em}


def test_unknown_rules_are_an_error() -> None:
    with pytest.raises(UserError, match="'coqa' is none of squad, drop"):
        METRICS["f1"].make({"rules": "coqa"}, "here")
