"""The files of a run besides its page: results.json, summary.md and summary.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.report.markdown import summary_markdown
from pytest_llmeval.report.spreadsheet import text_cell
from pytest_llmeval.results.results_json import results_json
from pytest_llmeval.results.run_folder import RESULTS, write_text
from pytest_llmeval.results.suite_average import SuiteResult
from pytest_llmeval.results.summary import Group, Part, Result, outline

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison

SUMMARY = "summary.md"
_CSV_COLUMNS = (
    "level", "model", "benchmark", "name", "name_en", "name_zh",
    "requested", "correct", "wrong", "unparsed", "answered", "error",
    "accuracy", "macro_accuracy", "interval_low", "interval_high", "latency_p50_s", "mean_score",
    "cut_off",
)  # fmt: skip


def write_run(
    folder: Path,
    run: RunInfo,
    results: Sequence[Result],
    gates: Sequence[GateResult] = (),
    errors: Iterable[tuple[str, str]] = (),
    comparisons: Sequence[Comparison] = (),
    suites: Sequence[SuiteResult] = (),
    each: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Write results.json, summary.md and summary.csv; ``errors`` are (question id, message).

    Each file is rendered and written in the context ``each(name)``, which may handle its errors. Raises
    ``LLMEvalError`` naming the folder.
    """
    with each(RESULTS):
        content = results_json(run, results, gates, comparisons, suites)
        write_text(folder / RESULTS, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    with each(SUMMARY):
        text = summary_markdown(run.name, run.complete, results, gates, errors, comparisons, suites)
        write_text(folder / SUMMARY, text)
    with each("summary.csv"):
        write_text(folder / "summary.csv", summary_csv(results))


def summary_csv(results: Iterable[Result]) -> str:
    """A line for each subject, group and benchmark; ``level`` says which of these it is.

    ``accuracy`` is the mean over questions, ``macro_accuracy`` the mean over subjects.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, _CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in results:
        for group, subjects in outline(result.subjects, result.info.groups):
            if group:
                writer.writerow(_csv_row("group", group, result, result.groups[group]))
            for key in subjects:
                writer.writerow(_csv_row("subject", key, result, result.subjects[key]))
        writer.writerow(_csv_row("benchmark", result.benchmark, result, result.whole))
    return out.getvalue()


def _csv_row(level: str, name: str, result: Result, part: Part) -> dict[str, object]:
    subject = level == "subject"
    english, chinese = result.info.subjects.get(name, ("", "")) if subject else ("", "")
    low, high = part.interval or (None, None)
    return {
        "level": level,
        "model": text_cell(result.model),
        "benchmark": text_cell(result.benchmark),
        "name": text_cell(name),
        "name_en": text_cell(english),
        "name_zh": text_cell(chinese),
        **part.counts.as_dict(),
        "accuracy": part.accuracy,
        "macro_accuracy": part.macro_accuracy if isinstance(part, Group) else None,
        "interval_low": low,
        "interval_high": high,
        "latency_p50_s": part.latency_p50_s,
        "mean_score": part.mean_score,
        "cut_off": part.cut_off.answers,
    }
