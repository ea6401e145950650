"""Aggregate metrics over a task's documents and over groups, with the tasks' own aggregations."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.lm_eval.values import source_of, unpack
from pytest_llmeval.results.task_scores import Number, TaskResult, TaskScores

if TYPE_CHECKING:
    from pytest_llmeval.lm_eval.tasks import Tasks

#: samples for bootstrapped standard errors; the library's 100,000 take minutes
_SAMPLES = 1000
_TEXT_SAMPLES = 100
_SLOW = ("bleu", "chrf", "chrf++", "ter")


def aggregate(
    tasks: Tasks, metrics: Mapping[str, Mapping[int, Mapping[str, Mapping[str, Any]]]]
) -> TaskScores:
    """Aggregate packed ``metrics``, which are by task, document, filter and metric.

    Documents are aggregated in order. A metric that cannot be aggregated has the error as its value.
    """
    totals: dict[str, dict[str, Any]] = {}
    results = []
    shots = tasks.shots()
    for name, task in tasks.tasks.items():
        if name not in metrics:
            continue
        values = _by_metric(metrics[name][number] for number in sorted(metrics[name]))
        totals[name], failures = _aggregate_task(task, values)
        numbers = (*_numbers(totals[name], task.higher_is_better() or {}), *failures)
        alias = tasks.aliases()[name]
        results.append(TaskResult(name, alias, len(metrics[name]), shots[name], str(task.VERSION), numbers))
    for name, group in tasks.groups.items():
        if group.aggregate_metric_list:
            group_totals = _group_totals(group, totals)
            better = [tasks.tasks[task.task_name].higher_is_better() or {} for task in group.get_all_tasks()]
            numbers = _numbers(group_totals, _common(better))
            alias, version = str(group_totals["alias"]), str(group.version)
            results.append(
                TaskResult(
                    name, alias, int(group_totals["sample_len"]), None, version, numbers, is_group=True
                )
            )
    return TaskScores(tasks.version, tuple(results))


def _by_metric(documents: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[tuple[str, str], list[Any]]:
    """Packed values by filter and metric, in the order of documents."""
    values: dict[tuple[str, str], list[Any]] = {}
    for by_filter in documents:
        for filter, by_metric in by_filter.items():
            for metric, value in by_metric.items():
                values.setdefault((filter, metric), []).append(value)
    return values


def _group_totals(group: Any, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    totals: Mapping[str, Any]
    try:
        totals = group.aggregate(metrics)
    except Exception as error:  # values that have no mean
        totals = {"alias": group.alias or group.name, "sample_len": 0, "all,none": _message(error)}
    return totals


def _aggregate_task(
    task: Any, values: Mapping[tuple[str, str], list[Any]]
) -> tuple[dict[str, Any], list[Number]]:
    """Aggregate like ``evaluator_utils._compute_task_aggregations``; return failures separately."""
    from lm_eval.api.metrics import mean, stderr_for_metric

    aggregated: dict[str, Any] = {}
    failures = []
    length = 0
    for (filter, metric), packed in values.items():
        source = next((name for name, _ in map(source_of, packed) if name is not None), metric)
        items = [unpack(value) for _, value in map(source_of, packed)]
        function = task.aggregation().get(source, mean)
        length = max(length, len(items))
        samples = _TEXT_SAMPLES if metric in _SLOW else _SAMPLES
        error = stderr_for_metric(metric=function, bootstrap_iters=samples)
        stderr: Any = "N/A"
        try:
            with _quiet_single_process():
                value = function(items)
                if error is not None and len(items) > 1:
                    stderr = error(items)
        except Exception as problem:  # a task's own function, or a library it needs
            failures.append(Number(filter, metric, _message(problem), None))
            continue
        aggregated[f"{metric},{filter}"] = value
        aggregated[f"{metric}_stderr,{filter}"] = stderr
    aggregated["sample_len"] = length
    return aggregated, failures


def _message(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}", 120)


def _numbers(metrics: Mapping[str, Any], better: Mapping[str, bool | None]) -> tuple[Number, ...]:
    numbers = []
    for key, value in metrics.items():
        metric, comma, filter = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        stderr = metrics.get(f"{metric}_stderr,{filter}")
        numbers.append(
            Number(
                filter,
                metric,
                _number(value),
                None if isinstance(stderr, str) or stderr is None else float(stderr),
                better.get(metric),
            )
        )
    return tuple(numbers)


def _number(value: Any) -> float | str:
    try:
        return float(value)
    except (TypeError, ValueError):
        return one_line(value, 120)


def _common(tables: Iterable[Mapping[str, bool]]) -> dict[str, bool | None]:
    """Merge tables by metric; a metric on which tables differ has None."""
    common: dict[str, bool | None] = {}
    for table in tables:
        for metric, better in table.items():
            common[metric] = better if common.get(metric, better) == better else None
    return common


@contextlib.contextmanager
def _quiet_single_process() -> Iterator[None]:
    """Keep the library from forking processes for a bootstrap, and hide its output and warnings."""
    before = os.environ.get("DISABLE_MULTIPROC")
    os.environ["DISABLE_MULTIPROC"] = "1"
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(action="ignore"),
        ):
            yield
    finally:
        if before is None:
            del os.environ["DISABLE_MULTIPROC"]
        else:
            os.environ["DISABLE_MULTIPROC"] = before
