"""The page's data: every question and answer is in it, and shared prompt text only once per chunk."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Completion, Outcome
from pytest_llmeval.report import embed
from pytest_llmeval.report.embed import index_json, packed_chunks, script_json
from pytest_llmeval.report.questions import RunQuestions
from pytest_llmeval.results.question_log import QuestionLog
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.rerun import Rerun
from tests.support import pages as pages

SUBJECTS = list(pages.SUBJECTS)


def questions(folder: Path, records: Sequence[Record]) -> RunQuestions:
    made = pages.made_up(folder, records)
    return RunQuestions(made.folder / "questions.jsonl", made.results)


def unpacked(run: RunQuestions) -> list[dict[str, Any]]:
    """The texts of all questions in the order of the index, with whole prompts."""
    details = []
    for first, packed in packed_chunks(run, Rerun()):
        assert first == len(details)
        content = json.loads(zlib.decompress(base64.b64decode(packed)))
        for detail in content["questions"]:
            if "prefix" in detail:
                detail["prompt"] = content["prefixes"][detail["prefix"]] + detail["prompt"]
            details.append(detail)
    return details


@pytest.mark.parametrize("number", [1, 7, 450])
def test_all_texts_are_in_the_chunks(tmp_path: Path, number: int) -> None:
    records = pages.records(number, ("a", "b"), SUBJECTS)
    run = questions(tmp_path, records)
    assert len(run.questions) == number
    by_key = {(record.id, record.model): record for record in records}
    for question, detail in zip(run.questions, unpacked(run), strict=True):
        assert len(detail["models"]) == 2
        for number_of_model, model in enumerate(("a", "b")):
            record = by_key[question.id, model]
            (answer,) = detail["models"][str(number_of_model)]["answers"]
            assert detail["prompt"] == record.prompt
            assert answer.get("text", "") == record.completion.text
            assert answer.get("error") == record.completion.error
            assert question.answers[model].majority.outcome is record.outcome


def test_shared_prompt_text_is_stored_once_per_chunk(tmp_path: Path) -> None:
    run = questions(tmp_path, pages.records(450, ("a",), SUBJECTS))
    prefixes = []
    for _, packed in packed_chunks(run, Rerun()):
        content = json.loads(zlib.decompress(base64.b64decode(packed)))
        assert all("prefix" in detail for detail in content["questions"])
        assert not any("例题" in detail["prompt"] for detail in content["questions"])
        prefixes += content["prefixes"]
    assert len(prefixes) < 2 * len(SUBJECTS)


def test_a_model_with_another_prompt_has_its_own(tmp_path: Path) -> None:
    ours, theirs = pages.records(1, ("a", "b"), SUBJECTS)
    (detail,) = unpacked(questions(tmp_path, [ours, pages.changed(theirs, prompt="shorter")]))
    assert detail["prompt"] == ours.prompt
    (first,), (second,) = (detail["models"][model]["answers"] for model in "01")
    assert second["prompt"] == "shorter"
    assert "prompt" not in first


def test_a_question_that_a_model_was_not_asked(tmp_path: Path) -> None:
    made = pages.made_up(tmp_path, pages.records(4, ("a", "b"), SUBJECTS)[:-1])
    index = index_json(RunQuestions(made.folder / "questions.jsonl", made.results), made.results, Rerun())
    columns = [column["outcome"] for column in index["answers"]]
    assert "-" not in columns[0]
    assert columns[1].count("-") == 1


def test_a_repeated_question_has_all_its_answers(tmp_path: Path) -> None:
    (one, other) = (pages.changed(record, target="A") for record in pages.records(2, ("a",), SUBJECTS))
    once = pages.changed(one, model="b", id=one.id)
    records = [*pages.repeated(one, "BA-A"), *pages.repeated(other, "!!CA"), once]
    made = pages.made_up(tmp_path, records)
    (tmp_path / "questions.jsonl").unlink()
    with QuestionLog(tmp_path / "questions.jsonl") as log:
        for record in [*records[::-1], pages.changed(records[2], text="written twice")]:
            log.write(record)
    run = RunQuestions(tmp_path / "questions.jsonl", made.results)
    a, b = index_json(run, made.results, Rerun())["answers"]
    order = [[one.id, other.id].index(question.id) for question in run.questions]
    # the index has the majority, whatever the order of the lines
    assert [a["outcome"][at] for at in order] == ["c", "w"]
    assert [a["answer"][at] for at in order] == ["A", "C"]
    assert [a["repeats"][at] for at in order] == ["wcuc", "eewc"]
    assert [a["ms"][at] for at in order] == [2500.0, 3500.0]  # errors took 9 s
    assert "repeats" not in b
    details = unpacked(run)
    (first, second) = (details[at]["models"]["0"]["answers"] for at in order)
    assert [answer["text"] for answer in first] == [
        f"time 0 of {one.id}",
        f"time 1 of {one.id}",
        "written twice",
        f"time 3 of {one.id}",
    ]
    assert [answer.get("error") for answer in second] == ["broken", "broken", None, None]
    assert [(answer["outcome"], answer["answer"]) for answer in first] == [
        ("w", "B"),
        ("c", "A"),
        ("u", None),
        ("c", "A"),
    ]
    # charts count every answer but errors
    stats = run.stats["cmmlu", "a"]
    assert sorted(stats.latencies) == [1.0, 2.0, 3.0, 3.0, 4.0, 4.0]
    assert stats.extracted == {"A": 3, "B": 1, "C": 1}
    assert stats.gold == {"A": 6}
    assert stats.unparsed.total() == 1


def test_scores_of_a_graded_metric(tmp_path: Path) -> None:
    one, two, three = pages.records(3, ("a",), ["arts"])
    repeats = [
        replace(record, score=score)
        for record, score in zip(pages.repeated(two, "AB"), (1.0, 0.5), strict=True)
    ]
    made = pages.made_up(tmp_path, [replace(one, score=0.0), *repeats, replace(three, score=None)])
    run = RunQuestions(made.folder / "questions.jsonl", made.results)
    (column,) = index_json(run, made.results, Rerun())["answers"]
    assert column["score"] == [0.0, 0.75, None]
    assert [answer["score"] for answer in unpacked(run)[1]["models"]["0"]["answers"]] == [1.0, 0.5]
    # other metrics have no such column
    made = pages.made_up(tmp_path / "plain", [one])
    run = RunQuestions(made.folder / "questions.jsonl", made.results)
    assert "score" not in index_json(run, made.results, Rerun())["answers"][0]


def test_charts_leave_out_latencies_of_stored_answers_and_errors(tmp_path: Path) -> None:
    (one,) = pages.records(1, ("a",), SUBJECTS)
    other = pages.changed(one, id=one.id + "1", cached=True)
    failed = pages.changed(one, id=one.id + "2", outcome=Outcome.ERROR, error="broken")
    stats = questions(tmp_path, [one, other, failed]).stats["cmmlu", "a"]
    assert len(stats.latencies) == 1
    assert len(stats.prompt_tokens) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"finish_reason": "length", "text": "so"}, "cut off"),
        ({"finish_reason": "stop", "text": " \n"}, "empty (see the prompts: --llm-show-prompts)"),
        ({"finish_reason": "stop", "text": "so"}, "without a readable answer"),
    ],
)
def test_why_an_answer_is_unparsed(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    (one,) = pages.records(1, ("a",), SUBJECTS)
    record = pages.changed(one, outcome=Outcome.UNPARSED, answer=None, **changes)
    (reason,) = questions(tmp_path, [record]).stats["cmmlu", "a"].unparsed
    assert reason.startswith(why)


PROMPTS = st.lists(st.tuples(st.sampled_from("ab"), st.text("xy\n", max_size=120)), min_size=1, max_size=12)


@given(PROMPTS)
def test_sharing_a_prefix_keeps_every_prompt(prompts: list[tuple[str, str]]) -> None:
    known: dict[tuple[str, str], str] = {}
    for _ in range(2):  # two chunks
        details: list[dict[str, Any]] = [{"prompt": prompt} for _, prompt in prompts]
        prefixes = embed._share_prefixes(details, [("b", subject) for subject, _ in prompts], known)
        for detail, (_, prompt) in zip(details, prompts, strict=True):
            shared = prefixes[detail["prefix"]] if "prefix" in detail else ""
            assert shared + detail["prompt"] == prompt


@given(st.recursive(st.text(st.characters(exclude_categories=())) | st.integers(), st.lists))
def test_json_in_a_script_means_the_same_without_html_characters(content: object) -> None:
    text = script_json(content)
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == content


def test_metrics_and_texts_of_an_lm_eval_task(tmp_path: Path) -> None:
    first, *others = pages.records(3, ("a",), SUBJECTS)
    completion = replace(first.completion, parts=tuple(Completion(text=text) for text in ("x", "y", "", "z")))
    metrics = {"strict": {"acc": 1.0, "f1": {"$tuple": [1, 0]}}, "none": {"acc": 0.0}}
    run = questions(tmp_path, [replace(first, completion=completion, metrics=metrics), *others])
    (answer,), (plain,) = (detail["models"]["0"]["answers"] for detail in unpacked(run)[:2])
    assert answer["more_texts"] == ["y", "z"]
    assert answer["metrics"] == 'strict: acc 1.0, f1 {"$tuple": [1, 0]}\nnone: acc 0.0'
    assert not {"more_texts", "metrics"} & plain.keys()
