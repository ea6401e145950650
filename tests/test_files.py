"""The files of a run's folder, as programs and people read them."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
import textwrap
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_summary import INFOS, make_entries, make_entry, make_info, result_of, results_of, runs

from pytest_llmeval.errors import LLMEvalError, UserError
from pytest_llmeval.gate import Verdict
from pytest_llmeval.report import files
from pytest_llmeval.report.files import RunInfo
from pytest_llmeval.report.summary import Entry
from pytest_llmeval.types import Completion, Outcome, Record

RUN = RunInfo(
    name="20261123-224500-smollm2",
    started="2026-11-23T22:45:00+00:00",
    duration_s=12.5,
    complete=True,
    command="pytest --llm-model=smollm2",
    versions={"python": "3.11"},
    machine={"cpus": 2},
)
COUNTS = ["requested", "correct", "wrong", "unparsed", "answered", "error"]
HOSTILE = 'a"b,c\n\x1b[31m|=1+1\r\\ud800\ud800\u2028注册'


def make_record(key: object = 0, model: str = "m", *, subject: str = "law", **more: Any) -> Record:
    """An asked question; what is no field of a record belongs to its completion."""
    own = {name: more.pop(name) for name in ("outcome", "answer", "target", "prompt") if name in more}
    fields: dict[str, Any] = {
        "outcome": Outcome.CORRECT,
        "answer": "A",
        "target": "A",
        "prompt": "题目",
        **own,
    }
    id = f"b/{subject}/{key}"
    return Record(
        id, f"test_b.py::test_b[{id}]", model, "b", subject, completion=Completion(**more), **fields
    )


def written(path: Path, *records: Record) -> Path:
    with files.QuestionLog(path) as log:
        for record in records:
            log.write(record)
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    """As any other program reads it, strictly."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text("utf-8").split("\n")[:-1]]


# --- results.json ----------------------------------------------------------------------------


def schema_of_the_design(content: dict[str, Any]) -> None:
    """Every key that the design names, with its type; more may be there."""
    assert content["schema"] == 1
    run = content["run"]
    assert {key: type(run[key]) for key in run} == {
        "name": str,
        "started": str,
        "duration_s": float,
        "complete": bool,
        "command": str,
        "versions": dict,
        "machine": dict,
    }
    assert datetime.fromisoformat(run["started"]).tzinfo is not None
    for result in content["results"]:
        for key in ("model", "identity", "benchmark", "mode", "split", "prompt_sha256", "data_sha256"):
            assert isinstance(result[key], str), key
        assert isinstance(result["shots"], int)
        assert isinstance(result["cached"], int)
        assert result["questions_per_s"] is None or result["questions_per_s"] > 0
        assert list(result["latency_s"]) == ["p50", "p95", "mean"]
        assert list(result["tokens"]) == ["prompt", "completion"]
        for part in (result, *result["subjects"].values(), *result["groups"].values()):
            assert list(part["counts"]) == COUNTS
            requested, *outcomes = part["counts"].values()
            assert requested == sum(outcomes)
            if part["accuracy"] is None:
                assert part["interval"] is None
            else:
                low, high = part["interval"]
                assert 0 <= low <= part["accuracy"] <= high <= 1
        for part in (result, *result["groups"].values()):
            assert "macro_accuracy" in part
    for gate in content["gates"]:
        assert {"expr", "verdict", "value", "threshold", "reason"} <= set(gate)
        assert gate["verdict"] in ("pass", "fail", "inconclusive", "incomplete", "not_run")


@given(runs())
def test_results_json_has_the_schema_of_the_design(entries: list[Entry]) -> None:
    gates = [Verdict("b=0.5", "fail", 0.25, 0.5, "25.0% is below 50%", "b", None, "m")]
    content = files.results_json(RUN, results_of(entries, *INFOS), gates)
    read = json.loads(json.dumps(content, allow_nan=False))
    schema_of_the_design(read)
    assert len(read["results"]) == len({(entry.model, entry.benchmark) for entry in entries})


def test_results_json_by_hand(tmp_path: Path) -> None:
    entries = make_entries(
        {"maths": "ccwu", "law": "ce"}, latency_s=0.5, prompt_tokens=10, completion_tokens=2
    )
    results = results_of([*entries, make_entry("loner", cached=True)], identities={"m": "sha of weights"})
    verdict = Verdict("b:stem=0.4", "pass", 0.5, 0.4, "50.0% is at least 40%", "b", "stem", "m")
    files.write_run(tmp_path, RUN, results, [verdict])
    content = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert list(content) == ["schema", "run", "results", "gates"]
    assert content["run"]["name"] == RUN.name
    (result,) = content["results"]
    assert list(result) == [
        "model", "identity", "benchmark", "mode", "shots", "split", "prompt_sha256", "data_sha256", "planned",
        "counts", "accuracy", "macro_accuracy", "interval", "subjects", "groups", "latency_s", "tokens",
        "questions_per_s", "cached",
    ]  # fmt: skip
    assert result["identity"] == "sha of weights"
    assert (result["mode"], result["shots"], result["split"], result["planned"]) == ("generate", 5, "val", 40)
    assert result["prompt_sha256"] == "p" * 64
    assert result["data_sha256"] == "d" * 64
    assert result["counts"] == dict(zip(COUNTS, (7, 4, 1, 1, 0, 1), strict=True))
    assert result["accuracy"] == 4 / 6
    assert result["macro_accuracy"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert result["interval"] == pytest.approx([0.300, 0.903], abs=0.0005)
    assert list(result["subjects"]) == ["maths", "law", "loner"]
    assert result["subjects"]["law"] == {
        "counts": dict(zip(COUNTS, (2, 1, 0, 0, 0, 1), strict=True)),
        "accuracy": 1.0,
        "interval": pytest.approx([0.2065, 1.0], abs=0.0001),
        "latency_p50_s": 0.5,
        "total": 10,
        "name_en": "Law",
        "name_zh": "法学",
    }
    assert list(result["groups"]) == ["stem", "other", "hard"]
    assert result["groups"]["stem"]["accuracy"] == result["groups"]["stem"]["macro_accuracy"] == 0.5
    assert result["latency_s"] == {"p50": 0.5, "p95": 0.5, "mean": 0.5}
    assert result["tokens"] == {"prompt": 60, "completion": 12}
    assert result["cached"] == 1
    assert content["gates"] == [
        {
            "expr": "b:stem=0.4",
            "verdict": "pass",
            "value": 0.5,
            "threshold": 0.4,
            "reason": "50.0% is at least 40%",
            "model": "m",
            "benchmark": "b",
            "part": "stem",
        }
    ]


def test_without_gold_answers_the_accuracy_is_null(tmp_path: Path) -> None:
    files.write_run(tmp_path, RUN, [result_of({"maths": "aaa"})])
    (result,) = json.loads((tmp_path / "results.json").read_text("utf-8"))["results"]
    assert result["counts"]["answered"] == 3
    for part in (result, result["subjects"]["maths"], result["groups"]["stem"]):
        assert (part["accuracy"], part["interval"]) == (None, None)
    assert result["macro_accuracy"] is None


def test_a_subject_that_the_benchmark_does_not_declare_has_no_names(tmp_path: Path) -> None:
    content = files.results_json(RUN, [result_of({"new": "c"})], [])
    subject = content["results"][0]["subjects"]["new"]
    assert (subject["total"], subject["name_en"], subject["name_zh"]) == (None, "", "")


def test_a_run_is_written_whole_and_chinese_is_readable(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("old")
    files.write_run(tmp_path, RUN, [result_of({"maths": "c"})])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "summary.csv", "summary.md"]
    for path in tmp_path.iterdir():
        assert "数学" in path.read_text("utf-8")
        assert path.read_bytes().endswith(b"\n")


def test_hostile_names_survive_in_json(tmp_path: Path) -> None:
    info = make_info(HOSTILE, subjects={HOSTILE: ("", HOSTILE)}, groups={HOSTILE: (HOSTILE,)})
    files.write_run(tmp_path, RUN, [result_of({HOSTILE: "c"}, info, model=HOSTILE)])
    (result,) = json.loads((tmp_path / "results.json").read_text("utf-8"))["results"]
    assert (result["model"], result["benchmark"]) == (HOSTILE, HOSTILE)
    assert list(result["subjects"]) == list(result["groups"]) == [HOSTILE]


# --- summary.csv -----------------------------------------------------------------------------


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_summary_csv_by_hand() -> None:
    text = files.summary_csv([result_of({"maths": "ccwu", "law": "ea", "loner": "w"}, latency_s=0.5)])
    rows = read_csv(text)
    assert list(rows[0]) == [
        "level", "model", "benchmark", "name", "name_en", "name_zh",
        "requested", "correct", "wrong", "unparsed", "answered", "error",
        "accuracy", "macro_accuracy", "interval_low", "interval_high", "latency_p50_s",
    ]  # fmt: skip
    assert [(row["level"], row["name"], row["name_zh"]) for row in rows] == [
        ("group", "stem", ""),
        ("subject", "maths", "数学"),
        ("group", "other", ""),
        ("subject", "law", "法学"),
        ("group", "hard", ""),
        ("subject", "loner", ""),
        ("benchmark", "b", ""),
    ]
    stem, maths, _, law, _, loner, whole = rows
    assert {row["model"] for row in rows} == {"m"}
    assert [maths[key] for key in COUNTS] == ["4", "2", "1", "1", "0", "0"]
    assert (maths["accuracy"], maths["macro_accuracy"], maths["latency_p50_s"]) == ("0.5", "", "0.5")
    assert float(maths["interval_low"]) == pytest.approx(0.1500, abs=1e-4)
    assert float(maths["interval_high"]) == pytest.approx(0.8500, abs=1e-4)
    assert (stem["accuracy"], stem["macro_accuracy"]) == ("0.5", "0.5")
    # what there is not is empty, not 0
    assert [law[key] for key in COUNTS] == ["2", "0", "0", "0", "1", "1"]
    assert (law["accuracy"], law["interval_low"], law["interval_high"]) == ("", "", "")
    assert loner["accuracy"] == "0.0"
    assert whole["requested"] == "7"
    assert (float(whole["accuracy"]), float(whole["macro_accuracy"])) == (2 / 5, 0.25)


@given(runs())
def test_the_subjects_of_summary_csv_add_up_to_its_benchmarks(entries: list[Entry]) -> None:
    rows = read_csv(files.summary_csv(results_of(entries, *INFOS)))
    for whole in (row for row in rows if row["level"] == "benchmark"):
        own = [r for r in rows if (r["model"], r["benchmark"]) == (whole["model"], whole["benchmark"])]
        for key in COUNTS:
            parts = [int(row[key]) for row in own if row["level"] == "subject"]
            assert sum(parts) == int(whole[key])
    requested = sum(int(row["requested"]) for row in rows if row["level"] == "benchmark")
    assert requested == len(entries)


def test_hostile_names_survive_in_csv() -> None:
    name = 'a"b,c\n|=1+1;\t注册'
    info = make_info(name, subjects={name: (name, name)}, groups={})
    subject, whole = read_csv(files.summary_csv([result_of({name: "c"}, info, model=name)]))
    assert [subject[key] for key in ("model", "benchmark", "name", "name_en", "name_zh")] == [name] * 5
    assert (whole["level"], whole["name"]) == ("benchmark", name)


# --- questions.jsonl -------------------------------------------------------------------------


def test_a_line_has_the_keys_of_the_design(tmp_path: Path) -> None:
    record = make_record(
        text="答案是 B",
        answer="B",
        target="C",
        outcome=Outcome.WRONG,
        reasoning="想",
        scores={"A": -1.5, "B": -0.25},
        finish_reason="stop",
        prompt_tokens=100,
        completion_tokens=7,
        latency_s=0.1234567,
        queue_s=2.0,
        attempts=3,
        cached=True,
        dropped_shots=2,
        notes=("2 shots dropped",),
    )
    (line,) = lines_of(written(tmp_path / "questions.jsonl", record))
    assert line == {
        "id": "b/law/0",
        "nodeid": "test_b.py::test_b[b/law/0]",
        "model": "m",
        "benchmark": "b",
        "subject": "law",
        "outcome": "wrong",
        "answer": "B",
        "target": "C",
        "text": "答案是 B",
        "reasoning": "想",
        "finish_reason": "stop",
        "prompt": "题目",
        "scores": {"A": -1.5, "B": -0.25},
        "latency_s": 0.123457,
        "queue_s": 2.0,
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "attempts": 3,
        "cached": True,
        "dropped_shots": 2,
        "notes": ["2 shots dropped"],
        "error": None,
    }
    assert "答案是 B" in (tmp_path / "questions.jsonl").read_text("utf-8")


def test_the_prompt_is_the_one_that_was_sent() -> None:
    assert files.record_json(make_record(prompt="asked"))["prompt"] == "asked"
    sent = Record("i", "n", "m", "b", "s", Outcome.CORRECT, "A", "A", Completion(prompt=""), "asked")
    assert files.record_json(sent)["prompt"] == ""


def test_numbers_that_json_does_not_have_are_null(tmp_path: Path) -> None:
    record = make_record(
        scores={"A": -math.inf, "B": math.nan, "C": -1.0}, latency_s=math.inf, queue_s=math.nan
    )
    (line,) = lines_of(written(tmp_path / "q.jsonl", record))
    assert line["scores"] == {"A": None, "B": None, "C": -1.0}
    assert (line["latency_s"], line["queue_s"]) == (None, None)


@given(st.lists(st.text(st.one_of(st.characters(), st.sampled_from("\n\r\x00\x1b\ud800\udfff\u2028\u0085")))))
def test_hostile_text_stays_on_its_line_and_comes_back(texts: list[str]) -> None:
    lines = [json.dumps(files.record_json(make_record(key, text=text))) for key, text in enumerate(texts)]
    assert [json.loads(line)["text"] for line in lines] == texts


@pytest.mark.parametrize("text", ["\ud800", "a\udfff\n", HOSTILE, '"}\n{"id": "b/law/9", "model": "m"}'])
def test_hostile_text_in_a_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "q.jsonl", make_record(0, text=text), make_record(1))
    assert [line["id"] for line in lines_of(path)] == ["b/law/0", "b/law/1"]
    first, _ = files.read_questions(path)
    assert first["text"] == text


def test_a_line_is_on_the_disk_once_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    code = f"""
        import os, pathlib, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_files import files, make_record
        log = files.QuestionLog(pathlib.Path({str(path)!r}))
        for key in range(3):
            log.write(make_record(key))
        os._exit(9)  # as a crash would: nothing is flushed, nothing closed
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == 9
    assert [line["id"] for line in lines_of(path)] == ["b/law/0", "b/law/1", "b/law/2"]


def test_a_log_goes_on_after_a_torn_line(tmp_path: Path) -> None:
    path = written(tmp_path / "q.jsonl", make_record(0), make_record(1))
    path.write_bytes(path.read_bytes()[:-20])
    written(path, make_record(2))
    written(path, make_record(3))
    assert [row["id"] for row in files.read_questions(path)] == ["b/law/0", "b/law/2", "b/law/3"]
    assert path.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("left", range(1, 400, 23))
def test_wherever_a_line_is_torn_the_others_are_read(tmp_path: Path, left: int) -> None:
    path = written(tmp_path / "q.jsonl", make_record("a", text="答案"), make_record("b", text="答案"))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:left])
    whole = left >= len(second) - 1  # all but its line feed
    assert [row["id"] for row in files.read_questions(path)] == ["b/law/a"] + ["b/law/b"] * whole


@pytest.mark.parametrize("junk", [b"", b"null", b"[1]", b'"id"', b'{"id": 1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_line_of_ours_is_left_out(tmp_path: Path, junk: bytes) -> None:
    path = written(tmp_path / "q.jsonl", make_record(0))
    path.write_bytes(junk + b"\n" + path.read_bytes())
    assert [row["id"] for row in files.read_questions(path)] == ["b/law/0"]


# --- the parts of xdist's workers ------------------------------------------------------------


def test_parts_are_merged_in_the_order_of_the_items(tmp_path: Path) -> None:
    parts = [
        written(tmp_path / "questions.gw0.jsonl", *(make_record(key) for key in (4, 0, 2))),
        written(tmp_path / "questions.gw1.jsonl", *(make_record(key) for key in (3, 1))),
    ]
    target = tmp_path / "questions.jsonl"
    order = [(f"b/law/{key}", "m") for key in range(5)]
    assert files.merge(parts, target, order) == 5
    assert [line["id"] for line in lines_of(target)] == [id for id, _ in order]
    # byte for byte what a run without workers writes
    alone = written(tmp_path / "alone.jsonl", *(make_record(key) for key in range(5)))
    assert target.read_bytes() == alone.read_bytes()
    assert all(part.exists() for part in parts)


@given(data=st.data())
def test_merging_any_split_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    records = [make_record(key, model) for key in range(4) for model in ("m", "n")]
    place = data.draw(st.lists(st.integers(0, 2), min_size=len(records), max_size=len(records)))
    shuffled = data.draw(st.permutations(list(zip(place, records, strict=True))))
    parts = [
        written(folder / f"questions.gw{number}.jsonl", *(record for at, record in shuffled if at == number))
        for number in range(3)
    ]
    target = folder / "questions.jsonl"
    assert files.merge(parts, target, ((record.id, record.model) for record in records)) == len(records)
    assert lines_of(target) == [files.record_json(record) for record in records]


def test_what_the_order_does_not_name_comes_after(tmp_path: Path) -> None:
    part = written(tmp_path / "p.jsonl", *(make_record(key) for key in (7, 1, 5)))
    target = tmp_path / "questions.jsonl"
    files.merge([part], target, [("b/law/5", "m"), ("b/law/unasked", "m")])
    assert [line["id"] for line in lines_of(target)] == ["b/law/5", "b/law/7", "b/law/1"]
    files.merge([part], target)
    assert [line["id"] for line in lines_of(target)] == ["b/law/7", "b/law/1", "b/law/5"]


def test_the_last_line_of_a_question_wins_by_model(tmp_path: Path) -> None:
    first = written(tmp_path / "p0.jsonl", make_record(0, text="old"), make_record(0, "n", text="other"))
    last = written(tmp_path / "p1.jsonl", make_record(0, text="new"))
    assert files.merge([first, last], tmp_path / "q.jsonl") == 2
    lines = lines_of(tmp_path / "q.jsonl")
    assert [(line["model"], line["text"]) for line in lines] == [("m", "new"), ("n", "other")]


def test_a_torn_last_line_of_a_part_is_left_out_and_all_else_kept(tmp_path: Path) -> None:
    torn = written(tmp_path / "p0.jsonl", make_record(0), make_record(1, text="x" * 100))
    torn.write_bytes(torn.read_bytes()[:-50])
    whole = written(tmp_path / "p1.jsonl", make_record(2))
    unended = written(tmp_path / "p2.jsonl", make_record(3))
    unended.write_bytes(unended.read_bytes().rstrip(b"\n"))
    assert files.merge([torn, unended, whole], tmp_path / "q.jsonl") == 3
    assert [line["id"] for line in lines_of(tmp_path / "q.jsonl")] == ["b/law/0", "b/law/3", "b/law/2"]


def test_a_part_may_be_missing_or_the_target_itself(tmp_path: Path) -> None:
    target = written(tmp_path / "questions.jsonl", make_record(0))
    part = written(tmp_path / "p.jsonl", make_record(1))
    assert files.merge([target, part, tmp_path / "never"], target) == 2
    assert [line["id"] for line in lines_of(target)] == ["b/law/0", "b/law/1"]
    assert files.merge([], target) == 0
    assert target.read_bytes() == b""


# --- submissions -----------------------------------------------------------------------------


def answered(key: object, answer: str | None, subject: str = "accountant", model: str = "m") -> Record:
    return make_record(key, model, subject=subject, outcome=Outcome.ANSWERED, answer=answer, target=None)


def test_a_submission_has_the_official_form(tmp_path: Path) -> None:
    written(
        tmp_path / "questions.jsonl",
        answered(0, "A"),
        answered(1, "D"),
        answered(10, "B"),
        make_record(2, subject="accountant", outcome=Outcome.UNPARSED, answer=None, target=None),
        make_record(3, subject="accountant", outcome=Outcome.ERROR, answer=None, error="timeout"),
        answered(4, None),
        answered(0, "C", "physician"),
        make_record(1, subject="physician", outcome=Outcome.WRONG, answer="A", target="B"),
    )
    (path,) = files.write_submissions(tmp_path)
    assert path == tmp_path / "submission.json"
    assert json.loads(path.read_text("utf-8")) == {
        "accountant": {"0": "A", "1": "D", "10": "B"},
        "physician": {"0": "C"},
    }


def test_a_run_with_gold_answers_submits_nothing(tmp_path: Path) -> None:
    written(tmp_path / "questions.jsonl", make_record(0), make_record(1, outcome=Outcome.UNPARSED))
    assert files.write_submissions(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["questions.jsonl"]


def test_models_submit_apart(tmp_path: Path) -> None:
    written(
        tmp_path / "questions.jsonl",
        *(
            answered(0, letter, model=model)
            for letter, model in zip("ABC", ("a/b", "a:b", "../x"), strict=True)
        ),
    )
    paths = files.write_submissions(tmp_path)
    # two names that come to the same, and one that would leave the folder
    found = {path.name: json.loads(path.read_text())["accountant"]["0"] for path in paths}
    assert found == {"submission-a-b.json": "A", "submission-a-b-2.json": "B", "submission-x.json": "C"}
    assert all(path.parent == tmp_path for path in paths)


def test_benchmarks_submit_apart(tmp_path: Path) -> None:
    taken = [("m", "ceval"), ("m", "own set"), ("n", "ceval")]
    name = files.write_submission(tmp_path, "m", "own set", {"s": {"0": "A"}}, taken=taken).name
    assert name == "submission-own-set-m.json"


def test_a_key_with_slashes_keeps_them(tmp_path: Path) -> None:
    written(tmp_path / "questions.jsonl", answered("part/7", "A"))
    (path,) = files.write_submissions(tmp_path)
    assert json.loads(path.read_text("utf-8")) == {"accountant": {"part/7": "A"}}


# --- folders ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("nightly", "nightly"),
        ("v1.2_final-3", "v1.2_final-3"),
        ("my run", "my-run"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "run"),
        ("", "run"),
        ("/", "run"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a\n\x1b[2Jb", "a-2Jb"),
        ("夜间 run", "run"),
        ("夜间", "run"),
        ("x" * 300, "x" * 80),
        ("C:\\temp", "C-temp"),
    ],
)
def test_the_folder_of_a_named_run(tmp_path: Path, name: str, folder: str) -> None:
    made = files.new_run_folder(tmp_path / "reports", name)
    assert made == tmp_path / "reports" / folder
    assert made.is_dir()


@given(st.text(max_size=120))
def test_a_safe_name_is_one_harmless_part_of_a_path(text: str) -> None:
    name = files.safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", name)
    assert not name.endswith((".", "-"))
    assert files.safe_name(name) == name


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    made = [files.new_run_folder(tmp_path, "nightly").name for _ in range(3)]
    assert made == ["nightly", "nightly-2", "nightly-3"]
    (tmp_path / "file").touch()
    assert files.new_run_folder(tmp_path, "file").name == "file-2"


def test_a_run_without_a_name_is_named_by_time_and_model(tmp_path: Path) -> None:
    now = datetime(2026, 11, 23, 22, 45, 0)
    name = files.new_run_folder(tmp_path, model="hf:/models/internlm", now=now).name
    assert name == "20261123-224500-hf-models-internlm"
    assert files.new_run_folder(tmp_path, model="模型", now=now).name == "20261123-224500-model"
    assert len(files.new_run_folder(tmp_path, model="m" * 300, now=now).name) <= 80


@pytest.mark.parametrize("name", ["latest", "Latest", ".latest.", "-LATEST"])
def test_no_run_is_named_like_the_pointer(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="always points at the last run; choose another name") as caught:
        files.new_run_folder(tmp_path, name)
    assert f"--llm-run-name={name}:" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_latest_points_at_the_last_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = files.new_run_folder(tmp_path, name)
        (folder / "results.json").write_text(name)
        files.point_latest(tmp_path, folder)
        assert (tmp_path / "latest" / "results.json").read_text() == name
    # relative, so that the whole folder can be moved
    assert os.readlink(tmp_path / "latest") == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one", "two"]


def test_latest_is_a_text_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for name in ("one", "two"):
        files.point_latest(tmp_path, files.new_run_folder(tmp_path, name))
        assert (tmp_path / "latest").read_text() == f"{name}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one", "two"]


def test_a_folder_of_that_name_is_not_replaced_by_the_pointer(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(LLMEvalError, match=r"^cannot write results in ") as caught:
        files.point_latest(tmp_path, files.new_run_folder(tmp_path, "one"))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one"]


# --- what goes wrong on the disk -------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_a_usage_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file\nof two lines").touch()
    with pytest.raises(UserError, match=r"^cannot write results in .*: Not a directory; choose") as caught:
        files.new_run_folder(tmp_path / "file\nof two lines" / "reports", "run")
    assert "choose another folder with --llm-report-dir" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_folder_that_is_gone_is_an_error_of_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    log = files.QuestionLog(tmp_path / "q.jsonl")
    log.close()
    for write in (
        lambda: files.write_run(gone, RUN, []),
        lambda: files.write_text(gone / "x", ""),
        lambda: files.QuestionLog(gone / "q.jsonl"),
        lambda: files.merge([tmp_path / "q.jsonl"], gone / "q.jsonl"),
        lambda: files.write_submission(gone, "m", "b", {}),
        lambda: files.write_submissions(gone),
    ):
        with pytest.raises(LLMEvalError, match=r"^cannot write results in .*gone: No such file") as caught:
            write()
        assert "--llm-report-dir" in str(caught.value)
        assert str(caught.value).isprintable()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_of_one_line() -> None:
    log = files.QuestionLog(Path("/dev/full"))
    with pytest.raises(LLMEvalError, match=r"^cannot write results in /dev: No space left on device; "):
        log.write(make_record())


def test_a_file_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_text(tmp_path / "results.json", "old")

    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(LLMEvalError, match="No space left"):
        files.write_text(tmp_path / "results.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "old"
