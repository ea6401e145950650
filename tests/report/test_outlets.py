"""Reports for people: which are written, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.report import outlets
from pytest_llmeval.report.outlets import Report, append_summary, select_outlets
from pytest_llmeval.results.rerun import Rerun
from tests.support import pages as pages

SUBJECTS = list(pages.SUBJECTS)


def report(tmp_path: Path) -> Report:
    made = pages.made_up(tmp_path / "run", pages.records(16, ("puyu",), SUBJECTS))
    (made.folder / "summary.md").write_text("# nightly\n\n62%\n", "utf-8")
    return Report(made.folder, made.run, made.results, (), made.errors, Rerun())


def test_every_report_at_its_default_place(tmp_path: Path) -> None:
    one = report(tmp_path)
    step = tmp_path / "step.md"
    for outlet in select_outlets("", "", {"GITHUB_STEP_SUMMARY": str(step)}):
        outlet.write(one)
    assert {path.name for path in one.folder.iterdir()} == {
        "questions.jsonl", "summary.md", "report.html", "badge.svg", "plots",
    }  # fmt: skip
    assert {path.name for path in (one.folder / "plots").iterdir()} == {
        "overview.svg", "cmmlu-subjects.svg", "cmmlu-groups.svg", "cmmlu-latency.svg", "cmmlu-tokens.svg",
    }  # fmt: skip
    assert step.read_text("utf-8") == "# nightly\n\n62%\n\n"


def test_reports_at_other_paths(tmp_path: Path) -> None:
    one = report(tmp_path)
    for outlet in select_outlets(str(tmp_path / "new/b.svg"), str(tmp_path / "figures"), {}):
        outlet.write(one)
    assert (tmp_path / "new/b.svg").read_text("utf-8").startswith("<svg")
    assert (tmp_path / "figures/overview.svg").is_file()
    assert [outlet.name for outlet in select_outlets(None, None, {})] == ["report.html"]


def test_the_step_summary_is_appended_and_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "STEP_BYTES", 100)
    summary, step = tmp_path / "summary.md", tmp_path / "step.md"
    summary.write_text("a line\n" * 20, "utf-8")
    step.write_text("before\n", "utf-8")
    append_summary(summary, step)
    text = step.read_text("utf-8")
    assert text.startswith("before\na line\n")
    assert text.endswith("a line\n\n\n(truncated; see summary.md)\n")
    assert len(text) <= 100
    append_summary(summary, step)
    assert len(step.read_text("utf-8")) <= 100
