"""Joining the parts of a split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_llmeval.suites.shards import join_parts


def test_a_single_part_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"any bytes")
    join_parts([tmp_path / "a"], tmp_path / "deep/er/test.csv")
    assert (tmp_path / "deep/er/test.csv").read_bytes() == b"any bytes"


def test_json_lines(tmp_path: Path) -> None:
    parts = [tmp_path / "a", tmp_path / "b"]
    parts[0].write_text('{"n": 1}')  # no newline at the end
    parts[1].write_text('{"n": 2}\n{"n": 3}\n')
    join_parts(parts, tmp_path / "test.jsonl")
    assert [json.loads(line)["n"] for line in (tmp_path / "test.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    struct = [{"text": ["x"], "label": ["A"]}]
    tables = [pa.table({"n": pa.array([n], pa.int64()), "choices": struct}) for n in range(3)]
    parts = [tmp_path / f"{number}.parquet" for number in range(3)]
    for part, table in zip(parts, tables, strict=True):
        pq.write_table(table, part)
    join_parts(parts, tmp_path / "test.parquet")
    assert pq.read_table(tmp_path / "test.parquet").equals(pa.concat_tables(tables))


def test_parts_that_do_not_fit(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    parts = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    pq.write_table(pa.table({"n": [1]}), parts[0])
    pq.write_table(pa.table({"m": ["x"]}), parts[1])
    with pytest.raises(ValueError, match=r"the 2 parts of test\.parquet do not fit"):
        join_parts(parts, tmp_path / "test.parquet")


def test_csv_is_not_joined(tmp_path: Path) -> None:
    parts = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ValueError, match=r"the 2 parts of test\.csv cannot be joined \(\.csv\)"):
        join_parts(parts, tmp_path / "test.csv")
