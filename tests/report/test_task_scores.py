"""Metrics of lm-evaluation-harness tasks as a table and as JSON."""

from __future__ import annotations

import json

from pytest_llmeval.report.task_scores import task_rows, task_table
from pytest_llmeval.results.task_scores import Number, TaskResult, TaskScores, scores_json

SCORES = TaskScores(
    "0.4.13",
    (
        TaskResult(
            "t",
            "- 任务",
            12,
            3,
            "1.0",
            (
                Number("none", "acc", 0.5, 0.125, True),
                Number("none", "word_perplexity", float("inf"), None, False),
                Number("strict", "odd", "ValueError: empty", None),
            ),
        ),
        TaskResult("g", "g", 20, None, "2", (Number("none", "acc", 0.25, None, True),), is_group=True),
    ),
)


def test_columns_are_aligned() -> None:
    title, head, *lines = task_table(SCORES, unicode=True)
    assert title == "as lm-eval 0.4.13 reports it:"
    assert [line.split()[-2:] for line in lines[:1]] == [["0.5000", "0.1250"]]
    assert lines[1].split() == ["-", "任务", "none", "3", "word_perplexity", "lower", "inf"]
    assert "ValueError: empty" in lines[2]
    assert lines[3].split() == ["g", "none", "acc", "higher", "0.2500"]
    assert head.index("metric") == lines[3].index("acc")
    assert [row.is_group for row in task_rows(SCORES)] == [False, False, False, True]


def test_json_has_the_keys_of_lm_eval_results() -> None:
    content = json.loads(json.dumps(scores_json(SCORES), allow_nan=False))
    task = content["tasks"]["t"]
    assert (task["acc,none"], task["acc_stderr,none"], task["documents"], task["shots"]) == (
        0.5,
        0.125,
        12,
        3,
    )
    assert task["word_perplexity,none"] == "inf"
    assert task["higher_is_better"] == {"acc": True, "word_perplexity": False, "odd": None}
    assert list(content["groups"]) == ["g"]
    assert content["groups"]["g"]["acc_stderr,none"] is None
