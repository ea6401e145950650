"""Questions as the page holds them: everything that was recorded, and what prompts share once."""

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
from pytest_llmeval.report.embed import Questions, script_json
from pytest_llmeval.results.question_log import QuestionLog
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.rerun import Rerun
from tests.support import pages as pages

SUBJECTS = list(pages.SUBJECTS)


def questions(folder: Path, found: Sequence[Record]) -> Questions:
    made = pages.made_up(folder, found)
    return Questions(made.folder / "questions.jsonl", made.results, Rerun())


def unpacked(read: Questions) -> list[dict[str, Any]]:
    """All details in the order of the index, prompts whole again."""
    whole = []
    for first, packed in read.chunks():
        assert first == len(whole)
        content = json.loads(zlib.decompress(base64.b64decode(packed)))
        for detail in content["questions"]:
            if "prefix" in detail:
                detail["prompt"] = content["prefixes"][detail["prefix"]] + detail["prompt"]
            whole.append(detail)
    return whole


@pytest.mark.parametrize("number", [1, 7, 450])
def test_nothing_is_lost(tmp_path: Path, number: int) -> None:
    found = pages.records(number, ("a", "b"), SUBJECTS)
    read = questions(tmp_path, found)
    assert len(read.units) == number
    details = unpacked(read)
    records = {(one.id, one.model): one for one in found}
    for unit, detail in zip(read.units, details, strict=True):
        assert len(detail["models"]) == 2
        for at, model in enumerate(("a", "b")):
            record, (own,) = records[unit.id, model], detail["models"][str(at)]["times"]
            assert detail["prompt"] == record.prompt
            assert own.get("text", "") == record.completion.text
            assert own.get("error") == record.completion.error
            assert unit.answers[model].told.outcome is record.outcome


def test_what_prompts_share_is_held_once_a_chunk(tmp_path: Path) -> None:
    found = pages.records(450, ("a",), SUBJECTS)
    held = []
    for _, packed in questions(tmp_path, found).chunks():
        content = json.loads(zlib.decompress(base64.b64decode(packed)))
        assert all("prefix" in detail for detail in content["questions"])
        assert not any("例题" in detail["prompt"] for detail in content["questions"])
        held += content["prefixes"]
    assert len(held) < 2 * len(SUBJECTS)


def test_a_prompt_that_one_model_got_otherwise_is_kept(tmp_path: Path) -> None:
    ours, theirs = pages.records(1, ("a", "b"), SUBJECTS)
    (detail,) = unpacked(questions(tmp_path, [ours, pages.changed(theirs, prompt="shorter")]))
    assert detail["prompt"] == ours.prompt
    (first,), (second,) = (detail["models"][model]["times"] for model in "01")
    assert second["prompt"] == "shorter"
    assert "prompt" not in first


def test_questions_that_one_model_was_not_asked(tmp_path: Path) -> None:
    found = pages.records(4, ("a", "b"), SUBJECTS)[:-1]
    read = questions(tmp_path, found)
    index = read.index(pages.made_up(tmp_path / "again", found).results)
    columns = [one["outcome"] for one in index["answers"]]
    assert "-" not in columns[0]
    assert columns[1].count("-") == 1


def test_a_question_asked_several_times_is_one_with_all_its_answers(tmp_path: Path) -> None:
    (one, other) = (pages.changed(record, target="A") for record in pages.records(2, ("a",), SUBJECTS))
    once = pages.changed(one, model="b", id=one.id)
    found = [*pages.repeated(one, "BA-A"), *pages.repeated(other, "!!CA"), once]
    made = pages.made_up(tmp_path, found)
    (tmp_path / "questions.jsonl").unlink()
    with QuestionLog(tmp_path / "questions.jsonl") as log:
        for record in [*found[::-1], pages.changed(found[2], text="written twice")]:
            log.write(record)
    read = Questions(tmp_path / "questions.jsonl", made.results, Rerun())
    a, b = read.index(made.results)["answers"]
    order = [[one.id, other.id].index(unit.id) for unit in read.units]
    # the majority stands for all, in whatever order they were written
    assert [a["outcome"][at] for at in order] == ["c", "w"]
    assert [a["answer"][at] for at in order] == ["A", "C"]
    assert [a["times"][at] for at in order] == ["wcuc", "eewc"]
    assert [a["ms"][at] for at in order] == [2500.0, 3500.0]  # errors took 9 s
    assert "times" not in b
    details = unpacked(read)
    (first, second) = (details[at]["models"]["0"]["times"] for at in order)
    assert [time["text"] for time in first] == [
        f"time 0 of {one.id}",
        f"time 1 of {one.id}",
        "written twice",
        f"time 3 of {one.id}",
    ]
    assert [time.get("error") for time in second] == ["broken", "broken", None, None]
    assert [(time["outcome"], time["answer"]) for time in first] == [
        ("w", "B"),
        ("c", "A"),
        ("u", None),
        ("c", "A"),
    ]
    # the charts are of answers: each once, errors left out
    seen = read.seen["cmmlu", "a"]
    assert sorted(seen.latencies) == [1.0, 2.0, 3.0, 3.0, 4.0, 4.0]
    assert seen.given == {"A": 3, "B": 1, "C": 1}
    assert seen.gold == {"A": 6}
    assert seen.unparsed.total() == 1


def test_scores_of_a_graded_metric_are_there(tmp_path: Path) -> None:
    one, two, three = pages.records(3, ("a",), ["arts"])
    times = [
        replace(time, score=score) for time, score in zip(pages.repeated(two, "AB"), (1.0, 0.5), strict=True)
    ]
    made = pages.made_up(tmp_path, [replace(one, score=0.0), *times, replace(three, score=None)])
    read = Questions(made.folder / "questions.jsonl", made.results, Rerun())
    (column,) = read.index(made.results)["answers"]
    assert column["score"] == [0.0, 0.75, None]
    assert [time["score"] for time in unpacked(read)[1]["models"]["0"]["times"]] == [1.0, 0.5]
    # and where there is no such metric nothing is held
    made = pages.made_up(tmp_path / "plain", [one])
    read = Questions(made.folder / "questions.jsonl", made.results, Rerun())
    assert "score" not in read.index(made.results)["answers"][0]


def test_the_charts_values_leave_out_what_was_not_asked(tmp_path: Path) -> None:
    (one,) = pages.records(1, ("a",), SUBJECTS)
    other = pages.changed(one, id=one.id + "1", cached=True)
    failed = pages.changed(one, id=one.id + "2", outcome=Outcome.ERROR, error="broken")
    seen = questions(tmp_path, [one, other, failed]).seen["cmmlu", "a"]
    assert len(seen.latencies) == 1
    assert len(seen.prompt_tokens) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"finish_reason": "length", "text": "so"}, "cut off"),
        ({"finish_reason": "stop", "text": " \n"}, "an empty text"),
        ({"finish_reason": "stop", "text": "so"}, "a text without"),
    ],
)
def test_why_an_answer_could_not_be_read(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    (one,) = pages.records(1, ("a",), SUBJECTS)
    record = pages.changed(one, outcome=Outcome.UNPARSED, answer=None, **changes)
    (reason,) = questions(tmp_path, [record]).seen["cmmlu", "a"].unparsed
    assert reason.startswith(why)


PROMPTS = st.lists(st.tuples(st.sampled_from("ab"), st.text("xy\n", max_size=120)), min_size=1, max_size=12)


@given(PROMPTS)
def test_sharing_loses_no_letter(found: list[tuple[str, str]]) -> None:
    known: dict[tuple[str, str], str] = {}
    for _ in range(2):  # as in two chunks
        details: list[dict[str, Any]] = [{"prompt": prompt} for _, prompt in found]
        prefixes = embed._share_prefixes(details, [("b", subject) for subject, _ in found], known)
        for detail, (_, prompt) in zip(details, found, strict=True):
            shared = prefixes[detail["prefix"]] if "prefix" in detail else ""
            assert shared + detail["prompt"] == prompt


@given(st.recursive(st.text(st.characters(exclude_categories=())) | st.integers(), st.lists))
def test_json_in_a_script_says_the_same_and_holds_no_mark_of_html(content: object) -> None:
    written = script_json(content)
    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written) == content


def test_what_a_task_of_lm_eval_gave_is_shown(tmp_path: Path) -> None:
    first, *others = pages.records(3, ("a",), SUBJECTS)
    told = replace(first.completion, parts=tuple(Completion(text=text) for text in ("x", "y", "", "z")))
    metrics = {"strict": {"acc": 1.0, "f1": {"$tuple": [1, 0]}}, "none": {"acc": 0.0}}
    read = questions(tmp_path, [replace(first, completion=told, metrics=metrics), *others])
    (own,), (plain,) = (detail["models"]["0"]["times"] for detail in unpacked(read)[:2])
    assert own["others"] == ["y", "z"]
    assert own["metrics"] == 'strict: acc 1.0, f1 {"$tuple": [1, 0]}\nnone: acc 0.0'
    assert not {"others", "metrics"} & plain.keys()
