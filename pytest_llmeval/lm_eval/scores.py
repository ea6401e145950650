"""A task's numbers over all of its documents, with the task's own aggregations, and those of groups."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.lm_eval.values import source_of, unpack
from pytest_llmeval.results.task_scores import Number, Scored, TaskScores

if TYPE_CHECKING:
    from pytest_llmeval.lm_eval.tasks import Tasks

#: draws for the standard errors that are bootstrapped; the library's 100,000 take minutes
_DRAWS = 1000
_DRAWS_OF_TEXTS = 100
_SLOW = ("bleu", "chrf", "chrf++", "ter")


def scores(tasks: Tasks, found: Mapping[str, Mapping[int, Mapping[str, Mapping[str, Any]]]]) -> TaskScores:
    """The numbers of packed metrics by task, document, filter and metric.

    Documents are taken in their order. A metric that cannot be aggregated has its error as its value.
    """
    metrics: dict[str, dict[str, Any]] = {}
    listed = []
    shots = tasks.shots()
    for name, task in tasks.tasks.items():
        if name not in found:
            continue
        values = _by_metric(found[name][number] for number in sorted(found[name]))
        metrics[name], failed = _aggregated(task, values)
        numbers = (*_numbers(metrics[name], task.higher_is_better() or {}), *failed)
        alias = tasks.aliases()[name]
        listed.append(Scored(name, alias, len(found[name]), shots[name], str(task.VERSION), numbers))
    for name, group in tasks.groups.items():
        if group.aggregate_metric_list:
            of_group = _of_group(group, metrics)
            of_tasks = [tasks.tasks[one.task_name].higher_is_better() or {} for one in group.get_all_tasks()]
            numbers = _numbers(of_group, _common(of_tasks))
            alias, version = str(of_group["alias"]), str(group.version)
            listed.append(
                Scored(name, alias, int(of_group["sample_len"]), None, version, numbers, is_group=True)
            )
    return TaskScores(tasks.version, tuple(listed))


def _by_metric(documents: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[tuple[str, str], list[Any]]:
    """Packed values by filter and metric, in the order of documents."""
    values: dict[tuple[str, str], list[Any]] = {}
    for of_document in documents:
        for filter, of_filter in of_document.items():
            for metric, value in of_filter.items():
                values.setdefault((filter, metric), []).append(value)
    return values


def _of_group(group: Any, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any]
    try:
        found = group.aggregate(metrics)
    except Exception as error:  # of numbers that have no mean
        found = {"alias": group.alias or group.name, "sample_len": 0, "all,none": _said(error)}
    return found


def _aggregated(
    task: Any, values: Mapping[tuple[str, str], list[Any]]
) -> tuple[dict[str, Any], list[Number]]:
    """As ``evaluator_utils._compute_task_aggregations`` does; and what could not be aggregated, with why."""
    from lm_eval.api.metrics import mean, stderr_for_metric

    found: dict[str, Any] = {}
    failed = []
    length = 0
    for (filter, metric), packed in values.items():
        source = next((of for of, _ in map(source_of, packed) if of is not None), metric)
        items = [unpack(value) for _, value in map(source_of, packed)]
        function = task.aggregation().get(source, mean)
        length = max(length, len(items))
        draws = _DRAWS_OF_TEXTS if metric in _SLOW else _DRAWS
        error = stderr_for_metric(metric=function, bootstrap_iters=draws)
        stderr: Any = "N/A"
        try:
            with _alone():
                value = function(items)
                if error is not None and len(items) > 1:
                    stderr = error(items)
        except Exception as problem:  # a task's own function, or a library it needs
            failed.append(Number(filter, metric, _said(problem), None))
            continue
        found[f"{metric},{filter}"] = value
        found[f"{metric}_stderr,{filter}"] = stderr
    found["sample_len"] = length
    return found, failed


def _said(error: Exception) -> str:
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
    """What all tables that know a metric say of it; None where they differ."""
    found: dict[str, bool | None] = {}
    for table in tables:
        for metric, better in table.items():
            found[metric] = better if found.get(metric, better) == better else None
    return found


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Without the processes that the library would fork for a bootstrap, and what is said of each draw."""
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
