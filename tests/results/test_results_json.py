"""results.json and summary.csv: the schema of the design, whole, and harmless."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.analysis.stats import detectable_difference
from pytest_llmeval.report.run_files import summary_csv, write_run
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.results_json import results_json
from tests.support.made_results import (
    HOSTILE,
    INFOS,
    RUN,
    counted,
    counted_all,
    make_info,
    result_of,
    results_of,
    runs,
)

COUNTS = ["requested", "correct", "wrong", "unparsed", "answered", "error"]


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
        assert list(result["tokens"]) == ["prompt", "completion", "shared"]
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
def test_results_json_has_the_schema_of_the_design(entries: list[Record]) -> None:
    gates = [GateResult("b=0.5", "fail", 0.25, 0.5, "25.0% is below 50%", "b", None, "m")]
    content = results_json(RUN, results_of(entries, *INFOS), gates)
    read = json.loads(json.dumps(content, allow_nan=False))
    schema_of_the_design(read)
    assert len(read["results"]) == len({(entry.model, entry.benchmark) for entry in entries})


def test_results_json_by_hand(tmp_path: Path) -> None:
    entries = counted_all(
        {"maths": "ccwu", "law": "ce"}, latency_s=0.5, prompt_tokens=10, completion_tokens=2
    )
    results = results_of([*entries, counted("loner", cached=True)], identities={"m": "sha of weights"})
    verdict = GateResult("b:stem=0.4", "pass", 0.5, 0.4, "50.0% is at least 40%", "b", "stem", "m")
    write_run(tmp_path, RUN, results, [verdict])
    content = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert list(content) == ["schema", "run", "results", "gates", "comparisons", "suites"]
    assert content["comparisons"] == []
    assert content["run"]["name"] == RUN.name
    (result,) = content["results"]
    assert list(result) == [
        "model", "identity", "benchmark", "version", "mode", "shots", "split", "prompt_sha256", "data_sha256",
        "scoring", "shuffle_choices", "system", "data_source", "protocol", "planned", "counts", "accuracy",
        "macro_accuracy", "metric", "threshold", "mean_score", "metrics", "interval", "macro_interval",
        "detectable_drop", "repeats", "circular",
        "subjects", "groups", "latency_s", "tokens", "questions_per_s", "cached", "cut_off",
        "unparsed", "served_models", "guessing",
        "official", "looser_metric", "judge", "agreement", "calibration",
    ]  # fmt: skip
    assert result["identity"] == "sha of weights"
    assert (result["mode"], result["shots"], result["split"], result["planned"]) == ("generate", 5, "val", 40)
    assert result["prompt_sha256"] == "p" * 64
    assert result["data_sha256"] == "d" * 64
    assert result["counts"] == dict(zip(COUNTS, (7, 4, 1, 1, 0, 1), strict=True))
    assert result["accuracy"] == 4 / 6
    assert result["macro_accuracy"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert result["interval"] == pytest.approx([0.300, 0.903], abs=0.0005)
    assert result["macro_interval"] == pytest.approx([0.4, 0.97], abs=0.2)
    assert result["macro_interval"][0] < result["macro_accuracy"] < result["macro_interval"][1]
    assert result["repeats"] is None
    assert result["detectable_drop"] == detectable_difference(4 / 6, 6)
    assert list(result["subjects"]) == ["maths", "law", "loner"]
    assert result["subjects"]["law"] == {
        "counts": dict(zip(COUNTS, (2, 1, 0, 0, 0, 1), strict=True)),
        "cut_off": 0,
        "accuracy": 1.0,
        "mean_score": None,
        "interval": pytest.approx([0.2065, 1.0], abs=0.0001),
        "latency_p50_s": 0.5,
        "total": 10,
        "name_en": "Law",
        "name_zh": "法学",
    }
    assert list(result["groups"]) == ["stem", "other", "hard"]
    assert result["groups"]["stem"]["subjects"] == ["maths", "physics"]
    assert result["groups"]["stem"]["accuracy"] == result["groups"]["stem"]["macro_accuracy"] == 0.5
    assert result["latency_s"] == {"p50": 0.5, "p95": 0.5, "mean": 0.5}
    assert result["tokens"] == {"prompt": 60, "completion": 12, "shared": None}
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
            "interval": None,
            "needed": None,
        }
    ]


def test_without_gold_answers_the_accuracy_is_null(tmp_path: Path) -> None:
    write_run(tmp_path, RUN, [result_of({"maths": "aaa"})])
    (result,) = json.loads((tmp_path / "results.json").read_text("utf-8"))["results"]
    assert result["counts"]["answered"] == 3
    for part in (result, result["subjects"]["maths"], result["groups"]["stem"]):
        assert (part["accuracy"], part["interval"]) == (None, None)
    assert result["macro_accuracy"] is None


def test_a_subject_that_the_benchmark_does_not_declare_has_no_names(tmp_path: Path) -> None:
    content = results_json(RUN, [result_of({"new": "c"})], [])
    subject = content["results"][0]["subjects"]["new"]
    assert (subject["total"], subject["name_en"], subject["name_zh"]) == (None, "", "")


def test_a_run_is_written_whole_and_chinese_is_readable(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("old")
    write_run(tmp_path, RUN, [result_of({"maths": "c"})])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "summary.csv", "summary.md"]
    for path in tmp_path.iterdir():
        assert "数学" in path.read_text("utf-8")
        assert path.read_bytes().endswith(b"\n")


def test_hostile_names_survive_in_json(tmp_path: Path) -> None:
    info = make_info(HOSTILE, subjects={HOSTILE: ("", HOSTILE)}, groups={HOSTILE: (HOSTILE,)})
    write_run(tmp_path, RUN, [result_of({HOSTILE: "c"}, info, model=HOSTILE)])
    (result,) = json.loads((tmp_path / "results.json").read_text("utf-8"))["results"]
    assert (result["model"], result["benchmark"]) == (HOSTILE, HOSTILE)
    assert list(result["subjects"]) == list(result["groups"]) == [HOSTILE]


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("name", ["=1+1", "@cf/meta/llama", "+a", "-a", "\t=a", "＝a"])
def test_no_name_is_a_formula_in_a_spreadsheet(name: str) -> None:
    rows = read_csv(summary_csv([result_of({"maths": "c"}, model=name)]))
    assert {row["model"] for row in rows} == {f"'{name}"}


def test_summary_csv_by_hand() -> None:
    text = summary_csv([result_of({"maths": "ccwu", "law": "ea", "loner": "w"}, latency_s=0.5)])
    rows = read_csv(text)
    assert list(rows[0]) == [
        "level", "model", "benchmark", "name", "name_en", "name_zh",
        "requested", "correct", "wrong", "unparsed", "answered", "error",
        "accuracy", "macro_accuracy", "interval_low", "interval_high", "latency_p50_s", "mean_score",
        "cut_off",
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
def test_the_subjects_of_summary_csv_add_up_to_its_benchmarks(entries: list[Record]) -> None:
    rows = read_csv(summary_csv(results_of(entries, *INFOS)))
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
    subject, whole = read_csv(summary_csv([result_of({name: "c"}, info, model=name)]))
    assert [subject[key] for key in ("model", "benchmark", "name", "name_en", "name_zh")] == [name] * 5
    assert (whole["level"], whole["name"]) == ("benchmark", name)
