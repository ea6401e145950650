"""Where results go besides their own files: for people to look at, each made by itself.

None of these may cost a run its results.json: they are written after it, and one that fails is
told and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_llmeval.analysis.compare import Comparison
from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.results_json import REPORT
from pytest_llmeval.results.run_folder import write_text
from pytest_llmeval.results.summary import Result

SUMMARY = "summary.md"
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
#: GitHub takes 1 MiB for a step, and shows nothing of one that wrote more
STEP_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run, as its folder holds it; ``errors`` are (question id, message)."""

    folder: Path
    run: RunInfo
    results: tuple[Result, ...]
    verdicts: tuple[GateResult, ...]
    errors: tuple[tuple[str, str], ...]
    rerun: Rerun
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlet:
    """One place: its name for messages, and how it is written."""

    name: str
    write: Callable[[Report], None]


def wanted(badge: str | None, plot: str | None, environ: Mapping[str, str]) -> Iterator[Outlet]:
    """The page always; what was asked for (a path, or "" for its place in the run's folder); and
    where GitHub Actions reads a summary, that.
    """
    yield Outlet(REPORT, _page)
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
    )


def _badge(report: Report, given: str) -> None:
    from pytest_llmeval.report.badge import badge

    path = Path(given) if given else report.folder / "badge.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, badge(report.run.complete, report.results, report.verdicts))


def _plots(report: Report, given: str) -> None:
    from pytest_llmeval.report.plots import write_plots

    write_plots(Path(given) if given else report.folder / "plots", report.folder, report.results)


def append_summary(summary: Path, path: Path) -> None:
    """Append a summary to the file of a step, cut at a line where it would be more than GitHub takes."""
    text = summary.read_bytes() + b"\n"
    room = STEP_BYTES - (path.stat().st_size if path.exists() else 0)
    if len(text) > room:
        note = b"\n\n(cut: the whole is in summary.md)\n"
        kept = text[: max(0, room - len(note))]
        text = kept[: kept.rfind(b"\n") + 1] + note if kept else b""
    with path.open("ab") as file:
        file.write(text)
