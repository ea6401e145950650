"""Tables in files, folders and archives."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.tables import Table, is_table, open_tables, tables_in

CSV = b"question,answer\nq,a\n"


def archive(path: Path, *names: str, content: bytes = CSV) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, content)
    return path


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_bytes(CSV)
    return path


@pytest.mark.parametrize("make", [archive, folder])
def test_several_files_have_a_subject_each(tmp_path: Path, make: type[object]) -> None:
    place = make(
        tmp_path / "set.zip", "b c.csv", "语文.csv", "a.jsonl", "数学.tsv", "dataset_info.json", "README.md"
    )
    tables = open_tables(place)  # type: ignore[arg-type]
    assert [(table.path.name, table.subject, table.title) for table in tables] == [
        ("a.jsonl", "a", "a"),
        ("b c.csv", "b_c", "b c"),
        ("数学.tsv", "file_3", "数学"),
        ("语文.csv", "file_4", "语文"),
    ]
    assert {table.raw for table in tables} == {CSV}


@pytest.mark.parametrize("make", [archive, folder])
def test_one_file_is_that_file(tmp_path: Path, make: type[object]) -> None:
    place = tmp_path / "set.zip"
    make(place, "a.csv", "notes.json")
    assert open_tables(place) == [Table(place / "a.csv", CSV)]


def test_json_without_other_tables(tmp_path: Path) -> None:
    assert [path.name for path in tables_in(folder(tmp_path / "f", "b.json", "a.json"))] == [
        "a.json",
        "b.json",
    ]


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    place = archive(tmp_path / "z.zip", "x/a.csv", "__MACOSX/x/._a.csv", "x/.b.csv")
    assert open_tables(place) == [Table(place / "x/a.csv", CSV)]
    assert [path.name for path in tables_in(folder(tmp_path / "f", "a.csv", ".b.csv"))] == ["a.csv"]


def test_archives_in_a_folder(tmp_path: Path) -> None:
    place = folder(tmp_path / "f")
    archive(place / "a.zip", "a.csv")
    assert tables_in(place) == [place / "a.zip"]
    archive(place / "b.zip", "a.csv")
    assert tables_in(place) == []
    (place / "c.csv").write_bytes(CSV)
    assert tables_in(place) == [place / "c.csv"]
    assert tables_in(tmp_path / "none") == []


def test_suffixes(tmp_path: Path) -> None:
    for name in ("a.CSV", "a.tsv", "a.json", "a.jsonl", "a.ndjson", "a.parquet", "a.Zip"):
        (tmp_path / name).write_bytes(CSV)
        assert is_table(tmp_path / name)
    (tmp_path / "a.txt").write_bytes(CSV)
    assert not is_table(tmp_path / "a.txt") and not is_table(tmp_path / "b.csv")


@pytest.mark.parametrize("names", [("train.csv", "test.csv"), ("dev.jsonl", "Validation.jsonl", "x.jsonl")])
def test_splits_are_not_joined(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"are the splits of a benchmark .*; name one of them"):
        open_tables(folder(tmp_path / "f", *names))
    with pytest.raises(UserError, match="; unzip it, and name one of them"):
        open_tables(archive(tmp_path / "f.zip", *names))
    parts = folder(tmp_path / "parts", "test-00000-of-00002.csv", "test-00001-of-00002.csv")
    assert len(open_tables(parts)) == 2


def test_archives_that_cannot_be_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "z.zip"
    path.write_bytes(b"not an archive")
    with pytest.raises(UserError, match=r"z\.zip: cannot be unpacked: .*; unzip it yourself"):
        open_tables(path)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.csv", CSV * 100)
    raw = bytearray(whole.getvalue())
    raw[40] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(UserError, match=r"z\.zip: cannot be unpacked"):
        open_tables(path)
    with pytest.raises(UserError, match=r"no file of questions in the archive \(.csv, "):
        open_tables(archive(path, "a.txt"))
    monkeypatch.setattr("pytest_llmeval.suites.tables._MAX_UNPACKED", 10)
    with pytest.raises(UserError, match="more than 0 GiB when unpacked"):
        open_tables(archive(path, "a.csv"))
