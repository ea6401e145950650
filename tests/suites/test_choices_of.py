"""Choices and gold answers in the shapes of published benchmarks; each test writes its own small rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.catalog import load
from pytest_llmeval.suites.splits import Split, load_questions, locate

Row = dict[str, Any]
ABC = {"A": "red", "B": "blue", "C": "green"}


def table(folder: Path, rows: Sequence[Row] | str, toml: str = "") -> Split:
    path = folder / ("q.csv" if isinstance(rows, str) else "q.jsonl")
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, "utf-8")
    if toml:
        (folder / "benchmark.toml").write_text(toml, "utf-8")
    benchmark = load(path)
    return load_questions(benchmark, locate(benchmark, benchmark.split, None, folder), benchmark.split)


def first(folder: Path, rows: Sequence[Row] | str, toml: str = "") -> Question:
    question = table(folder, rows, toml).questions[0]
    assert question.problem is None
    return question


@pytest.mark.parametrize(
    "names",
    [
        ("A", "B", "C"), ("a", "b", "c"), ("option_A", "option_B", "option_C"),
        ("optionA", "optionB", "optionC"),
        ("Option A", "Option B", "Option C"), ("opa", "opb", "opc"), ("choice_a", "choice_b", "choice_c"),
        ("option1", "option2", "option3"), ("choice1", "choice2", "choice3"),
        ("选项A", "选项B", "选项C"),
        ("选项Ａ", "选项Ｂ", "选项Ｃ"), ("ending0", "ending1", "ending2"), ("1", "2", "3"),
        ("answerA", "answerB", "answerC"), ("sol1", "sol2", "sol3"), ("answer0", "answer1", "answer2"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("question", "gold"), [("question", "label"), ("Question", "ANSWER"), ("题目", "答案")]
)
def test_a_column_for_each_choice(tmp_path: Path, names: Sequence[str], question: str, gold: str) -> None:
    cells = dict(zip(names, ABC.values(), strict=True))
    asked = first(tmp_path, [{question: "Sky?", **cells, gold: "B"}])
    assert (dict(asked.choices), asked.answer) == (ABC, "B")


@pytest.mark.parametrize(
    "column", ["choices", "options", "Options", "endings", "choice", "answer_choices", "选项"]
)
@pytest.mark.parametrize(
    "cell",
    [
        ["red", "blue", "green"],
        {"text": ["red", "blue", "green"], "label": ["A", "B", "C"]},
        {"A": "red", "B": "blue", "C": "green"},
        [{"label": "A", "text": "red"}, {"label": "B", "text": "blue"}, {"label": "C", "text": "green"}],
        [{"A": "red"}, {"B": "blue"}, {"C": "green"}],
        ["A) red", "B) blue", "C) green"],
        ["(A)red", "(B)blue", "(C)green"],
        "A. red\nB. blue\nC. green",
        "['red' 'blue' 'green']",
    ],
)
def test_a_list_of_choices(tmp_path: Path, column: str, cell: object) -> None:
    asked = first(tmp_path, [{"question": "Sky?", column: cell, "answer": "B"}])
    assert (dict(asked.choices), asked.answer) == (ABC, "B")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        # OpenBookQA, ARC with numbers, SocialIQA, CosmosQA, ReClor, AQuA, MedQA, MMLU-Pro, OpenAI's marks
        ({"question_stem": "Q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"}, "Q"),
        ({"question": "Q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}, "Q"),
        ({"context": "P", "question": "Q", "answerA": "x", "answerB": "y", "label": "2"}, "P\n\nQ"),
        ({"context": "P", "question": "Q", "answer0": "x", "answer1": "y", "label": 1}, "P\n\nQ"),
        ({"context": "P", "question": "Q", "answers": ["x", "y"], "label": 1}, "P\n\nQ"),
        ({"question": "Q", "options": ["A)x", "B)y"], "rationale": "r", "correct": "B"}, "Q"),
        ({"question": "Q", "answer": "y", "options": {"A": "x", "B": "y"}, "answer_idx": "B"}, "Q"),
        ({"question": "Q", "options": ["x", "y"], "answer": "B", "answer_index": 1}, "Q"),
        (
            {
                "question": "Q",
                "choices": [{"text": "x", "is_correct": False}, {"text": "y", "is_correct": True}],
            },
            "Q",
        ),
        # TruthfulQA, BIG-bench, HellaSwag, SWAG, PIQA, COPA, WinoGrande
        ({"question": "Q", "mc1_targets": {"choices": ["x", "y"], "labels": [0, 1]}}, "Q"),
        (
            {"inputs": "Q", "multiple_choice_targets": ["x", "y", "z"], "multiple_choice_scores": [0, 1, 0]},
            "Q",
        ),
        ({"ctx": "Q", "endings": ["x", "z", "w", "y"], "label": "3", "ind": 4}, "Q"),
        ({"startphrase": "Q", "ending0": "x", "ending1": "y", "label": 1}, "Q"),
        ({"goal": "Q", "sol1": "y", "sol2": "x", "label": 0}, "Q"),
        ({"premise": "P", "question": "Q", "choice1": "y", "choice2": "x", "label": 0}, "P\n\nQ"),
        ({"sentence": "Q", "option1": "x", "option2": "y", "answer": "2"}, "Q"),
        # RACE, C3, SciQ, GPQA, TruthfulQA's table, MedMCQA
        ({"article": "P", "question": "Q", "options": ["x", "y"], "answer": "B"}, "P\n\nQ"),
        (
            {"context": ["One.", "Two."], "question": "Q", "choice": ["x", "y"], "answer": "y"},
            "One.\nTwo.\n\nQ",
        ),
        (
            {"question": "Q", "distractor1": "x", "distractor2": "z", "correct_answer": "y", "support": "P"},
            "P\n\nQ",
        ),
        ({"Question": "Q", "Correct Answer": "y", "Incorrect Answer 1": "x", "Incorrect Answer 2": "z"}, "Q"),
        (
            {"question": "Q", "best_answer": "y", "incorrect_answers": ["x", "z"], "correct_answers": ["y"]},
            "Q",
        ),
        ({"question": "Q", "opa": "x", "opb": "z", "opc": "w", "opd": "y", "cop": 4}, "Q"),
    ],
)
def test_published_shapes(tmp_path: Path, row: Row, text: str) -> None:
    asked = first(tmp_path, [row])
    assert asked.fields["question"] == text
    assert asked.answer is not None
    assert asked.choices[asked.answer] == "y"
    assert 2 <= len(asked.choices) <= 4


@pytest.mark.parametrize(
    ("golds", "labels"),
    [
        ([0, 1, 3], "ABD"), ([1, 4, 2], "ADB"), (["0", "2", "1"], "ACB"), ([0.0, 3.0, 1.0], "ADB"),
        (["1.0", "4.0", "2.0"], "ADB"), ([[0], [3], [1]], "ADB"),
    ],
)  # fmt: skip
def test_the_whole_file_tells_where_positions_begin(tmp_path: Path, golds: list[object], labels: str) -> None:
    rows = [{"question": f"{gold}?", "choices": ["p", "q", "r", "s"], "answer": gold} for gold in golds]
    assert "".join(question.answer or "" for question in table(tmp_path, rows).questions) == labels


def test_numbers_as_labels_become_letters(tmp_path: Path) -> None:
    """ARC has letters in most rows and numbers in others; only letters are read well in a model's text."""
    texts = ["p", "q", "r", "s"]
    rows = [
        {"question": "Q", "choices": {"text": texts, "label": list("ABCD")}, "answerKey": "C"},
        {"question": "Q", "choices": {"text": texts, "label": list("1234")}, "answerKey": "2"},
        {"question": "Q", "choices": {"text": texts[:3], "label": list("123")}, "answerKey": "1"},
    ]
    questions = table(tmp_path, rows).questions
    assert [question.answer for question in questions] == ["C", "B", "A"]
    assert [list(question.choices) for question in questions] == [list("ABCD"), list("ABCD"), list("ABC")]


def test_positions_from_0_of_choices_numbered_from_1(tmp_path: Path) -> None:
    choices = {"text": ["p", "q", "r"], "label": ["1", "2", "3"]}
    rows = [{"question": "Q", "choices": choices, "answer": number} for number in (0, 1, 2)]
    assert [question.answer for question in table(tmp_path, rows).questions] == ["A", "B", "C"]


def test_one_mistake_among_many_positions(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "choices": list("pqrs"), "answer": n % 4} for n in range(40)]
    rows[7]["answer"] = 9
    questions = table(tmp_path, rows).questions
    assert questions[6].answer == "C"
    assert "answer '9' is not one of A, B, C, D" in (questions[7].problem or "")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"question": "Q", "choices": list("pqr"), "answer": n} for n in (1, 2)],
         "(1 to 2) may count the choices from 0 or from 1; say which in benchmark.toml"),
        ([{"question": "Q", "option1": "p", "option2": "q", "answer": "1"}], "(1) may count"),
        ([{"question": "Q", "choices": ["3", "2", "1"], "answer": 1}],
         "(1) may be texts of choices or count the choices from 0 or from 1"),
        ([{"question": "Q", "choices": list("pq"), "answer": n} for n in (0, 2)], "from 0 or from 1"),
    ],
)  # fmt: skip
def test_positions_that_may_mean_two_things_are_refused(tmp_path: Path, rows: list[Row], said: str) -> None:
    with pytest.raises(UserError) as caught:
        table(tmp_path, rows)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("number", "gold"), [(0, "B"), (1, "A")])
def test_the_toml_says_where_positions_begin(tmp_path: Path, number: int, gold: str) -> None:
    toml = f"[data]\nanswer_index = {number}\n"
    rows = [{"question": "Q", "choices": list("pqr"), "answer": 1}]
    assert first(tmp_path, rows, toml).answer == gold


@pytest.mark.parametrize("golds", [("4", "18"), ("4", "blue"), ("7", "-2")])
def test_numbers_that_are_texts_of_choices(tmp_path: Path, golds: Sequence[str]) -> None:
    rows = [{"question": "Q", "choices": ["0.5", gold, "11", "x"], "answer": gold} for gold in golds]
    assert {question.answer for question in table(tmp_path, rows).questions} == {"B"}


def test_three_to_twenty_choices_in_one_file(tmp_path: Path) -> None:
    rows = [
        {"question": "Q", "options": [f"t{n}" for n in range(size)], "answer": label}
        for size, label in ((3, "C"), (20, "T"), (26, "Z"))
    ]
    questions = table(tmp_path, rows).questions
    assert [(len(question.choices), question.answer) for question in questions] == [
        (3, "C"),
        (20, "T"),
        (26, "Z"),
    ]


def test_several_right_positions(tmp_path: Path) -> None:
    rows = [{"question": "Q", "options": list("pqr"), "answer": gold} for gold in ([0, 2], [1], [0, 1, 2])]
    assert [question.answer for question in table(tmp_path, rows).questions] == ["AC", "B", "ABC"]


def test_the_place_of_the_right_choice_depends_on_texts_only(tmp_path: Path) -> None:
    rows = [
        {"question": f"Q{n}", "correct_answer": "right", "distractor1": "x", "distractor2": "y"}
        for n in range(40)
    ]
    golds = [question.answer for question in table(tmp_path, rows).questions]
    assert set(golds) == {"A", "B", "C"}
    (again := tmp_path / "again").mkdir()
    assert [question.answer for question in table(again, rows[::-1]).questions][::-1] == golds


def test_a_right_choice_among_the_wrong_ones_is_that_row_s_problem(tmp_path: Path) -> None:
    rows = [{"question": "Q", "correct_answer": gold, "distractor1": "x"} for gold in ("y", "x", "")]
    problems = [question.problem or "" for question in table(tmp_path, rows).questions]
    assert problems[0] == ""
    assert "the answer 'x' is among the wrong choices too" in problems[1]
    assert "the answer is missing" in problems[2]


def test_a_right_choice_called_like_a_label(tmp_path: Path) -> None:
    rows = [
        {"question": f"{n}", "correct_answer": "A", "distractor1": "B", "distractor2": "C"} for n in range(9)
    ]
    for question in table(tmp_path, rows).questions:
        assert question.answer is not None
        assert question.choices[question.answer] == "A"


def test_a_column_of_choices_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the cells of 'choices' are no lists of choices, as 'red or blue'"):
        table(tmp_path, [{"question": "Q", "choices": "red or blue", "answer": "B"}])


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"question": "Q", "answers": ["x", "y"]}, '["x", "y"]'),
        ({"question": "Q", "answers": {"text": ["x", "y"], "answer_start": [1, 5]}}, '["x", "y"]'),
        ({"question": "Q", "answer": {"value": "x", "aliases": ["x", "y"]}}, '["x", "y"]'),
        ({"question": "Q", "answer": [4, "four"]}, '["4", "four"]'),
        ({"question": "Q", "answer": [4]}, "4"),
        ({"question": "Q", "ideal": "x"}, "x"),
        ({"question": "Q", "ctx_a": "p", "ctx_b": "q", "answer": "x"}, "x"),
        ({"question": "Q", "sentence1": "p", "sentence2": "q", "answer": "x"}, "x"),
        ({"question": "Q", "answer": "x", "answer_1": "y", "answer_2": "z"}, "x"),
    ],
)
def test_open_questions_have_no_choices(tmp_path: Path, row: Row, gold: str) -> None:
    asked = first(tmp_path, [row])
    assert (dict(asked.choices), asked.answer) == ({}, gold)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"passage": "P", "question": "Q", "answer": "x"}, "P\n\nQ"),
        ({"Context": "P", "question": "Q", "answer": "x"}, "P\n\nQ"),
        ({"文章": "P", "问题": "Q", "答案": "x"}, "P\n\nQ"),
        ({"passage": None, "question": "Q", "answer": "x"}, "Q"),
        ({"instruction": "I", "input": "N", "output": "x"}, "I\n\nN"),
        ({"instruction": "I", "input": "", "output": "x"}, "I"),
        ({"instruction": "I", "question": "Q", "answer": "x"}, "I\n\nQ"),
        ({"Body": "P", "Question": "Q", "Answer": "x"}, "P\n\nQ"),
        ({"question": ["Q"], "answer": "x"}, "Q"),
    ],
)
def test_texts_around_a_question(tmp_path: Path, row: Row, text: str) -> None:
    assert first(tmp_path, [row]).fields["question"] == text


def test_a_question_is_due_beside_its_passage(tmp_path: Path) -> None:
    rows = [{"passage": "P", "question": text, "answer": "x"} for text in ("Q", "", "Q")]
    assert "the question is empty" in (table(tmp_path, rows).questions[1].problem or "")


@pytest.mark.parametrize("cell", [["Q1", "Q2"], {"stem": "Q"}, [["Q"]]])
def test_a_list_is_never_sent_as_json(tmp_path: Path, cell: object) -> None:
    with pytest.raises(UserError, match="the cells of 'question' are lists or objects"):
        table(tmp_path, [{"question": cell, "answer": "x"}])
    rows = [{"question": text, "answer": "x"} for text in ("Q", cell, "Q")]
    assert "not a text" in (table(tmp_path, rows).questions[1].problem or "")


def test_a_passage_in_the_benchmark_s_own_template_is_not_repeated(tmp_path: Path) -> None:
    toml = '[data]\ncolumns = ["passage"]\n[prompts.generate]\nuser = "{{ passage }} {{ question }}"\n'
    row = {"passage": "P", "question": "Q", "answer": "x"}
    asked = table(tmp_path, [row], toml)
    assert asked.questions[0].fields["question"] == "Q"
    assert asked.unused_columns == ()


def test_an_index_without_a_name_is_no_passage(tmp_path: Path) -> None:
    asked = table(tmp_path, ",question,A,B,answer\n0,Q,x,y,B\n")
    assert asked.questions[0].fields["question"] == "Q"
    assert asked.unused_columns == ("",)


def test_columns_that_are_not_used(tmp_path: Path) -> None:
    row = {
        "id": 1,
        "question": "Q",
        "choices": ["x", "y"],
        "answer": "B",
        "answer_index": 1,
        "note": "n",
        "empty": "",
    }
    assert table(tmp_path, [row]).unused_columns == ("answer_index", "note")


@given(st.data(), st.integers(0, 1), st.integers(2, 8))
def test_positions_are_read_as_they_were_meant(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, begin: int, size: int
) -> None:
    """With its first or last position in it, a file is read right; without, it is refused or read right."""
    meant = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=6))
    choices = [f"t{n}" for n in range(size)]
    rows = [{"question": "Q", "choices": choices, "answer": place + begin} for place in meant]
    certain = 0 in meant if begin == 0 else size - 1 in meant
    try:
        questions = table(tmp_path_factory.mktemp("q"), rows).questions
    except UserError:
        assert not certain
        return
    assert certain
    assert [question.choices[question.answer or ""] for question in questions] == [f"t{n}" for n in meant]


CELLS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 30)
    | st.floats()
    | st.sampled_from(["", "A", "b", "nan", "x"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "label", "role", "content", "A", "1"]), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *(
            "question",
            "input",
            "messages",
            "answer",
            "label",
            "choices",
            "answers",
            "A",
            "B",
            "option1",
            "option2",
        ),
        *(
            "sol1",
            "sol2",
            "distractor1",
            "correct_answer",
            "context",
            "instruction",
            "mc1_targets",
            "id",
            "x",
        ),
    ]
)


@given(st.lists(st.dictionaries(NAMES, CELLS, max_size=7), min_size=1, max_size=4))
def test_any_rows_are_questions_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    try:
        questions = table(tmp_path_factory.mktemp("q"), rows).questions
    except UserError as error:
        assert "\n" not in str(error)
        return
    assert len(questions) == len(rows)
    for question in questions:
        if question.problem is None and question.choices:
            assert 2 <= len(question.choices) <= 26
            assert question.answer is None or question.answer[0] in question.choices
