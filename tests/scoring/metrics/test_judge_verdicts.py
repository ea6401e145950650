"""The metric ``judge`` with verdicts that have a meaning, such as those of SimpleQA."""

from __future__ import annotations

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import ChatPrompt, Judgement, Message, Question
from pytest_llmeval.scoring.metrics.agreement import labelled_prompts
from pytest_llmeval.scoring.metrics.base import numbers_of
from pytest_llmeval.scoring.metrics.judge import JudgeGrade, make_judge
from pytest_llmeval.suites.catalog import load, packaged

VERDICTS = {"A": "correct", "B": "incorrect", "C": "not_attempted"}
QUESTION = Question("b", "s", "0", {"question": "Who?"}, {}, "Ada")


def test_only_correct_is_worth_something() -> None:
    prompt = make_judge({"verdicts": VERDICTS}, "here")
    assert dict(prompt.grades) == {"A": 1.0, "B": 0.0, "C": 0.0}
    assert prompt.read("It says so.\nGRADE: A") == JudgeGrade("A", 1.0)
    assert prompt.read("GRADE: C") == JudgeGrade("C", 0.0)  # without verdicts C is correct
    assert prompt.read("GRADE: not attempted") == JudgeGrade("C", 0.0)
    assert prompt.read("GRADE: Correct") == JudgeGrade("A", 1.0)
    assert prompt.read("GRADE: right") is None
    assert "GRADE: A (correct) or GRADE: B (incorrect) or GRADE: C (not attempted)" in prompt.instructions


def test_each_verdict_is_a_number() -> None:
    prompt = make_judge({"verdicts": VERDICTS}, "here")
    score = prompt.scores(Judgement("j", verdict="C", score=0.0))
    assert score == 0
    assert numbers_of(score) == {"correct": 0.0, "incorrect": 0.0, "not_attempted": 1.0}
    assert numbers_of(make_judge({}, "here").scores(Judgement("j", verdict="C", score=1.0))) == {}


def test_grades_may_be_set_too() -> None:
    grades = {"A": 1, "B": 0, "C": 0.25}
    assert dict(make_judge({"verdicts": VERDICTS, "grades": grades}, "here").grades) == grades
    with pytest.raises(UserError, match="the labels are not those of verdicts: A, B, C"):
        make_judge({"verdicts": VERDICTS, "grades": {"A": 1, "B": 0}}, "here")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"verdicts": {"A": "Correct", "B": "wrong"}}, "A: 'Correct' is not a name of small letters"),
        ({"verdicts": {"A": 1, "B": "wrong"}}, "A: 1 is not a name"),
        ({"verdicts": {"A": "correct", "B": "correct"}}, "two labels have the same meaning"),
        ({"verdicts": {"A": "good", "B": "bad"}}, "all have the same score"),
        ({"verdicts": {"?": "correct", "B": "bad"}}, "'?' is not a label"),
        ({"verdicts": VERDICTS, "scale": [1, 5]}, "either verdicts or scale"),
    ],
)
def test_wrong_verdicts(options: dict[str, object], problem: str) -> None:
    with pytest.raises(UserError, match=r"^here: .*" + problem.replace("?", r"\?")):
        make_judge(options, "here")


def test_labels_of_people_may_be_the_meanings() -> None:
    prompts = labelled_prompts({"verdicts": VERDICTS}, "here")
    rows = [
        Question("b", "s", str(at), {"response": "x"}, {}, label)
        for at, label in enumerate(["A", "incorrect", "not attempted", "not_attempted", "yes"])
    ]
    assert [row.answer for row in prompts.labelled(rows)] == ["A", "B", "C", "C", None]


def test_a_system_message() -> None:
    prompt = make_judge({"verdicts": VERDICTS, "system": "Be fair."}, "here")
    request = prompt.request(QUESTION, "Who?", "Ada", ModelConfig("judge", ""))
    for asked in (request, prompt.again(request, "Hm.")):
        assert isinstance(asked.prompt, ChatPrompt)
        assert asked.prompt.messages[0] == Message("system", "Be fair.")
    plain = make_judge({"verdicts": VERDICTS}, "here")
    assert plain.sha256 != prompt.sha256 != make_judge({}, "here").sha256


@pytest.mark.parametrize("name", ["simpleqa", "chinese_simpleqa"])
@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("A", "A"),
        (" **B** ", "B"),
        ("The answer repeats the target.\n\nC", "C"),
        ("A: CORRECT", "A"),
        ("B:【错误】", "B"),
        ("评定为A", "A"),
        ("CORRECT", None),  # the published graders read C in it
        ("A or B", None),
        ("A\nThat is all", None),
        ("", None),
    ],
)
def test_how_the_replies_of_simpleqa_are_read(name: str, reply: str, label: str | None) -> None:
    grade = make_judge(load(packaged()[name]).metric.options, "here").read(reply)
    assert (None if grade is None else grade.label) == label


def test_simpleqa_asks_its_judge_as_published() -> None:
    prompt = make_judge(load(packaged()["simpleqa"]).metric.options, "here")
    request = prompt.request(QUESTION, "Who? {{ x }}", "Ada {{ y }}", ModelConfig("judge", ""))
    text = request.prompt.text
    assert text.startswith(
        "Your job is to look at a question, a gold target, and a predicted answer, and then"
    )
    assert "```\nQuestion: Who? {{ x }}\nGold target: Ada\nPredicted answer: Ada {{ y }}\n```\n" in text
    assert text.endswith('Just return the letters "A", "B", or "C", with no text around it.')
    chinese = make_judge(load(packaged()["chinese_simpleqa"]).metric.options, "here")
    text = chinese.request(QUESTION, "谁？", "艾达", ModelConfig("judge", "")).prompt.text
    assert text.startswith("请根据给定问题、标准答案和模型预测的答案来评估模型的回答是否正确。")
    assert "```\n问题: 谁？\n正确答案: Ada\n预测答案: 艾达\n```\n" in text
    assert text.endswith('只返回字母"A"、"B"或"C"，无须添加其他文本。')
