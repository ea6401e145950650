"""Likeliest choices by length, a prompt for each choice, and the probability mass of right choices."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.config.settings import Settings
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Completion, Question
from pytest_llmeval.scoring.metrics.likelihood import likeliest, probability_mass
from pytest_llmeval.suites.folder_suite import FolderSource, FolderSuite

MODEL = ModelConfig(name="m", backend="echo")
SCORES = st.dictionaries(st.sampled_from("ABCD"), st.floats(-1e4, 0), min_size=1)


def suite(folder: Path, toml: str, *rows: dict[str, object], mode: str = "logprob") -> FolderSuite:
    (folder / "benchmark.toml").write_text(toml)
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return FolderSource().load("own", folder, Settings(mode=mode))[0]  # type: ignore[arg-type]


def question(answer: str, count: int = 4) -> Question:
    choices = dict.fromkeys("ABCD"[:count], "x")
    return Question("b", "s", "0", {}, choices, answer)


def test_lengths_are_those_of_lm_eval() -> None:
    scores = {"A": -4.0, "B": -6.0, "C": -9.0}
    texts = {"A": " ab", "B": " abcdé", "C": " éééé"}  # 2, 5 and 4 characters; 2, 6 and 8 bytes
    found = [likeliest(scores, texts, how) for how in ("none", "characters", "bytes")]
    assert found == ["A", "B", "B"]
    assert likeliest({"A": -4.0, "B": -8.9, "C": -9.0}, texts, "bytes") == "C"
    assert likeliest({"A": -1.0, "B": -1.0}, {"A": "x", "B": "x"}) == "A"


@given(SCORES, st.sets(st.sampled_from("ABCD"), min_size=1))
def test_probability_mass_is_a_softmax(scores: dict[str, float], right: set[str]) -> None:
    scores = {label: scores.get(label, -5e3) for label in "ABCD"}
    mass = probability_mass(scores, question("".join(sorted(right))))
    assert 0 <= mass <= 1
    rest = set("ABCD") - right
    if rest:
        other = probability_mass(scores, question("".join(sorted(rest))))
        assert mass + other == pytest.approx(1)


HELLASWAG = """
shots = 0
[data]
paths = ["q.jsonl"]
choice_list = "endings"
answer = "label"
answer_index = 0
[prompts.logprob]
question = "{{ question }}"
choice = " {{ choice_text }}"
normalise = "characters"
"""


def test_texts_of_choices_have_accuracies_by_length(tmp_path: Path) -> None:
    row = {"question": "ctx", "endings": ["a", "a longer one"], "label": 1}
    hellaswag = suite(tmp_path, HELLASWAG, row)
    (asked,) = hellaswag.questions
    assert dict(hellaswag.request(asked, MODEL).choices) == {"A": " a", "B": " a longer one"}
    completion = Completion(scores={"A": -2.0, "B": -12.0})
    assert hellaswag.read(asked, completion) == "B"
    grade = hellaswag.grade(asked, completion, MODEL, None)
    assert grade.correct
    assert grade.metrics == {"numbers": {"acc": 0.0, "acc_norm": 1.0, "acc_bytes": 1.0}}


def test_labels_of_choices_have_none(tmp_path: Path) -> None:
    toml = '[data]\npaths = ["q.jsonl"]\nchoice_list = "endings"\n'
    mmlu = suite(tmp_path, toml, {"question": "q", "endings": ["a", "b"], "answer": "A"})
    grade = mmlu.grade(mmlu.questions[0], Completion(scores={"A": -1.0, "B": -2.0}), MODEL, None)
    assert grade.correct and grade.metrics == {}


WINOGRANDE = """
shots = 0
[data]
paths = ["q.jsonl"]
question = "sentence"
choices = ["1", "2"]
choice_columns = ["option1", "option2"]
[prompts.logprob]
question = "{{ question.split('_')[0] }}{{ choice_text }}"
choice = " {{ question.split('_')[1] | trim }}"
"""


def test_each_choice_has_its_own_prompt(tmp_path: Path) -> None:
    row = {"sentence": "Ann beat Bob, so _ won.", "option1": "Ann", "option2": "Bob", "answer": "1"}
    winogrande = suite(tmp_path, WINOGRANDE, row)
    parts = winogrande.request(winogrande.questions[0], MODEL).parts
    assert [(part.prompt.text, dict(part.choices)) for part in parts] == [
        ("Ann beat Bob, so Ann", {"1": " won."}),
        ("Ann beat Bob, so Bob", {"2": " won."}),
    ]


MC2 = """
shots = 0
metric = "probability_mass"
[data]
paths = ["q.jsonl"]
choice_list = "mc2_targets"
answer = "mc2_targets"
[prompts.logprob]
question = "Q: {{ question }}\\nA:"
choice = " {{ choice_text }}"
"""
TRUTHFUL = {"question": "q", "mc2_targets": {"choices": ["x", "y", "z"], "labels": [1, 0, 1]}}


def test_several_right_choices_share_a_probability(tmp_path: Path) -> None:
    truthful = suite(tmp_path, MC2, TRUTHFUL)
    (asked,) = truthful.questions
    assert asked.answer == "AC"
    scores = {"A": math.log(0.2), "B": math.log(0.5), "C": math.log(0.1)}
    grade = truthful.grade(asked, Completion(scores=scores), MODEL, None)
    assert grade.score == pytest.approx(0.3 / 0.8) and grade.graded and not grade.correct
    assert grade.metrics["numbers"]["acc"] == 0.0


def test_a_probability_needs_scores(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ask with --llm-mode=logprob"):
        suite(tmp_path, MC2, TRUTHFUL, mode="generate")
