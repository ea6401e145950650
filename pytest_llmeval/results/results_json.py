"""The results of a run as the content of results.json."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pytest_llmeval.analysis.calibration import Calibration
from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.run_info import RunInfo
from pytest_llmeval.results.circular import Circular
from pytest_llmeval.results.comparison_json import comparison_json
from pytest_llmeval.results.judge_usage import agreement_json, judge_json
from pytest_llmeval.results.run_folder import SCHEMA
from pytest_llmeval.results.suite_average import SuiteResult
from pytest_llmeval.results.summary import Part, Repeats, Result
from pytest_llmeval.results.task_scores import scores_json

if TYPE_CHECKING:
    from pytest_llmeval.analysis.compare import Comparison

REPORT = "report.html"


def results_json(
    run: RunInfo,
    results: Iterable[Result],
    gates: Iterable[GateResult],
    comparisons: Iterable[Comparison] = (),
    suites: Iterable[SuiteResult] = (),
) -> dict[str, Any]:
    """The content of results.json, schema 1."""
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
        "suites": [suite.to_json() for suite in suites],
    }


def _result_json(result: Result) -> dict[str, Any]:
    info, latency, tokens = result.info, result.latency, result.tokens
    conditions = info.conditions
    return {
        "model": result.model,
        "identity": result.identity,
        "benchmark": result.benchmark,
        # only where several tests asked the benchmark
        **({} if result.test is None else {"test": result.test}),
        **conditions.to_json(),
        "data_source": info.data_source,
        "protocol": dict(info.protocol),
        "planned": info.planned,
        "counts": result.counts.as_dict(),
        "accuracy": result.accuracy,
        "macro_accuracy": result.macro_accuracy,
        "metric": info.metric,
        "threshold": info.threshold,
        "mean_score": result.mean_score,
        "metrics": dict(result.metrics),
        "interval": result.interval,
        "macro_interval": result.macro_interval,
        "detectable_drop": result.detectable_drop,
        "repeats": _repeats_json(result.repeats),
        "circular": _circular_json(result) if conditions.circular else None,
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
        "cut_off": result.cut_off.to_json(),
        "unparsed": {reason.value: count for reason, count in result.unparsed.items()},
        "served_models": dict(result.served_models),
        "guessing": None if result.guessing is None else result.guessing.to_json(),
        "official": None if result.official is None else result.official.to_json(),
        "looser_metric": None if result.looser_metric is None else result.looser_metric.to_json(),
        "judge": judge_json(result.judge_usage, conditions.judge),
        "agreement": agreement_json(result.agreement),
        "calibration": _calibration_json(result.calibration),
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


def _calibration_json(calibration: Calibration | None) -> dict[str, Any] | None:
    if calibration is None:
        return None
    return {
        "count": calibration.count,
        "ece": calibration.ece,
        "brier": calibration.brier,
        "confidence": calibration.confidence,
        "bins": [
            {
                "low": one.low,
                "high": one.high,
                "count": one.count,
                "confidence": one.confidence,
                "accuracy": one.accuracy,
            }
            for one in calibration.bins
        ],
    }


def _part_json(part: Part) -> dict[str, Any]:
    circular = {} if part.circular is None else {"plain_accuracy": part.circular.plain_accuracy}
    return {
        **circular,
        "counts": part.counts.as_dict(),
        "cut_off": part.cut_off.answers,
        "accuracy": part.accuracy,
        "mean_score": part.mean_score,
        **({"metrics": dict(part.metrics)} if part.metrics else {}),
        "interval": part.interval,
        "latency_p50_s": part.latency_p50_s,
    }


def _subject_json(key: str, part: Part, result: Result) -> dict[str, Any]:
    english, chinese = result.info.subjects.get(key, ("", ""))
    return {**_part_json(part), "total": result.info.total.get(key), "name_en": english, "name_zh": chinese}
