"""The command that asks one question again, from where the run was started."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_llmeval.config.options import OPTIONS
from pytest_llmeval.core.errors import one_line
from pytest_llmeval.core.redact import redact

#: options that say how a question is asked; the others are of gates, files and policy
_KEPT = {
    "run",
    "mode",
    "shots",
    "split",
    "limit",
    "seed",
    "repeats",
    "circular",
    "shuffle-choices",
    "data-dir",
    "cache-dir",
    "replay",
    "lm-eval-path",
} | {option.name for option in OPTIONS if option.model}
_PLAIN = re.compile(r"[A-Za-z0-9_.:+-]+")


@dataclass(frozen=True, slots=True)
class Rerun:
    """How a run was started.

    ``given`` are its options as typed, by key; ``models`` the spec of each model by its name (none
    for a run that only replays); ``benchmarks`` what was given for each benchmark that was asked for
    by ``--llm-benchmark``. Node ids are relative to ``root``, commands to ``start``.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    benchmarks: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path()
    start: Path = Path()

    def head(self, benchmark: str, model: str) -> str:
        """The command up to what chooses the question."""
        words = ["pytest"]
        if model in self.models and (self.given.get("model") or len(self.models) > 1):
            words.append(f"--llm-model={self.models[model]}")
        if benchmark in self.benchmarks:
            words.append(f"--llm-benchmark={self.benchmarks[benchmark]}")
        for option in OPTIONS:
            value = self.given.get(option.key)
            if option.name in _KEPT and value not in (None, False, []):
                words += _spelled(option.name, value)
        return " ".join(shlex.quote(redact(word)) for word in words)

    def selector(self, benchmark: str, model: str, name: str, nodeid: str) -> str:
        """What chooses the question called ``name`` (subject-key): ``-k "[agronomy-0]"``, or its node id."""
        if benchmark in self.benchmarks and _PLAIN.fullmatch(name):
            return f'-k "[{name}]"'
        path, colons, rest = nodeid.partition("::")
        if len(self.models) > 1 and rest.endswith(f"-{model}]"):
            rest = rest.removesuffix(f"-{model}]") + "]"
        place = _seen_from(self.start, self.root / path)
        return shlex.quote(one_line(f"{place}{colons}{rest}", 1000))


@lru_cache(maxsize=64)
def _seen_from(start: Path, path: Path) -> str:
    return os.path.relpath(path, start)


def _spelled(name: str, value: object) -> Sequence[str]:
    if value is True:
        return [f"--llm-{name}"]
    values = value if isinstance(value, (list, tuple)) else [value]
    return [f"--llm-{name}={one}" for one in values]
