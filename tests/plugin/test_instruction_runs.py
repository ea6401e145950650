"""Runs of benchmarks whose answers are checked for instructions or judged with verdicts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.support.api_server import Reply, Server, completion
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

ROWS = [
    {"key": 10, "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
    {
        "key": 11,
        "prompt": "Many words, no commas.",
        "instruction_id_list": ["length_constraints:number_words", "punctuation:no_comma"],
        "kwargs": [{"num_words": 2, "relation": "at least", "letter": None}, {"num_words": None}],
    },
    {"key": 12, "prompt": "New.", "instruction_id_list": ["detectable_format:haiku"], "kwargs": [{}]},
    {
        "key": 13,
        "prompt": "Few words.",
        "instruction_id_list": ["length_constraints:number_words"],
        "kwargs": [{"num_words": "few", "relation": "less than"}],
    },
]


@pytest.fixture
def data(pytester: pytest.Pytester) -> Path:
    folder = pytester.path / "data"
    (folder / "ifeval").mkdir(parents=True)
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    (folder / "ifeval/input_data.jsonl").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize("xdist", WORKERS)
def test_ifeval(pytester: pytest.Pytester, data: Path, xdist: str) -> None:
    """Echo answers A to everything: no comma, but not two words."""
    done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=ifeval", f"--llm-data-dir={data}", xdist)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    (result,) = results(pytester)["results"]
    assert result["counts"] | {"cut_off": 0} == {
        **{"requested": 4, "correct": 1, "wrong": 1, "unparsed": 0, "answered": 0, "error": 2, "cut_off": 0}
    }
    assert result["metrics"] == pytest.approx(
        {
            "prompt_level_strict": 1 / 2,
            "instruction_level_strict": 2 / 3,
            "prompt_level_loose": 1 / 2,
            "instruction_level_loose": 2 / 3,
        }
    )
    records = {row["id"]: row for row in questions(pytester)}
    errors = {key: records[f"ifeval/ifeval/{key}"]["error"] for key in ("12", "13")}
    assert "line 3: unknown instruction 'detectable_format:haiku'" in errors["12"]
    assert "line 4: length_constraints:number_words: num_words is 'few', but must be a whole" in errors["13"]
    assert not any("\n" in error for error in errors.values())


def test_a_missing_library_is_one_line_before_the_first_question(
    pytester: pytest.Pytester, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    command = ("--llm-model=echo", "--llm-benchmark=ifeval", f"--llm-data-dir={data}")
    assert pytester.runpytest(*command).ret == pytest.ExitCode.TESTS_FAILED  # these rows need no library
    row = {**ROWS[0], "instruction_id_list": ["change_case:english_capital"]}
    (data / "ifeval/input_data.jsonl").write_text(json.dumps(row), "utf-8")
    done = pytester.runpytest(*command)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: ifeval: its metric ifeval needs langdetect: pip install *ifeval*"])


def test_ifbench_in_the_layout_of_its_authors(pytester: pytest.Pytester) -> None:
    rows = [
        {"key": "0", "prompt": "p", "instruction_id_list": ["format:no_whitespace"], "kwargs": [{"N": None}]},
        {"key": "1", "prompt": "p", "instruction_id_list": ["format:emoji"], "kwargs": [{"N": None}]},
    ]
    (pytester.path / "IFBench_test.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    pytester.runpytest("--llm-model=echo", "--llm-benchmark=ifbench", f"--llm-data-dir={pytester.path}")
    (result,) = results(pytester)["results"]
    assert (result["counts"]["correct"], result["counts"]["error"]) == (1, 1)


@pytest.mark.usefixtures("sdk_loaded")
@pytest.mark.parametrize("name", ["simpleqa", "chinese_simpleqa"])
def test_simpleqa(pytester: pytest.Pytester, name: str) -> None:
    """Two answers are correct, one is incorrect, one is not attempted."""
    subjects = ["中华文化", "社会", "社会", "自然与自然科学"]
    if name == "simpleqa":
        with (pytester.path / "simple_qa_test_set.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(["metadata", "problem", "answer"])
            writer.writerows([["{'topic': 'Art'}", f"Who is {at}?", f"Ada {at}"] for at in range(4)])
    else:
        rows = [
            {"id": f"a{at}", "primary_category": subject, "question": f"谁 {at}?", "answer": f"Ada {at}"}
            for at, subject in enumerate(subjects)
        ]
        file = pytester.path / "chinese_simpleqa.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    with Server(usual=Reply(completion("A"))) as judge:
        judge.script(*(Reply(completion(text)) for text in ("A", "B", "**C**")))
        (pytester.path / "llmeval.toml").write_text(
            f'[judge]\nmodel = "openai:j"\nbase_url = "{judge.url}"\nconcurrency = 1\n'
        )
        done = pytester.runpytest(
            "--llm-model=echo", f"--llm-benchmark={name}", f"--llm-data-dir={pytester.path}"
        )
    assert done.ret == pytest.ExitCode.OK
    (result,) = results(pytester)["results"]
    assert result["accuracy"] == 0.5
    assert result["metrics"] == pytest.approx(
        {
            "correct": 0.5,
            "incorrect": 0.25,
            "not_attempted": 0.25,
            "accuracy_given_attempted": 2 / 3,
            "f1": 2 * 0.5 * (2 / 3) / (0.5 + 2 / 3),
        }
    )
    sent = [body["messages"] for body in judge.bodies]
    assert len(sent) == 4 and all(len(messages) == 1 for messages in sent)
    if name == "chinese_simpleqa":
        assert set(result["subjects"]) == {"chinese_culture", "society", "natural_sciences"}
