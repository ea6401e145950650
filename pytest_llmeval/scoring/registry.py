"""The metrics and extractors that benchmarks may name: those of this package, and of plugins."""

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
    """Where names are looked up; a session of pytest puts its hooks here and takes them away again."""

    metrics: Tables[Metric] | None = None
    extractors: Tables[Extractor] | None = None
    joined_metrics: Mapping[str, Metric] | None = None
    joined_extractors: Mapping[str, Extractor] | None = None


def use(metrics: Tables[Metric] | None, extractors: Tables[Extractor] | None) -> None:
    """Look names up in these tables from now on; None for this package's own."""
    _Sources.metrics, _Sources.extractors = metrics, extractors
    _Sources.joined_metrics = _Sources.joined_extractors = None


def metrics() -> Mapping[str, Metric]:
    """All metrics by name. Raises ``UserError`` where two have the same."""
    from pytest_llmeval.scoring.metrics import METRICS

    if _Sources.joined_metrics is None:
        _Sources.joined_metrics = _joined("metrics", _Sources.metrics() if _Sources.metrics else [METRICS])
    return _Sources.joined_metrics


def extractors() -> Mapping[str, Extractor]:
    """All extractors by name. Raises ``UserError`` where two have the same."""
    from pytest_llmeval.scoring.extract import EXTRACTORS

    if _Sources.joined_extractors is None:
        tables = _Sources.extractors() if _Sources.extractors else [EXTRACTORS]
        _Sources.joined_extractors = _joined("extractors", tables)
    return _Sources.joined_extractors


def gold_problem(metric: str, answer: str) -> str | None:
    """What is wrong with a gold answer for the metric of this name."""
    return metrics()[metric].gold_problem(answer)


def _joined(what: str, tables: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    found: dict[str, _T] = {}
    for table in tables:
        for name, one in table.items():
            if name in found:
                raise UserError(f"two {what} are called {name!r}; a plugin must rename its own")
            found[name] = one
    return found
