"""Build the command that reruns a single question."""

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

#: options that affect how a question is asked; the others set gates, files and policy
_QUESTION_OPTIONS = {
    "run",
    "mode",
    "metric",
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
    "judge",
    "allow-code",
} | {option.name for option in OPTIONS if option.model}
_PLAIN = re.compile(r"[A-Za-z0-9_.:+-]+")


@dataclass(frozen=True, slots=True)
class Rerun:
    """How a run was started.

    ``options`` holds its options as typed, by key; ``models`` maps each model's name to its spec (empty
    for a replay); ``benchmarks`` maps the name of each result of ``--llm-benchmark`` to that option's value.
    ``tests`` maps the results whose benchmark several tests asked to their test. Node ids are relative to
    ``root``, commands to ``start``.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    benchmarks: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path()
    start: Path = Path()
    tests: Mapping[str, str] = field(default_factory=dict)

    def head(self, benchmark: str, model: str) -> str:
        """The command without the question's selector."""
        words = ["pytest"]
        if model in self.models and (self.options.get("model") or len(self.models) > 1):
            words.append(f"--llm-model={self.models[model]}")
        if benchmark in self.benchmarks:
            words.append(f"--llm-benchmark={self.benchmarks[benchmark]}")
        for option in OPTIONS:
            value = self.options.get(option.key)
            if option.name in _QUESTION_OPTIONS and value not in (None, False, []):
                words += _option_words(option.name, value)
        if not self.options.get("replay"):
            words.append("--llm-refresh")  # without it the answer would come from the store
        return " ".join(shlex.quote(redact(word)) for word in words)

    def selector(self, benchmark: str, model: str, name: str, nodeid: str) -> str:
        """Select the question called ``name`` (subject-key), as ``-k "[agronomy-0]"`` or by its node id."""
        if benchmark in self.benchmarks and _PLAIN.fullmatch(name):
            test, sign, _ = self.tests.get(benchmark, "").rpartition("/")[2].partition("[")
            return f'-k "{test}[{name}{"-" if sign else "]"}"'
        path, colons, rest = nodeid.partition("::")
        if len(self.models) > 1 and rest.endswith(f"-{model}]"):
            rest = rest.removesuffix(f"-{model}]") + "]"
        place = _relative_to(self.start, self.root / path)
        return shlex.quote(one_line(f"{place}{colons}{rest}", 1000))


@lru_cache(maxsize=64)
def _relative_to(start: Path, path: Path) -> str:
    return os.path.relpath(path, start)


def _option_words(name: str, value: object) -> Sequence[str]:
    if value is True:
        return [f"--llm-{name}"]
    values = value if isinstance(value, (list, tuple)) else [value]
    return [f"--llm-{name}={item}" for item in values]
