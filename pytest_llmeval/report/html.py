"""report.html: the whole run as one self-contained page.

All text from models and data files is untrusted. ``plain`` removes control characters, and the template
escapes the rest (jinja2 with autoescape). Texts of questions are in ``script`` elements of data, which
browsers do not run; the page's script inserts them as text nodes only. A content security policy with hashes
allows no other script.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO

import jinja2
from markupsafe import Markup

from pytest_llmeval.analysis.compare import Comparison
from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.analysis.stats import Counts
from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.report import charts, figures, suite_tables, task_scores, views
from pytest_llmeval.report.answer_lines import answer_lines
from pytest_llmeval.report.cut_off import cut_off_line
from pytest_llmeval.report.embed import index_json, packed_chunks, script_json
from pytest_llmeval.report.judge_lines import agreement_lines, judge_line
from pytest_llmeval.report.looser_metric import looser_metric_line
from pytest_llmeval.report.metrics_line import metrics_line
from pytest_llmeval.report.official import official_line
from pytest_llmeval.report.questions import RunQuestions
from pytest_llmeval.report.status import error_groups
from pytest_llmeval.report.terminal import PASS_AT_SHOWN
from pytest_llmeval.results.question_log import QUESTIONS
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.results_json import REPORT
from pytest_llmeval.results.run_folder import encode, replacing, writing
from pytest_llmeval.results.suite_average import SuiteResult
from pytest_llmeval.results.summary import Result

#: bytes of chunks in one page; more go into further pages (report-2.html, ...)
PAGE_BYTES = 12_000_000
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The place of a chunk in the spool file; ``first`` is the number of its first question."""

    first: int
    start: int
    size: int


def write_html(
    folder: Path,
    run: RunInfo,
    results: Sequence[Result],
    verdicts: Sequence[GateResult] = (),
    errors: Iterable[tuple[str, str]] = (),
    rerun: Rerun | None = None,
    comparisons: Sequence[Comparison] = (),
    suites: Sequence[SuiteResult] = (),
    *,
    page_bytes: int = PAGE_BYTES,
) -> list[Path]:
    """Write report.html from the folder's questions.jsonl, and more pages if one would be too large.

    ``errors`` are (question id, message). Returns the paths of the pages; raises ``LLMEvalError`` naming the
    folder.
    """
    with writing(folder), tempfile.TemporaryFile() as spool:
        rerun = rerun or Rerun()
        questions = RunQuestions(folder / QUESTIONS, results)
        chunks = _spool(packed_chunks(questions, rerun), spool)
        pages = _pages(chunks, page_bytes)
        names = [REPORT if number == 1 else f"report-{number}.html" for number in range(1, len(pages) + 1)]
        content = {
            **index_json(questions, results, rerun),
            "chunks": [chunk.first for chunk in chunks],
            "pages": [{"name": name, "chunk": page.start} for name, page in zip(names, pages, strict=True)],
        }
        template = _environment().get_template("report.html.j2")
        values = {
            "run": run,
            "started": _date_and_time(run.started),
            "results": results,
            "cards": views.result_cards(results, questions.stats),
            "sections": views.benchmark_sections(results, questions.questions, questions.stats),
            "series": views.series_of(results),
            "verdicts": verdicts,
            "suites": suites,
            "comparisons": [views.comparison_section(comparison) for comparison in comparisons],
            "errors": error_groups(errors),
            "totals": sum((result.counts for result in results), Counts()),
            "has_questions": bool(questions.questions),
            "pages": names,
        }
        for number, (name, page) in enumerate(zip(names, pages, strict=True)):
            index = Markup(script_json({**content, "page": number}))
            texts = ((at, _read_chunk(spool, chunks[at])) for at in page if chunks)
            with replacing(folder / name) as file:
                for piece in template.generate(values, page=number, index=index, chunks=texts):
                    file.write(encode(piece))
    return [folder / name for name in names]


def _spool(packed_chunks: Iterable[tuple[int, bytes]], spool: IO[bytes]) -> list[_Chunk]:
    chunks, start = [], 0
    for first, packed in packed_chunks:
        spool.write(packed)
        chunks.append(_Chunk(first, start, len(packed)))
        start += len(packed)
    return chunks


def _read_chunk(spool: IO[bytes], chunk: _Chunk) -> Markup:
    spool.seek(chunk.start)
    return Markup(spool.read(chunk.size).decode("ascii"))  # base64: nothing to escape


def _pages(chunks: Sequence[_Chunk], most: int) -> list[range]:
    """The chunks of each page, in order; a single page without chunks if there are none."""
    pages, first, size = [], 0, 0
    for number, chunk in enumerate(chunks):
        if size and size + chunk.size > most:
            pages.append(range(first, number))
            first, size = number, 0
        size += chunk.size
    return [*pages, range(first, len(chunks))]


@cache  # compiling the templates takes longer than everything else in a small run
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (Markup((_TEMPLATES / name).read_text("utf-8")) for name in ("report.css", "report.js"))
    environment.globals |= {"style": style, "script": script, "policy": _policy(style, script)}
    environment.globals |= {
        "suite_cells": suite_tables.suite_cells,
        "suite_header": suite_tables.HEADER,
        "missing_line": suite_tables.missing_line,
    }
    environment.globals["legend_mark"] = charts.legend_mark
    environment.globals |= {"agreement_lines": agreement_lines, "answer_lines": answer_lines}
    environment.globals["pass_at_shown"] = PASS_AT_SHOWN
    environment.globals |= {"task_rows": task_scores.task_rows, "task_header": task_scores.HEADER}
    filters: dict[str, Callable[..., str]] = {
        "plain": lambda text: one_line(text, 1000),
        "percent": figures.percent,
        "score": figures.score,
        "interval": figures.interval,
        "seconds": figures.seconds,
        "duration": figures.duration,
        "count": figures.count,
        "rate": figures.rate,
        "shots": figures.shots,
        "conditions": figures.conditions,
        "value": views.sorted_value,
        "cut_off_line": cut_off_line,
        "looser_metric_line": looser_metric_line,
        "metrics_line": metrics_line,
        "official_line": official_line,
        "judge_line": lambda result: judge_line(result.judge_usage, result.info.conditions.judge) or "",
    }
    environment.filters |= filters
    return environment


def _policy(style: str, script: str) -> str:
    """A policy that loads nothing, and runs only this style sheet and this script."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _date_and_time(started: str) -> str:
    try:
        return datetime.fromisoformat(started).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return started
