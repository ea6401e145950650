"""The workflow files in docs/ci.md, as what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import yaml

from tests.support.paths import DOCS

RECIPES = DOCS / "ci.md"
_BLOCK = re.compile(r"^```yaml\n# (\S+)\n(.*?)^```$", re.M | re.S)
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")


def files() -> dict[str, str]:
    """Each file by the path that its first line names."""
    return dict(_BLOCK.findall(RECIPES.read_text("utf-8")))


def jobs(content: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each job's name and steps: a matrix is one a cell; a GitLab script is a step of its lines."""
    parsed = yaml.safe_load(content)
    if "jobs" not in parsed:
        for name, job in parsed.items():
            steps: list[dict[str, Any]] = [{"uses": "checkout"}, {"uses": "setup-python"}]
            cache = {"path": "\n".join(job["cache"]["paths"])}
            kept = [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]
            steps.append({"uses": "cache/restore", "with": cache})
            steps += [{"run": line, "env": job.get("variables", {})} for line in job["script"]]
            steps.append({"uses": "cache/save", "with": cache, "if": "always()"})
            yield name, [*steps, {"uses": "upload", "with": {"path": "\n".join(kept)}, "if": "always()"}]
        return
    for name, job in parsed["jobs"].items():
        matrix = job.get("strategy", {}).get("matrix", {})
        for cell in product(*matrix.values()):
            values = {f"matrix.{key}": value for key, value in zip(matrix, cell, strict=True)}
            told = " ".join((name, *map(str, cell)))
            yield told, [_filled(step, values) for step in job["steps"]]


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _EXPRESSION.sub(lambda found: str(values.get(found[1], "1")), value)
    if isinstance(value, dict):
        return {key: _filled(one, values) for key, one in value.items()}
    return value
