"""Log-probability prompts of packaged benchmarks are those of lm-evaluation-harness, byte for byte.

The library builds its prompts from the same made-up rows, which it reads as the data set of its own task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.core.types import TextPrompt
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.questions import read_table

_TEXTS = [" two words", "It's 'so' ", "$x^2$ [title] {y}", "ünï  bytes"]


def _labelled(labels: str) -> dict[str, list[str]]:
    return {"text": _TEXTS[: len(labels)], "label": list(labels)}


_ARC = [
    {"id": "a", "question": "Why {so}?\n", "choices": _labelled("ABCD"), "answerKey": "C"},
    {"id": "b", "question": " Which [one]", "choices": _labelled("123"), "answerKey": "2"},
]
#: by benchmark: the file of its task there, and rows of the task's data set
TASKS: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]] = {
    "arc_easy": ("arc/arc_easy.yaml", _ARC),
    "arc_challenge": ("arc/arc_challenge.yaml", _ARC),
    "openbookqa": (
        "openbookqa/openbookqa.yaml",
        [
            {"id": "1-2", "question_stem": "A dog is ", "choices": _labelled("ABCD"), "answerKey": "B"},
            {"id": "1-3", "question_stem": "Who?", "choices": _labelled("ABCD"), "answerKey": "D"},
        ],
    ),
    "piqa": (
        "piqa/piqa.yaml",
        [
            {"goal": "Open a jar. ", "sol1": "Turn it.", "sol2": " Hit {it}. ", "label": 1},
            {"goal": "Close it", "sol1": "x", "sol2": "y", "label": 0},
        ],
    ),
    "winogrande": (
        "winogrande/default.yaml",
        [
            {
                "sentence": "Ann saw Eve because _ had  called. ",
                "option1": "Ann",
                "option2": "Eve",
                "answer": "2",
            },
            {"sentence": "_ is [title] big", "option1": " a dog", "option2": "cat ", "answer": "1"},
        ],
    ),
    "hellaswag": (
        "hellaswag/hellaswag.yaml",
        [
            {
                "activity_label": "Home and Garden",
                "ctx": "[header] How to  mow: now [title] a lawn",
                "ctx_a": "[header] How to  mow: now [title] a lawn ",
                "ctx_b": "the MAN\\n then",
                "endings": _TEXTS,
                "label": "2",
            },
            {
                "activity_label": "Ski[ing]",
                "ctx": "not used",
                "ctx_a": "A  person",
                "ctx_b": "",
                "endings": ["a", " b", "[step] c", "d  d   d"],
                "label": "0",
            },
        ],
    ),
    "boolq": (
        "super_glue/boolq/default.yaml",
        [
            {"question": "is it {so}", "passage": "Text -- of\nlines. ", "label": 1},
            {"question": "is it", "passage": "No", "label": 0},
        ],
    ),
    "truthfulqa_mc1": (
        "truthfulqa/truthfulqa_mc1.yaml",
        [
            {
                "question": "What 'if' {x}?",
                "mc1_targets": {"choices": [*_TEXTS, "e"], "labels": [1, 0, 0, 0, 0]},
            },
            {"question": "Who?", "mc1_targets": {"choices": ["x", "y"], "labels": [1, 0]}},
        ],
    ),
    "truthfulqa_mc2": (
        "truthfulqa/truthfulqa_mc2.yaml",
        [
            {
                "question": "What 'if' {x}?",
                "mc2_targets": {"choices": [*_TEXTS, "e"], "labels": [1, 1, 0, 0, 0]},
            },
            {"question": "Who?", "mc2_targets": {"choices": ["x", "y"], "labels": [1, 0]}},
        ],
    ),
}


Pairs = list[list[tuple[str, str]]]


def _theirs(file: str, folder: Path, rows: Sequence[Mapping[str, Any]]) -> Pairs:
    """The context and continuation of each choice of each row, as the library asks for them."""
    import lm_eval.tasks

    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    config = {
        "include": str(Path(lm_eval.tasks.__file__).parent / file),
        "task": "of_made_up_rows",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {
            "data_files": {"test": str(data), "validation": str(data)},
            "cache_dir": str(folder / "cache"),
        },
        "training_split": None,
    }
    (folder / "task.yaml").write_text(json.dumps(config), "utf-8")
    manager = lm_eval.tasks.TaskManager(include_path=str(folder), include_defaults=False)
    task = manager.load(["of_made_up_rows"])["tasks"]["of_made_up_rows"]
    task.build_all_requests(rank=0, world_size=1)
    pairs: Pairs = [[] for _ in rows]
    for instance in task.instances:
        pairs[instance.doc_id].append(instance.args)
    return pairs


def _ours(name: str, rows: Sequence[Mapping[str, Any]]) -> Pairs:
    benchmark = load(packaged()[name])
    raw = "".join(json.dumps(row) + "\n" for row in rows).encode()
    questions = read_table(raw, Path("rows.jsonl"), benchmark, benchmark.name, True)
    assert [question.problem for question in questions] == [None] * len(rows)
    pairs = []
    for question in questions:
        request = PromptBuilder(benchmark, "logprob", {}).request(question)
        parts = request.parts or (request,)
        assert all(isinstance(part.prompt, TextPrompt) for part in parts)
        pairs.append([(part.prompt.text, text) for part in parts for text in part.choices.values()])
    return pairs


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_prompts(name: str, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    file, rows = TASKS[name]
    assert _ours(name, rows) == _theirs(file, tmp_path, rows)
