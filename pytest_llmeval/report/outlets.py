"""Reports for people: page, spreadsheet, badge, plots, and the step summary of GitHub Actions.

They are written after results.json, one by one, so that a failure costs neither the results nor other
reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_llmeval.analysis.compare import Comparison
from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.report.run_files import SUMMARY
from pytest_llmeval.report.spreadsheet import SHEET, write_sheet
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.results_json import REPORT
from pytest_llmeval.results.run_folder import write_text
from pytest_llmeval.results.suite_average import SuiteResult
from pytest_llmeval.results.summary import Result

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
#: GitHub accepts 1 MiB for a step, and shows nothing if a step writes more
STEP_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run; ``errors`` are (question id, message)."""

    folder: Path
    run: RunInfo
    results: tuple[Result, ...]
    verdicts: tuple[GateResult, ...]
    errors: tuple[tuple[str, str], ...]
    rerun: Rerun
    comparisons: tuple[Comparison, ...] = ()
    suites: tuple[SuiteResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlet:
    """A report to write; ``name`` is for messages."""

    name: str
    write: Callable[[Report], None]


def select_outlets(
    badge: str | None, plot: str | None, environ: Mapping[str, str], *, sheet: bool = False
) -> Iterator[Outlet]:
    """The reports to write: always the page; badge and plots if they have a path ("" is in the run's folder);
    questions.csv if a ``sheet`` is wanted; the step summary under GitHub Actions.
    """
    yield Outlet(REPORT, _page)
    if sheet:
        yield Outlet(SHEET, lambda report: write_sheet(report.folder))
    if badge is not None:
        yield Outlet("the badge", lambda report: _badge(report, badge))
    if plot is not None:
        yield Outlet("the plots", lambda report: _plots(report, plot))
    if environ.get(STEP_SUMMARY):
        path = Path(environ[STEP_SUMMARY])
        yield Outlet(f"${STEP_SUMMARY}", lambda report: append_summary(report.folder / SUMMARY, path))


def _page(report: Report) -> None:
    from pytest_llmeval.report.html import write_html

    write_html(
        report.folder,
        report.run,
        report.results,
        report.verdicts,
        report.errors,
        report.rerun,
        report.comparisons,
        report.suites,
    )


def _badge(report: Report, badge_path: str) -> None:
    from pytest_llmeval.report.badge import badge_svg

    path = Path(badge_path) if badge_path else report.folder / "badge.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, badge_svg(report.run.complete, report.results, report.verdicts))


def _plots(report: Report, plot_path: str) -> None:
    from pytest_llmeval.report.plots import write_plots

    target = Path(plot_path) if plot_path else report.folder / "plots"
    write_plots(target, report.folder, report.results)


def append_summary(summary: Path, path: Path) -> None:
    """Append ``summary`` to the step summary at ``path``, cut at a line end to what GitHub accepts."""
    text = summary.read_bytes() + b"\n"
    room = STEP_BYTES - (path.stat().st_size if path.exists() else 0)
    if len(text) > room:
        note = b"\n\n(truncated; see summary.md)\n"
        text = text[: max(0, room - len(note))]
        text = text[: text.rfind(b"\n") + 1] + note if text else b""
    with path.open("ab") as file:
        file.write(text)
