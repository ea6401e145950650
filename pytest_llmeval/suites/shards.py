"""Joins the parts in which the hub has a large split to one file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pytest_llmeval.suites.formats import data_suffix


def join_parts(parts: Sequence[Path], target: Path) -> None:
    """Write the rows of all parts, in order, to ``target``; a single part is linked or copied.

    Raises ``ValueError`` for a format that cannot be joined, or parts that do not fit; OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if len(parts) == 1:
        _copy(parts[0], target)
        return
    match data_suffix(target.name):
        case ".parquet":
            _join_parquet(parts, target)
        case ".jsonl" | ".ndjson":
            _join_lines(parts, target)
        case suffix:
            raise ValueError(f"the {len(parts)} parts of {target.name} cannot be joined ({suffix})")


def _copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _join_lines(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as out:
        for part in parts:
            content = part.read_bytes()
            out.write(content if content.endswith(b"\n") else content + b"\n")


def _join_parquet(parts: Sequence[Path], target: Path) -> None:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile, ParquetWriter
    except ImportError:
        raise ValueError('its parts need pyarrow: pip install "pytest-llmeval-harness[parquet]"') from None
    try:
        schema = ParquetFile(parts[0]).schema_arrow
        with ParquetWriter(target, schema) as writer:
            for part in parts:
                with ParquetFile(part) as file:
                    for batch in file.iter_batches(batch_size=1000):
                        writer.write_batch(batch.cast(schema) if batch.schema != schema else batch)
    except (ArrowException, ValueError) as error:
        raise ValueError(f"the {len(parts)} parts of {target.name} do not fit: {error}") from None
