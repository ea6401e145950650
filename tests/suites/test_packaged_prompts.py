"""MMLU and GSM8K: prompts byte for byte as OpenCompass and lm-evaluation-harness write them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pytest_llmeval.core.types import ChatPrompt, Message, Mode, Request, TextPrompt
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.exemplars import load_exemplars
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.questions import read_table
from pytest_llmeval.suites.splits import load_questions, load_shots, locate

ROWS = [[f" Question {n}? ", f"a{n}", "b, b", "c", "d", "ABCDA"[n]] for n in range(5)]
SUMS = [
    {"question": f"Sum {n}?", "answer": f"It is <<{n}+1={n + 1}>>{n + 1}.\n#### 1,00{n}"} for n in range(5)
]


def request(tmp_path: Path, name: str, mode: Mode) -> tuple[Request, str | None]:
    benchmark = load(packaged()[name])
    located = locate(benchmark, "test", tmp_path, tmp_path / "cache")
    (question,) = load_questions(benchmark, located, "test").questions
    shots = load_shots(benchmark, located, [question.subject], 5)
    return PromptBuilder(benchmark, mode, shots).request(question), question.answer


@pytest.fixture
def mmlu(tmp_path: Path) -> Path:
    for split, rows in (("dev", ROWS), ("test", [[" Why? ", "w", "x", "y", "z", "C"]])):
        file = tmp_path / f"mmlu/{split}/high_school_us_history_{split}.csv"
        file.parent.mkdir(parents=True)
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows(rows)
    return tmp_path


def test_mmlu_generate(mmlu: Path) -> None:
    hint = (
        "There is a single choice question about high school us history. "
        "Answer the question by replying A, B, C or D."
    )
    wanted = []
    for question, a, b, c, d, answer in [*ROWS, [" Why? ", "w", "x", "y", "z", ""]]:
        turn = f"{hint}\nQuestion: {question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer: "
        wanted += [Message("user", turn), Message("assistant", f"{answer}\n")]
    prompt = request(mmlu, "mmlu", "generate")[0].prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.messages == tuple(wanted[:-1])


def test_mmlu_logprob(mmlu: Path) -> None:
    wanted = "The following are multiple choice questions (with answers) about high school us history.\n\n"
    for question, a, b, c, d, answer in ROWS:
        wanted += f"{question.strip()}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\nAnswer: {answer}\n\n"
    wanted += "Why?\nA. w\nB. x\nC. y\nD. z\nAnswer:"
    asked, answer = request(mmlu, "mmlu", "logprob")
    assert isinstance(asked.prompt, TextPrompt)
    assert asked.prompt.text == wanted
    assert (dict(asked.choices), answer) == ({label: f" {label}" for label in "ABCD"}, "C")


def test_mmlu_has_its_subjects_and_groups() -> None:
    groups = {name: len(keys) for name, keys in load(packaged()["mmlu"]).groups.items()}
    assert groups == {"stem": 19, "social-science": 12, "humanities": 13, "other": 13}


def test_gsm8k(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    for split, rows in (("train", SUMS), ("test", SUMS[:1])):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"gsm8k/{split}.jsonl").write_text(text, "utf-8")
    wanted = []
    for row in [*SUMS, SUMS[0]]:
        wanted += [
            Message("user", f"Question: {row['question']}\nAnswer:"),
            Message("assistant", row["answer"]),
        ]
    asked, answer = request(tmp_path, "gsm8k", "generate")
    assert isinstance(asked.prompt, ChatPrompt)
    assert asked.prompt.messages == tuple(wanted[:-1])
    assert asked.stop == ("Question:", "</s>", "<|im_end|>")
    assert answer == "1,000"


def test_gsm8k_exemplars_are_those_of_lm_eval() -> None:
    tasks = Path(pytest.importorskip("lm_eval").__file__).parent / "tasks"
    published = pytest.importorskip("yaml").safe_load((tasks / "gsm8k/gsm8k-cot.yaml").read_text("utf-8"))
    shots = [f"Q: {shot['question']}\nA: {shot['target']}" for shot in published["fewshot_config"]["samples"]]
    benchmark = load(packaged()["gsm8k"], variant="lm-eval-cot")
    row = json.dumps(SUMS[0]).encode()
    (question,) = read_table(row, Path("t.jsonl"), benchmark, "gsm8k", True)
    builder = PromptBuilder(benchmark, "generate", {}, load_exemplars(benchmark, ["gsm8k"], ()))
    prompt = builder.request(question).prompt
    assert isinstance(prompt, ChatPrompt)
    assert [turn.content for turn in prompt.messages] == ["\n\n".join([*shots, "Q: Sum 0?\nA:"])]
    assert len(shots) == 8 and published["doc_to_text"] == "Q: {{question}}\nA:"
