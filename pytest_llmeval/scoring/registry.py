"""The metrics and extractors that benchmarks can name: those of this package and those of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from pytest_llmeval.core.errors import UserError

if TYPE_CHECKING:
    from pytest_llmeval.scoring.extract import Extractor
    from pytest_llmeval.scoring.metrics import Metric

_T = TypeVar("_T")
Tables = Callable[[], Iterable[Mapping[str, _T]]]


class _Sources:
    """Where names are looked up; a pytest session installs its hooks here and removes them at its end."""

    metrics: Tables[Metric] | None = None
    extractors: Tables[Extractor] | None = None
    joined_metrics: Mapping[str, Metric] | None = None
    joined_extractors: Mapping[str, Extractor] | None = None


def use(metrics: Tables[Metric] | None, extractors: Tables[Extractor] | None) -> None:
    """Look names up in these tables from now on; None stands for those of this package."""
    _Sources.metrics, _Sources.extractors = metrics, extractors
    _Sources.joined_metrics = _Sources.joined_extractors = None


def metrics() -> Mapping[str, Metric]:
    """All metrics by name. Raises ``UserError`` if two have the same name."""
    from pytest_llmeval.scoring.metrics import METRICS

    if _Sources.joined_metrics is None:
        _Sources.joined_metrics = _joined("metrics", _Sources.metrics() if _Sources.metrics else [METRICS])
    return _Sources.joined_metrics


def extractors() -> Mapping[str, Extractor]:
    """All extractors by name. Raises ``UserError`` if two have the same name."""
    from pytest_llmeval.scoring.extract import EXTRACTORS

    if _Sources.joined_extractors is None:
        tables = _Sources.extractors() if _Sources.extractors else [EXTRACTORS]
        _Sources.joined_extractors = _joined("extractors", tables)
    return _Sources.joined_extractors


def gold_problem(metric: str, answer: str) -> str | None:
    """Why the metric of this name cannot compare with a gold answer; None if it can."""
    return metrics()[metric].gold_problem(answer)


def _joined(kind: str, tables: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    joined: dict[str, _T] = {}
    for table in tables:
        for name, entry in table.items():
            if name in joined:
                raise UserError(f"two {kind} are called {name!r}; a plugin must rename its own")
            joined[name] = entry
    return joined
