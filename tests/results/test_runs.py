"""Finished runs, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.analysis.conditions import EvalConditions
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.results.runs import answers_of, compare_runs, read_answers, read_run
from tests.support.made_results import counted

CONDITIONS = {"mode": "generate", "split": "val", "shots": 5, "prompt_sha256": "p", "data_sha256": "d"}


def make_run(
    folder: Path, models: dict[str, dict[str, str]], complete: bool = True, **changes: object
) -> Path:
    """A run as written: model -> benchmark -> a letter a question of the one subject s."""
    folder.mkdir(parents=True)
    outcomes = {outcome.value[0]: outcome.value for outcome in Outcome}
    results: list[dict[str, Any]] = []
    rows = []
    for model, benchmarks in models.items():
        for benchmark, letters in benchmarks.items():
            groups = {"g": {"subjects": ["s"]}}
            results.append(
                {"model": model, "identity": f"{model}!", "benchmark": benchmark, **CONDITIONS, **changes}
                | {"subjects": {"s": {}}, "groups": groups}
            )
            for key, letter in enumerate(letters):
                row = {"id": f"{benchmark}/s/{key}", "nodeid": f"t[{key}]", "model": model, "subject": "s"}
                rows.append({**row, "benchmark": benchmark, "outcome": outcomes[letter], "target": "A"})
    (folder / "results.json").write_text(json.dumps({"run": {"complete": complete}, "results": results}))
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def read(folder: Path, given: str | None = None, option: str = "A") -> Any:
    return read_run(given or folder.name, folder.parent, folder.parent, option)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = read(make_run(tmp_path / "one", {"m": {"b": "cwe", "c": "c"}, "n": {"b": "w"}}))
    assert (run.name, run.models, run.complete) == ("one", ("m", "n"), True)
    (asked, other) = run.results_for("b")
    assert (asked.model, asked.identity, asked.conditions) == ("m", "m!", EvalConditions(**CONDITIONS))  # type: ignore[arg-type]
    assert asked.groups == {"g": ("s",)} and other.model == "n"
    answers = read_answers(run)
    assert list(answers) == [("m", "b"), ("m", "c"), ("n", "b")]
    assert [(a.right, a.error, a.nodeid) for a in answers["m", "b"].values()] == [
        (1.0, False, "t[0]"),
        (0.0, False, "t[1]"),
        (None, True, "t[2]"),
    ]


def test_of_several_lines_for_a_question_the_last_holds_unless_they_are_repeats(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "one", {"m": {"b": "c"}})
    line = json.loads((folder / "questions.jsonl").read_text())
    again = [
        line,
        {**line, "outcome": "wrong"},
        {**line, "repeat": 1},
        {**line, "repeat": 2, "outcome": "error"},
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in again))
    (answer,) = read_answers(read(folder))["m", "b"].values()
    assert (answer.right, answer.times, answer.error) == (0.5, 2, False)


def test_the_run_that_goes_on_gives_the_same_answers_as_its_files() -> None:
    first = counted("s", 0, Outcome.WRONG, nodeid="t[0]", cluster="s/x")
    second = counted("s", 1, outcomes=(Outcome.CORRECT, Outcome.UNPARSED))
    one, two = answers_of([first, second])["m", "b"].values()
    assert (one.right, one.nodeid, one.cluster, one.times) == (0.0, "t[0]", "s/x", 1)
    assert (two.right, two.times) == (0.5, 2)


def test_runs_are_compared_model_by_model_and_what_is_missing_is_said(tmp_path: Path) -> None:
    before = make_run(tmp_path / "one", {"m": {"b": "cw"}, "n": {"b": "cc"}}, complete=False)
    after = make_run(tmp_path / "two", {"m": {"b": "cc", "c": "c"}, "n": {"b": "cw"}})
    found, notes = compare_runs(read(before), read(after), force=False)
    assert [(one.before.model, one.after.model) for one in found] == [("m", "m"), ("n", "n")]
    assert [one.whole.change for one in found if one.whole] == [0.5, -0.5]
    assert notes == ["one is incomplete", "one has no result on c to compare m with"]


def test_one_model_of_each_run_can_be_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "one", {"m": {"b": "cw"}, "n": {"b": "ww"}})
    found, _ = compare_runs(read(folder, "one::m"), read(folder, "one::n"), force=False)
    assert [(one.before.model, one.after.model, len(one.broken)) for one in found] == [("m", "n", 1)]
    with pytest.raises(UserError, match=r"one::x: .* has no model 'x'; it has m, n"):
        read(folder, "one::x")
    with pytest.raises(UserError, match=r"has no model 'o'; it has m, n; choose one: RUN::MODEL"):
        compare_runs(read(folder), read(make_run(tmp_path / "o", {"o": {"b": "c"}})), force=False)


def test_what_was_asked_in_another_way_is_refused_unless_forced(tmp_path: Path) -> None:
    before = read(make_run(tmp_path / "one", {"m": {"b": "cw"}}))
    after = read(make_run(tmp_path / "two", {"m": {"b": "cc"}}, data_sha256="x"))
    with pytest.raises(
        UserError, match=r"^b cannot be compared with one: different data .*--force compares them anyway"
    ):
        compare_runs(before, after, force=False)
    (found,), _ = compare_runs(before, after, force=True)
    assert found.differences == ("different data (data_sha256)",)


def test_runs_without_anything_in_common(tmp_path: Path) -> None:
    one, two = (read(make_run(tmp_path / name, {"m": {name: "c"}})) for name in ("one", "two"))
    with pytest.raises(UserError, match="one and two have no benchmark and model in common"):
        compare_runs(one, two, force=False)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"results": [], "run": {"complete": true}}',
        '{"results": [1]}',
        '{"results": {"a": 1}}',
    ],
)
def test_results_that_are_none_are_one_line(tmp_path: Path, content: str) -> None:
    folder = make_run(tmp_path / "one", {"m": {"b": "c"}})
    (folder / "results.json").write_text(content)
    with pytest.raises(UserError, match=r"^--llm-baseline=one: .*(finished run\?|has no results)$"):
        read(folder, option="--llm-baseline")


@pytest.mark.parametrize(
    "change", [{"outcome": "fine"}, {"outcome": None}, {"benchmark": None, "outcome": []}]
)
def test_questions_that_are_none_are_one_line(tmp_path: Path, change: dict[str, object]) -> None:
    folder = make_run(tmp_path / "one", {"m": {"b": "c"}})
    line = json.loads((folder / "questions.jsonl").read_text())
    (folder / "questions.jsonl").write_text(json.dumps({**line, **change}) + "\n")
    with pytest.raises(UserError, match="a line is not a record"):
        read_answers(read(folder))


def test_latest_may_be_a_file_with_a_name(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "one", {"m": {"b": "c"}})
    (tmp_path / "latest").write_text("one\n")
    assert read(folder, "latest").folder == folder
    for given in ("one", str(folder), "one/results.json"):
        assert read(folder, given).folder == folder
    for given in ("B", "", "~nobody-here/x", "a\0b", "x" * 300):
        with pytest.raises(UserError, match=r"not a run"):
            read_run(given, tmp_path, tmp_path, "B")
