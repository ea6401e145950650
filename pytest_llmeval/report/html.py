"""report.html: the whole run as one page that needs nothing but a browser.

Everything from a model or a data file is hostile. The template escapes it (jinja2 with autoescape)
after ``clean`` has left out what would steer the text around it; the texts of questions go into
``script`` elements of data, which no browser runs, and from there to the page as text nodes only.
A content security policy, by hashes, lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import jinja2
from markupsafe import Markup

from pytest_llmeval.analysis.compare import Comparison
from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.report import charts, figures, task_scores, views
from pytest_llmeval.report.embed import Questions, script_json
from pytest_llmeval.report.judge_lines import agreement_lines, judge_line
from pytest_llmeval.report.terminal import error_groups
from pytest_llmeval.report.text import clean
from pytest_llmeval.results.question_log import QUESTIONS
from pytest_llmeval.results.rerun import Rerun
from pytest_llmeval.results.results_json import REPORT
from pytest_llmeval.results.run_folder import encode, replacing, writing
from pytest_llmeval.results.summary import Result

#: packed texts in one page; what is beyond goes into a further page (report-2.html, ...)
PAGE_BYTES = 12_000_000
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Where a chunk of questions lies in the spool; ``first`` is the number of its first question."""

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
    *,
    page_bytes: int = PAGE_BYTES,
) -> list[Path]:
    """Write report.html from the folder's questions.jsonl, and further pages where there is too much
    for one. Raises ``LLMEvalError`` naming the folder.
    """
    with writing(folder), tempfile.TemporaryFile() as spool:
        questions = Questions(folder / QUESTIONS, results, rerun or Rerun())
        chunks = _spooled(questions, spool)
        pages = _pages(chunks, page_bytes)
        names = [REPORT if number == 1 else f"report-{number}.html" for number in range(1, len(pages) + 1)]
        content = {
            **questions.index(results),
            "chunks": [chunk.first for chunk in chunks],
            "pages": [{"name": name, "chunk": page.start} for name, page in zip(names, pages, strict=True)],
        }
        environment = _environment()
        template = environment.get_template("report.html.j2")
        shown = {
            "run": run,
            "started": _moment(run.started),
            "results": results,
            "cards": views.cards(results, questions.seen),
            "benches": views.benches(results, questions.units, questions.seen),
            "series": views.series_of(results),
            "verdicts": verdicts,
            "changes": [views.changes(comparison) for comparison in comparisons],
            "errors": error_groups(errors),
            "totals": _totals(results),
            "asked": len(questions.units),
            "pages": names,
        }
        for number, (name, page) in enumerate(zip(names, pages, strict=True)):
            index = Markup(script_json({**content, "page": number}))
            texts = ((at, _chunk(spool, chunks[at])) for at in page if chunks)
            with replacing(folder / name) as file:
                for piece in template.generate(shown, page=number, index=index, chunks=texts):
                    file.write(encode(piece))
    return [folder / name for name in names]


def _spooled(questions: Questions, spool: IO[bytes]) -> list[_Chunk]:
    found, start = [], 0
    for first, packed in questions.chunks():
        spool.write(packed)
        found.append(_Chunk(first, start, len(packed)))
        start += len(packed)
    return found


def _chunk(spool: IO[bytes], chunk: _Chunk) -> Markup:
    spool.seek(chunk.start)
    return Markup(spool.read(chunk.size).decode("ascii"))  # base64: nothing to escape


def _pages(chunks: Sequence[_Chunk], most: int) -> list[range]:
    """The chunks of each page, in order; a page without any if there are none."""
    pages, first, size = [], 0, 0
    for number, chunk in enumerate(chunks):
        if size and size + chunk.size > most:
            pages.append(range(first, number))
            first, size = number, 0
        size += chunk.size
    return [*pages, range(first, len(chunks))]


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
    environment.globals["legend_mark"] = charts.legend_mark
    environment.globals["agreement"] = agreement_lines
    environment.globals |= {"task_rows": task_scores.rows, "task_header": task_scores.HEADER}
    filters: dict[str, Callable[..., str]] = {
        "plain": lambda text: clean(str(text), limit=1000),
        "percent": figures.percent,
        "score": figures.score,
        "interval": figures.interval,
        "seconds": figures.seconds,
        "duration": figures.duration,
        "count": figures.count,
        "rate": figures.rate,
        "value": views.sorted_value,
        "judged": lambda result: judge_line(result.judged, result.info.judge) or "",
    }
    environment.filters |= filters
    return environment


def _policy(style: str, script: str) -> str:
    """Nothing is loaded from anywhere, and nothing runs but these two."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _moment(started: str) -> str:
    try:
        return datetime.fromisoformat(started).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return started


def _totals(results: Iterable[Result]) -> dict[str, int]:
    """All counts of the run, added up."""
    found = [result.counts for result in results]
    names = ("requested", "correct", "wrong", "unparsed", "answered", "error")
    return {name: sum(getattr(counts, name) for counts in found) for name in names}
