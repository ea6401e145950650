"""What lm-evaluation-harness hands out, without the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Instance:
    """As ``lm_eval.api.instance.Instance``."""

    request_type: str
    args: tuple[Any, ...]
    idx: int = 0
    doc: Any = None
    repeats: int = 1
    resps: list[Any] = field(default_factory=list)
    filtered_resps: dict[str, Any] = field(default_factory=dict)


class Task:
    """As much of ``lm_eval.api.task.Task`` as judges a document."""

    def __init__(
        self,
        kind: str,
        score: Callable[[Any, Sequence[Any]], Mapping[str, Any]],
        filters: Mapping[str, Callable[[Sequence[Any]], Any]] | None = None,
        aggregations: Mapping[str, Any] | None = None,
        choices: Sequence[str] = (),
        gold: Any = "gold",
    ) -> None:
        self.OUTPUT_TYPE = kind
        self.process_results = score
        self._filters = filters or {"none": lambda responses: responses[0]}
        self._aggregations = dict(aggregations or {})
        self._instances: list[Instance] = []
        self._choices = choices
        self._gold = gold

    def aggregation(self) -> dict[str, Any]:
        return self._aggregations

    def apply_filters(self) -> None:
        for name, filtered in self._filters.items():
            for instance in self._instances:
                instance.filtered_resps[name] = filtered(instance.resps)

    def doc_to_target(self, doc: Any) -> Any:
        return self._gold

    def doc_to_choice(self, doc: Any) -> Sequence[str]:
        return self._choices
