"""Single lines of the terminal: progress, errors by cause, gates."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.report import status
from pytest_llmeval.results.activity import Activity
from tests.support.terminal_text import HOSTILE, tagged


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        (("ceval", 412, 1346, 128, 410, 22.5), "ceval 412/1346  acc 31.2%  18.3 q/s  ETA 51 s"),
        (("ceval", 1346, 1346, 1346, 1346, 100.0), "ceval 1346/1346  acc 100.0%  13.5 q/s"),
        (("ceval", 10, 1000, 0, 0, 5.0), "ceval 10/1000  2.0 q/s  ETA 8:15 min"),
        (("ceval", 8, 1346, 1, 2, 80.0), "ceval 8/1346  acc 50.0%  10.0 s/q  ETA 3:43 h"),
        (("ceval", 7, 1346, 1, 2, 80.0), "ceval 7/1346  acc 50.0%"),
        (("ceval", 2, 100, 1, 2, 20.0, 38), "ceval 2/100  acc 50.0%  2.0 q/s  ETA 30 s"),
        (("ceval", 2, 10, 1, 2, 20.0, 8), "ceval 2/10  acc 50.0%  2.0 s/q"),
        (("ceval", 0, 10, 0, 0, 0.0), "ceval 0/10"),
        (("ceval", 1, 10, 0, 1, 0.0), "ceval 1/10  acc 0.0%"),
        (("a\x1b[2J\nb", 0, 1, 0, 0, 0.0), "a [2J b 0/1"),
    ],
)
def test_the_progress_line(numbers: tuple[Any, ...], line: str) -> None:
    assert status.status_line(*numbers) == line


def test_the_progress_line_with_interval_store_and_errors() -> None:
    line = status.status_line("ceval", 412, 0, 128, 410, 22.5, interval=(0.269, 0.359), stored=12, errors=3)
    assert line == "ceval 412/?  acc 31.2% (26.9-35.9)  18.3 q/s  12 from the store  3 errors"
    assert status.status_line("b", 1, 9, 0, 0, 0.0, errors=1) == "b 1/9  1 error"


@pytest.mark.parametrize(
    ("activity", "text"),
    [
        (Activity("m"), "starting, 0 s"),
        (Activity("m", quiet_s=12.4, status="loading the model"), "loading the model, 12 s"),
        (Activity("m", 64, 0, 2.0), "64 sent, 0 back"),
        (Activity("m", 64, 12, 200.0), "64 sent, 12 back  no answer for 3:20 min"),
        (
            Activity("m", 64, 12, 20.0, "retrying 2 requests,\x1b[2J attempt 2 of 6: boom"),
            "64 sent, 12 back  retrying 2 requests, [2J attempt 2 of 6: boom  no answer for 20 s",
        ),
    ],
)
def test_what_a_model_does(activity: Activity, text: str) -> None:
    assert status.waiting_text(activity) == text


def test_errors_are_grouped_by_cause() -> None:
    errors = [
        (f"b/maths/{number}", f"timeout after {number} s at 0x{number + 170:08x}") for number in range(5)
    ]
    errors += [("b/law/0", "connection refused"), ("b/law/1", "connection refused"), ("b/law/2", "")]
    assert status.error_groups(errors) == [
        "5 × timeout after 0 s at 0x000000aa (b/maths/0, b/maths/1, b/maths/2, ...)",
        "2 × connection refused (b/law/0, b/law/1)",
        "1 × no message (b/law/2)",
    ]
    assert status.error_groups([]) == []
    assert status.error_groups(errors[5:6], False) == ["1 x connection refused (b/law/0)"]


def test_more_than_20_causes_are_only_counted() -> None:
    letters = "abcdefghijklmnopqrstuvwxy"
    errors = [(f"b/maths/{at}", letter) for at, letter in enumerate(letters)]
    lines = status.error_groups([*errors, errors[-1]])
    assert len(lines) == 21
    assert lines[0].startswith("2 × y ")
    assert lines[-1] == "and 5 more errors with 5 other causes"
    assert len(status.error_groups(errors[:20])) == 20


def test_an_error_from_a_hostile_server_is_one_clean_line() -> None:
    (line,) = status.error_groups([(HOSTILE, f"<html>\n{HOSTILE}" * 50)])
    assert line.isprintable()
    assert len(line) < 1500
    (painted,) = status.error_groups([("b/law/0", "refused")], True, tagged)
    assert painted == "<red>1 × refused</> (b/law/0)"


def verdict(word: str, expr: str = "ceval:stem=0.4", model: str | None = "m", **more: object) -> GateResult:
    return GateResult(expr, word, 0.5, 0.4, "why", model=model, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "shown", "colour"),
    [
        ("pass", "PASS", "green"),
        ("fail", "FAIL", "red"),
        ("incomplete", "INCOMPLETE", "red"),
        ("inconclusive", "INCONCLUSIVE", "yellow"),
        ("not_run", "NOT RUN", "yellow"),
    ],
)
def test_a_line_for_each_gate_in_the_colour_of_its_verdict(word: str, shown: str, colour: str) -> None:
    assert status.gate_lines([verdict(word)]) == [f"gate ceval:stem=0.4: {shown} [m]: why"]
    (painted,) = status.gate_lines([verdict(word)], True, tagged)
    assert painted == f"<{colour}>gate ceval:stem=0.4: {shown} [m]: why</>"


def test_a_bare_threshold_names_its_benchmark() -> None:
    lines = status.gate_lines(
        [
            verdict("pass", "0.55", benchmark="ceval"),
            verdict("fail", "0.55", benchmark="cmmlu", model="n"),
            verdict("incomplete", "0.55", model=None),
        ]
    )
    assert lines == [
        "gate 0.55: PASS [ceval, m]: why",
        "gate 0.55: FAIL [cmmlu, n]: why",
        "gate 0.55: INCOMPLETE: why",
    ]


@pytest.mark.parametrize("unicode", [True, False])
def test_gate_lines_are_clean(unicode: bool) -> None:
    (line,) = status.gate_lines([verdict("fail", f"{HOSTILE}=0.5", HOSTILE)], unicode)
    assert line.isprintable()
    assert line.isascii() is not unicode
