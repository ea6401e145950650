"""Few-shot examples as text files, as rows of all subjects, and as one text."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import ChatPrompt, Message
from pytest_llmeval.suites.exemplars import load_exemplars
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.spec import Benchmark, parse
from pytest_llmeval.suites.splits import load_questions, load_shots, locate

CANARY = "canary 26b5c67b\n-----\n"
COT = """
metric = "exact"
[data]
paths = ["{subject}.json"]
question = "input"
answer = "target"
choices = []
exemplars = ["cot/{subject}.txt"]
exemplars_pattern = '(?s)-----\\n(.*)'
[prompts.generate]
user = "{{ exemplars }}\\n\\nQ: {{ question }}\\nA:"
[subjects]
one = {}
two = {}
"""


def parsed(folder: Path, toml: str) -> Benchmark:
    return parse(tomllib.loads(toml), folder / "benchmark.toml")


def cot(folder: Path) -> Benchmark:
    (folder / "cot").mkdir()
    for subject in ("one", "two"):
        rows = {"examples": [{"input": "i", "target": "t"}]}
        (folder / f"{subject}.json").write_text(json.dumps(rows))
        (folder / "cot" / f"{subject}.txt").write_text(f"{CANARY}shots of {subject}\n")
    return parsed(folder, COT)


def test_exemplars_begin_after_the_canary(tmp_path: Path) -> None:
    benchmark = cot(tmp_path)
    assert benchmark.shots == 0
    questions = load_questions(benchmark, locate(benchmark, "test", None, tmp_path), "test").questions
    texts = load_exemplars(benchmark, ["one", "two"], [])
    builder = PromptBuilder(benchmark, "generate", {}, texts)
    assert [builder.request(question).prompt.text for question in questions] == [
        "shots of one\n\n\nQ: i\nA:",
        "shots of two\n\n\nQ: i\nA:",
    ]
    assert builder.sha256 != PromptBuilder(benchmark, "generate", {}, {"one": "x"}).sha256


def test_exemplars_that_are_missing_or_another_file(tmp_path: Path) -> None:
    benchmark = cot(tmp_path)
    with pytest.raises(UserError, match=r"no exemplars for subject three: cot/three\.txt is not in"):
        load_exemplars(benchmark, ["three"], [])
    (tmp_path / "cot" / "one.txt").write_text("no canary")
    with pytest.raises(UserError, match=r"one\.txt: exemplars_pattern does not match"):
        load_exemplars(benchmark, ["one"], [])


SHOTS = """
shots = 2
shots_split = "validation"
[data]
paths = ["{split}.jsonl"]
choice_list = "options"
subject = "category"
shot_columns = ["cot"]
[prompts.generate]
user = "{{ question }}"
assistant = " {{ cot | replace('A: Let', 'Let') }}"
"""


def with_shots(folder: Path, keys: str) -> ChatPrompt:
    def row(name: str, **more: str) -> str:
        return json.dumps(
            {"category": "math", "question": name, "options": ["x", "y"], "answer": "A", **more}
        )

    law = row("l", category="law", cot="A: Let law")
    shots = [law, *(row(f"s{n}", cot=f"A: Let {n}") for n in range(3)), law]
    (folder / "validation.jsonl").write_text("\n".join(shots))
    (folder / "test.jsonl").write_text(row("q"))
    benchmark = parsed(folder, SHOTS + keys)
    layout = locate(benchmark, "test", None, folder)
    (question,) = load_questions(benchmark, layout, "test").questions
    examples = load_shots(benchmark, layout, ["math"], 2)
    prompt = PromptBuilder(benchmark, "generate", examples).request(question).prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def test_shots_are_of_the_same_subject_and_have_their_own_columns(tmp_path: Path) -> None:
    assert [turn.content for turn in with_shots(tmp_path, "").messages] == [
        *("s0", " Let 0", "s1", " Let 1", "q"),
    ]


def test_shots_as_one_text(tmp_path: Path) -> None:
    prompt = with_shots(
        tmp_path, 'shots_as = "text"\nseparator = "##"\nsystem = "sys"\ndescription = "about {{ subject }}: "'
    )
    assert prompt.messages == (
        Message("system", "sys"),
        Message("user", "about math: s0 Let 0##s1 Let 1##q"),
    )
    assert prompt.without_shots(1).messages[1].content == "about math: s1 Let 1##q"
    assert prompt.text == "sys\nabout math: s0 Let 0##s1 Let 1##q"


def test_a_description_begins_the_first_turn(tmp_path: Path) -> None:
    prompt = with_shots(tmp_path, 'description = "D "')
    assert [turn.content for turn in prompt.messages][:2] == ["D s0", " Let 0"]
    assert prompt.without_shots(2).messages == (Message("user", "D q"),)


@pytest.mark.parametrize("data", ["choices = []", 'labels = ["A", "B"]'])
def test_only_texts_of_choices_can_be_shuffled(data: str) -> None:
    with pytest.raises(UserError, match="no choices to reorder"):
        parsed(Path("/own"), f"shuffle_choices = 1\n[data]\n{data}")
