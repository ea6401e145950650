"""The metric ``ifeval`` as benchmarks use it."""

from __future__ import annotations

import json

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics import METRICS
from pytest_llmeval.scoring.metrics.base import numbers_of

IDS = ["punctuation:no_comma", "startend:quotation"]
ROW = {"instruction_id_list": json.dumps(IDS), "kwargs": "[{}, {}]"}


def question(**fields: str) -> Question:
    return Question("b", "s", "0", {**ROW, **fields}, {}, "")


def test_all_instructions_must_be_followed_strictly() -> None:
    score = METRICS["ifeval"].make({}, "here")
    assert score('"So it is."', question()) == 1
    wrong = score('"So, it is."', question())
    assert wrong == 0
    assert wrong.reason == "not followed: punctuation:no_comma"  # type: ignore[attr-defined]


def test_four_numbers_are_reported() -> None:
    score = METRICS["ifeval"].make({}, "here")
    assert numbers_of(score('Well\n"So, it is."', question())) == {
        "prompt_level_strict": 0.0,
        "instruction_level_strict": [0.0, 2.0],
        "prompt_level_loose": 1.0,
        "instruction_level_loose": [2.0, 2.0],
    }
    # an answer that could not be read still has its instructions
    assert METRICS["ifeval"].scores_unparsed
    assert numbers_of(score("", question()))["instruction_level_loose"] == [0.0, 2.0]


def test_the_columns_may_have_other_names() -> None:
    names = {"instructions": "ids", "arguments": "how"}
    fields = {"ids": ROW["instruction_id_list"], "how": ROW["kwargs"]}
    score = METRICS["ifeval"].make(names, "here")
    assert score('"a"', Question("b", "s", "0", fields, {}, "")) == 1
    assert METRICS["ifeval"].row_problem(names, fields) is None
    assert "column 'how', with the arguments" in (METRICS["ifeval"].row_problem(names, {"ids": "[]"}) or "")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"instruction_id_list": ""}, "column 'instruction_id_list'"),
        ({"instruction_id_list": "no_comma"}, "'no_comma' is not a JSON list"),
        ({"instruction_id_list": "[" * 100_000}, "is not a JSON list"),
        ({"instruction_id_list": '["a:b", "c:d"]'}, "unknown instruction 'a:b'"),
        ({"kwargs": "[{}]"}, "2 instructions, but arguments for 1"),
        ({"kwargs": "{}"}, "is not a JSON list"),
    ],
)
def test_a_row_that_cannot_be_verified(fields: dict[str, str], problem: str) -> None:
    found = METRICS["ifeval"].row_problem({}, {**ROW, **fields})
    assert found is not None and problem in found and "\n" not in found


def test_options() -> None:
    with pytest.raises(UserError, match="sentences: 'x' is none of punkt, rules"):
        METRICS["ifeval"].make({"sentences": "x"}, "here")
    with pytest.raises(UserError, match="unknown key 'columns'"):
        METRICS["ifeval"].make({"columns": "x"}, "here")
    assert not METRICS["ifeval"].gold
