"""Variants of a benchmark: the tables ``[variants.NAME]`` of a benchmark.toml, merged over the benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, unknown
from pytest_llmeval.suites.benchmark import NOT_OF_VARIANTS

#: tables whose keys belong together, so that a variant replaces them whole
_WHOLE = ("metric", "extractor")


def apply(table: Mapping[str, Any], variant: str | None, path: Path) -> dict[str, Any]:
    """The content of the benchmark.toml at ``path`` as ``variant`` has it; None for the benchmark itself.

    Tables are merged at any depth, except [metric] and [extractor]; everything else replaces. A variant
    without a title has that of the benchmark and its own name. Raises ``UserError``.
    """
    if variant is None:
        return dict(table)
    tables = table.get("variants")
    if not isinstance(tables, dict) or not isinstance(tables.get(variant), dict):
        names = tables if isinstance(tables, dict) else ()
        raise unknown("variant", variant, names, where=str(path))
    changes = tables[variant]
    for key in NOT_OF_VARIANTS:
        if key in changes:
            raise UserError(f"{path} [variants.{variant}]: {key}: variants cannot change it")
    base = {key: value for key, value in table.items() if key != "variants"}
    title = base.get("title", base.get("name", path.parent.name))
    merged = _merged(base, changes)
    if "title" not in changes:
        merged["title"] = f"{title} ({variant})"
    return merged


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and key not in _WHOLE:
            result[key] = _merged(before, value)
        else:
            result[key] = value
    return result
