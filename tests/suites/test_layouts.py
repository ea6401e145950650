"""Layouts of published data sets: nested columns, lists in objects, compressed files, named subjects."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.spec import Benchmark, parse
from pytest_llmeval.suites.splits import load_questions, locate

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def made(folder: Path, toml: str, files: Mapping[str, str | bytes]) -> Benchmark:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse(tomllib.loads(toml), folder / "benchmark.toml")


def questions(benchmark: Benchmark) -> Sequence[Question]:
    layout = locate(benchmark, benchmark.split, None, benchmark.folder / "no-cache")
    return load_questions(benchmark, layout, benchmark.split).questions


def json_lines(*rows: Mapping[str, object]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


@pytest.mark.parametrize("gold", ["label", "position", "text"])
def test_lists_of_2_to_20_choices(tmp_path: Path, gold: str) -> None:
    answers = {"label": lambda n: LETTERS[n - 1], "position": lambda n: n - 1, "text": lambda n: f"t{n - 1}"}
    rows = [
        {"question": f"q{n}", "options": [f"t{i}" for i in range(n)], "answer": answers[gold](n)}
        for n in range(2, 21)
    ]
    index = "answer_index = 0" if gold == "position" else ""
    toml = f'[data]\npaths = ["q.jsonl"]\nchoice_list = "options"\n{index}'
    read = questions(made(tmp_path, toml, {"q.jsonl": json_lines(*rows)}))
    assert [question.problem for question in read] == [None] * 19
    assert [question.answer for question in read] == [LETTERS[n - 1] for n in range(2, 21)]
    assert [len(question.choices) for question in read] == list(range(2, 21))


def test_columns_inside_objects(tmp_path: Path) -> None:
    row = {"question": {"stem": "q", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]}}
    toml = '[data]\npaths = ["q.jsonl"]\nquestion = "question.stem"\nchoice_list = "question.choices"\n'
    (question,) = questions(made(tmp_path, toml, {"q.jsonl": json_lines({**row, "answer": "B"})}))
    assert (question.fields["question"], dict(question.choices), question.answer) == (
        "q",
        {"A": "x", "B": "y"},
        "B",
    )


@pytest.mark.parametrize("answers", [{"text": ["a", "b"], "start": [0, 1]}, [{"text": "a"}, {"text": "b"}]])
def test_gold_answers_inside_objects(tmp_path: Path, answers: object) -> None:
    toml = 'metric = "f1"\n[data]\npaths = ["q.jsonl"]\nanswer = "answers.text"\nchoices = []\n'
    (question,) = questions(
        made(tmp_path, toml, {"q.jsonl": json_lines({"question": "q", "answers": answers})})
    )
    assert question.answer == '["a", "b"]'


def test_a_missing_nested_column_is_named(tmp_path: Path) -> None:
    toml = 'metric = "exact"\n[data]\npaths = ["q.jsonl"]\nquestion = "body.stem"\nchoices = []\n'
    benchmark = made(tmp_path, toml, {"q.jsonl": json_lines({"question": "q", "answer": "a"})})
    with pytest.raises(UserError, match=r"column 'body\.stem' is missing"):
        questions(benchmark)


@pytest.mark.parametrize(
    ("name", "rows"), [("examples", ""), ("example", ""), ("mine", 'rows = "mine"'), ("a.b", 'rows = "a.b"')]
)
def test_a_list_inside_an_object(tmp_path: Path, name: str, rows: str) -> None:
    content: object = [{"question": "q", "answer": "a"}]
    for key in reversed(name.split(".")):
        content = {"canary": "c", key: content}
    toml = f'metric = "exact"\n[data]\npaths = ["q.json"]\nchoices = []\n{rows}'
    (question,) = questions(made(tmp_path, toml, {"q.json": json.dumps(content)}))
    assert question.fields["question"] == "q"


@pytest.mark.parametrize("text", ['{"other": []}', "[1]", "{"])
def test_a_list_that_is_not_there(tmp_path: Path, text: str) -> None:
    toml = 'metric = "exact"\n[data]\npaths = ["q.json"]\nchoices = []\nrows = "mine"'
    with pytest.raises(UserError, match=r"q\.json.*(no list of rows 'mine'|not JSON)"):
        questions(made(tmp_path, toml, {"q.json": text}))


def test_compressed_files(tmp_path: Path) -> None:
    toml = 'metric = "exact"\n[data]\npaths = ["q.jsonl.gz"]\nchoices = []\n'
    raw = gzip.compress(json_lines({"question": "q", "answer": "a"}).encode())
    (question,) = questions(made(tmp_path, toml, {"q.jsonl.gz": raw}))
    assert question.answer == "a"
    (tmp_path / "q.jsonl.gz").write_bytes(raw[:-12])
    with pytest.raises(UserError, match="cannot be decompressed"):
        questions(made(tmp_path, toml, {}))


def test_subjects_by_name(tmp_path: Path) -> None:
    toml = """
shots = 0
[data]
paths = ["q.jsonl"]
choice_list = "options"
subject = "category"
[prompts.generate]
user = "{{ subject_name }}|{{ question }}"
[subjects]
cs = {name = "Computer Science"}
"""
    rows = [
        {"category": category, "question": "q", "options": ["x", "y"], "answer": "A"}
        for category in ("computer science", "health care", "cs")
    ]
    benchmark = made(tmp_path, toml, {"q.jsonl": json_lines(*rows)})
    read = questions(benchmark)
    assert [question.id for question in read] == [
        f"{benchmark.name}/{rest}" for rest in ("cs/0", "health_care/1", "cs/2")
    ]
    builder = PromptBuilder(benchmark, "generate", {})
    texts = [builder.request(question).prompt.text for question in read]
    assert texts == ["Computer Science|q", "health care|q", "Computer Science|q"]


def test_choices_in_the_question(tmp_path: Path) -> None:
    toml = '[data]\npaths = ["q.jsonl"]\nlabels = ["A", "B", "C"]\n'
    rows = [{"question": "q\nA. x B. y C. z", "answer": answer} for answer in ("B", ["C"], "D")]
    benchmark = made(tmp_path, toml, {"q.jsonl": json_lines(*rows)})
    read = questions(benchmark)
    assert [question.answer for question in read] == ["B", "C", None]
    assert [question.problem is None for question in read] == [True, True, False]
    asked = PromptBuilder(benchmark, "generate", {}).request(read[0])
    assert asked.prompt.text == "q\nA. x B. y C. z\nAnswer:"
    scored = PromptBuilder(benchmark, "logprob", {}).request(read[0])
    assert dict(scored.choices) == {"A": " A", "B": " B", "C": " C"}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('labels = ["A", "A"]', "a label occurs twice"),
        ('labels = ["A", "B"]\nchoice_list = "options"', "labels are for choices in the question's text"),
        ('rows = "x"\nformat = "csv"', "rows names a list in a JSON file"),
    ],
)
def test_keys_that_contradict_each_other(keys: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        parse(tomllib.loads(f"[data]\n{keys}"), Path("/own/benchmark.toml"))


def test_templates_see_lists_and_objects(tmp_path: Path) -> None:
    toml = r"""
[data]
paths = ["q.jsonl"]
choice_list = "options"
columns = ["options", "meta.level"]
[prompts.generate]
user = '''
{{ options | join("/") }} {{ options }} {{ meta.level }} {{ question | regex_replace("\\[.*?\\]") | trim }}'''
"""
    row = {"question": "[x] q [y]", "options": ["é", "b"], "answer": "A", "meta": {"level": 3}}
    benchmark = made(tmp_path, toml, {"q.jsonl": json_lines(row)})
    prompt = PromptBuilder(benchmark, "generate", {}).request(questions(benchmark)[0]).prompt
    assert prompt.text == 'é/b ["é", "b"] 3 q'
