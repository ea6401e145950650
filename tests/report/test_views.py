"""The values of the page's sections, checked by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_llmeval.core.types import Outcome
from pytest_llmeval.report import views
from pytest_llmeval.report.questions import Answer, AnswerStats, ModelAnswers, Question
from pytest_llmeval.report.views import ModelPair, benchmark_sections, model_pairs, part_rows, result_cards
from tests.support.made_results import make_info, result_of

LETTERS = {outcome.value[0]: outcome for outcome in Outcome}


def unit(answers: Mapping[str, str], target: str | None = "A") -> Question:
    """A question from the letter of each model's outcome."""
    found = {model: ModelAnswers({0: Answer(0, LETTERS[letter])}) for model, letter in answers.items()}
    return Question("b/maths/0", "b", "maths", target, found)


def test_pairs_count_questions_scored_for_both_models() -> None:
    units = [
        *[unit({"x": "c", "y": "c"})] * 4,
        *[unit({"x": "c", "y": "w"})] * 3,
        unit({"x": "u", "y": "c"}),
        *[unit({"x": "w", "y": "u"})] * 2,
        unit({"x": "e", "y": "c"}),
        unit({"x": "c"}),
        unit({"x": "a", "y": "a"}, None),
        unit({"x": "u", "y": "u"}, None),
    ]
    assert model_pairs(units, ["x", "y"]) == [
        ModelPair("x", "y", both=4, only_first=3, only_second=1, neither=2)
    ]
    assert len(model_pairs([], ["x", "y", "z"])) == 3
    assert model_pairs(units, ["x"]) == []


def test_few_questions_are_no_extreme() -> None:
    numbers = {"maths": "w", "physics": "c" * 25 + "w" * 75, "law": "c" * 90 + "w" * 10, "loner": "c"}
    (card,) = result_cards([result_of(numbers)], {})
    assert [line.key for line in card.weakest] == ["physics"]
    assert [line.key for line in card.strongest] == ["law"]


def test_extremes_are_in_the_order_of_their_intervals() -> None:
    rates = {"maths": 20, "physics": 10, "law": 90, "loner": 95, "middle": 54}
    (card,) = result_cards([result_of({key: "c" * n + "w" * (100 - n) for key, n in rates.items()})], {})
    assert [line.key for line in card.weakest] == ["physics", "maths"]
    assert [line.key for line in card.strongest] == ["loner", "law"]


@pytest.mark.parametrize("outcomes", ["cw", "c" * 40, "w" * 40])
def test_ties_are_no_extremes(outcomes: str) -> None:
    (card,) = result_cards([result_of(dict.fromkeys(("maths", "physics", "law", "loner"), outcomes))], {})
    assert (card.weakest, card.strongest) == ((), ())


@pytest.mark.parametrize("numbers", [{"maths": "cw"}, {"maths": "a", "law": "a"}])
def test_no_ranking_without_enough_scored_subjects(numbers: dict[str, str]) -> None:
    (card,) = result_cards([result_of(numbers)], {})
    assert (card.weakest, card.strongest) == ((), ())


def test_rows_are_in_the_benchmark_s_order_and_name_their_group() -> None:
    ours = result_of({"law": "cw", "maths": "ccuee"}, model="ours")
    theirs = result_of({"maths": "w", "loner": "c"}, model="theirs")
    groups, subjects = part_rows([ours, theirs], {"ours": 0, "theirs": 1})
    assert [(line.key, line.group) for line in subjects] == [
        ("maths", "stem"),
        ("law", "other"),
        ("loner", ""),
    ]
    assert [line.key for line in groups] == ["stem", "other", "hard"]
    maths, law, _ = subjects
    assert maths.names == ("Mathematics", "数学")
    assert maths.number == 5
    assert (maths.total("unparsed"), maths.total("error"), maths.total("correct")) == (1, 2, 2)
    assert law.parts[1] is None
    assert str(maths.chart).count('class="m1"') > str(law.chart).count('class="m1"') == 0


def test_a_name_equal_to_the_key_is_left_out() -> None:
    info = make_info(subjects={"college_law": ("College Law", "大学法律"), "law": ("law", "law")}, groups={})
    _, subjects = part_rows([result_of({"college_law": "c", "law": "c"}, info)], {"m": 0})
    assert [line.names for line in subjects] == [("大学法律",), ()]


def test_figures_exist_only_for_values() -> None:
    result = result_of({"maths": "cw"})
    bare = benchmark_sections([result], [], {})
    assert bare[0].figures == ()
    stats = AnswerStats(latencies=[0.5], prompt_tokens=[10.0], completion_tokens=[0.0])
    stats.gold.update("AB")
    stats.extracted.update("AA")
    (bench,) = benchmark_sections([result], [], {("b", "m"): stats})
    assert [figure.title for figure in bench.figures] == ["Latency", "Prompt tokens", "Answers"]
    stats.gold.update(map(str, range(30)))  # numbers, as in gsm8k
    assert [figure.title for figure in benchmark_sections([result], [], {("b", "m"): stats})[0].figures] == [
        "Latency",
        "Prompt tokens",
    ]


def test_a_model_has_the_same_colour_everywhere() -> None:
    results = [result_of({"maths": "c"}, model=name) for name in ("x", "y", "x")]
    assert views.series_of(results) == {"x": 0, "y": 1}


@pytest.mark.parametrize(
    ("number", "value"), [(None, ""), (0.1 + 0.2, "0.3"), (float("nan"), ""), (1234567, "1234567")]
)
def test_values_for_sorting(number: float | None, value: str) -> None:
    assert views.sorted_value(number) == value
