"""What a run found, as results.json, summary.csv and summary.md."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmeval.analysis.gate import Verdict
from pytest_llmeval.report.markdown import summary_markdown
from pytest_llmeval.report.task_scores import scores_json
from pytest_llmeval.results.judge_usage import agreement_json, judge_json
from pytest_llmeval.results.run_folder import RESULTS, write_text
from pytest_llmeval.results.summary import Circular, Group, Part, Repeats, Result, outline

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison

SCHEMA = 1
REPORT = "report.html"

_CSV_COLUMNS = (
    "level", "model", "benchmark", "name", "name_en", "name_zh",
    "requested", "correct", "wrong", "unparsed", "answered", "error",
    "accuracy", "macro_accuracy", "interval_low", "interval_high", "latency_p50_s", "mean_score",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What results.json says of the run as a whole; ``started`` in ISO 8601 with its time zone."""

    name: str
    started: str
    duration_s: float
    complete: bool
    command: str
    versions: Mapping[str, str]
    machine: Mapping[str, object]


def write_run(
    folder: Path,
    run: RunInfo,
    results: Sequence[Result],
    gates: Sequence[Verdict] = (),
    errors: Iterable[tuple[str, str]] = (),
    comparisons: Sequence[Comparison] = (),
) -> None:
    """Write results.json, summary.md and summary.csv; ``errors`` are (question id, message).

    Raises ``LLMEvalError`` naming the folder.
    """
    content = json.dumps(results_json(run, results, gates, comparisons), ensure_ascii=False, indent=1)
    write_text(folder / RESULTS, content + "\n")
    write_text(
        folder / "summary.md", summary_markdown(run.name, run.complete, results, gates, errors, comparisons)
    )
    write_text(folder / "summary.csv", summary_csv(results))


def results_json(
    run: RunInfo,
    results: Iterable[Result],
    gates: Iterable[Verdict],
    comparisons: Iterable[Comparison] = (),
) -> dict[str, Any]:
    """The content of results.json, schema 1."""
    from pytest_llmeval.report.comparison import comparison_json

    return {
        "schema": SCHEMA,
        "run": {
            "name": run.name,
            "started": run.started,
            "duration_s": run.duration_s,
            "complete": run.complete,
            "command": run.command,
            "versions": dict(run.versions),
            "machine": dict(run.machine),
        },
        "results": [_result_json(result) for result in results],
        "gates": [
            {
                "expr": verdict.expr,
                "verdict": verdict.verdict,
                "value": verdict.value,
                "threshold": verdict.threshold,
                "reason": verdict.reason,
                "model": verdict.model,
                "benchmark": verdict.benchmark,
                "part": verdict.part,
                "interval": verdict.interval,
                "needed": verdict.needed,
            }
            for verdict in gates
        ],
        "comparisons": [comparison_json(comparison) for comparison in comparisons],
    }


def _result_json(result: Result) -> dict[str, Any]:
    info, latency, tokens = result.info, result.latency, result.tokens
    return {
        "model": result.model,
        "identity": result.identity,
        "benchmark": result.benchmark,
        "mode": info.mode,
        "shots": info.shots,
        "split": info.split,
        "prompt_sha256": info.prompt_sha256,
        "data_sha256": info.data_sha256,
        "planned": info.planned,
        "counts": result.counts.as_dict(),
        "accuracy": result.accuracy,
        "macro_accuracy": result.macro_accuracy,
        "metric": info.metric,
        "threshold": info.threshold,
        "scoring": None if info.scoring is None else dict(info.scoring),
        "mean_score": result.mean_score,
        "interval": result.interval,
        "macro_interval": result.macro_interval,
        "detectable_drop": result.detectable_drop,
        "repeats": _repeats_json(result.repeats),
        "circular": _circular_json(result) if info.circular else None,
        "shuffle_choices": info.shuffle_choices,
        "subjects": {key: _subject_json(key, part, result) for key, part in result.subjects.items()},
        "groups": {
            name: {
                **_part_json(group),
                "macro_accuracy": group.macro_accuracy,
                "macro_interval": group.macro_interval,
                "subjects": list(info.groups.get(name, ())),
            }
            for name, group in result.groups.items()
        },
        "latency_s": {"p50": latency.p50, "p95": latency.p95, "mean": latency.mean},
        "tokens": {"prompt": tokens.prompt, "completion": tokens.completion, "shared": tokens.shared},
        "questions_per_s": result.questions_per_s,
        "cached": result.cached,
        "judge": judge_json(result.judged, info.judge),
        "agreement": agreement_json(result.agreement),
        **({} if result.task_scores is None else {"lm_eval": scores_json(result.task_scores)}),
    }


def _repeats_json(repeats: Repeats | None) -> dict[str, Any] | None:
    if repeats is None:
        return None
    return {
        "times": repeats.times,
        "pass_at": {str(k): share for k, share in repeats.pass_at.items()},
        "majority": repeats.majority,
        "flipped": list(repeats.flipped),
    }


def _circular_json(result: Result) -> dict[str, Any]:
    circular = result.circular or Circular()
    return {
        "plain_accuracy": circular.plain_accuracy,
        "mean_accuracy": circular.mean_accuracy,
        "accuracies": list(circular.accuracies),
        "places": list(circular.places),
    }


def _part_json(part: Part) -> dict[str, Any]:
    circular = {} if part.circular is None else {"plain_accuracy": part.circular.plain_accuracy}
    return {
        **circular,
        "counts": part.counts.as_dict(),
        "accuracy": part.accuracy,
        "mean_score": part.mean_score,
        "interval": part.interval,
        "latency_p50_s": part.latency_p50_s,
    }


def _subject_json(key: str, part: Part, result: Result) -> dict[str, Any]:
    english, chinese = result.info.subjects.get(key, ("", ""))
    return {**_part_json(part), "total": result.info.total.get(key), "name_en": english, "name_zh": chinese}


def summary_csv(results: Iterable[Result]) -> str:
    """A line a subject, group and benchmark, told apart by ``level``.

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
        "model": result.model,
        "benchmark": result.benchmark,
        "name": name,
        "name_en": english,
        "name_zh": chinese,
        **part.counts.as_dict(),
        "accuracy": part.accuracy,
        "macro_accuracy": part.macro_accuracy if isinstance(part, Group) else None,
        "interval_low": low,
        "interval_high": high,
        "latency_p50_s": part.latency_p50_s,
        "mean_score": part.mean_score,
    }
