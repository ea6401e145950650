"""Unpacking archives, which are untrusted."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_llmeval.suites.archives import is_archive, unpack
from tests.support.archives import CSV, TABLES, zipped


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def refused(folder: Path, content: bytes) -> str:
    """What is said of an archive that cannot be unpacked."""
    (folder / "a.zip").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        unpack(folder / "a.zip", folder / "out")
    said = str(caught.value)
    assert said.isprintable()
    return said


def unpacked(folder: Path, content: bytes) -> dict[str, bytes]:
    (folder / "a.zip").write_bytes(content)
    unpack(folder / "a.zip", folder / "out")
    return files(folder / "out")


def test_only_tables_are_taken(tmp_path: Path) -> None:
    wanted = {"a/b.JSONL": b"{}", "c.jsonl.gz": b"x", "d.json": b"{}", "e.tsv": b"x", "f/shots.txt": b"x"}
    more = {"README.md": b"x", "run.py": b"x", "../../evil.py": b"x", "g.gz": b"x", "h.csv/": b""}
    assert unpacked(tmp_path, zipped({**TABLES, **more, **wanted})) == {**TABLES, **wanted}
    assert not (tmp_path.parent / "evil.py").exists()


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "a/../../evil.csv", "/tmp/evil.csv", "..\\evil.csv", "C:\\evil.csv", "a/..\\evil.csv"],
)
def test_members_that_lead_out(tmp_path: Path, name: str) -> None:
    said = refused(tmp_path, zipped({**TABLES, name: b"x"}))
    assert said == "has a member outside its folder"
    assert not list(tmp_path.rglob("*evil*"))


def test_a_link_is_only_text(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = 0o120777 << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert unpacked(tmp_path, made.getvalue()) == {"link.csv": b"/etc/passwd"}
    assert not (tmp_path / "out/link.csv").is_symlink()


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def test_broken_archives(tmp_path: Path) -> None:
    good = zipped({"a.csv": CSV * 50})
    plain = zipped({"a.csv": CSV}, compression=zipfile.ZIP_STORED)
    start = 30 + len("a.csv")
    for content, why in (
        (b"", "File is not a zip file"),
        (b"<html>not found</html>", "File is not a zip file"),
        (good[: len(good) // 2], "File is not a zip file"),
        (flipped(plain, start + 5), "Bad CRC-32"),
        (flipped(good, start), "Error -3 while decompressing"),
    ):
        said = refused(tmp_path, content)
        assert said.startswith(f"cannot be unpacked ({why}")


def changed_header(content: bytes, offset: int, value: bytes) -> bytes:
    """The archive with other bytes in its first member's central directory entry and local header."""
    central = content.index(b"PK\x01\x02") + offset
    local = offset - 2
    content = content[:central] + value + content[central + len(value) :]
    return content[:local] + value + content[local + len(value) :]


def test_encrypted_and_unknown_compression(tmp_path: Path) -> None:
    plain = zipped({"a.csv": CSV}, compression=zipfile.ZIP_STORED)
    assert "is encrypted" in refused(tmp_path, changed_header(plain, 8, b"\1"))
    assert "cannot be unpacked (That compression method" in refused(
        tmp_path, changed_header(plain, 10, b"\x63")
    )


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_llmeval.suites.archives._MOST_BYTES", 1000)
    bomb = zipped({"a.csv": b"0" * 600, "b.csv": b"0" * 600})
    assert refused(tmp_path, bomb) == "unpacks to over 2 GB, which is too large"
    assert len(unpacked(tmp_path, zipped({"a.csv": b"0" * 1000}))) == 1


def test_no_tables(tmp_path: Path) -> None:
    assert refused(tmp_path, zipped({"README.md": b"x"})) == "has no tables"


def test_a_member_that_is_file_and_folder(tmp_path: Path) -> None:
    assert refused(tmp_path, zipped({"a.csv": b"x", "a.csv/b.csv": b"x"})).startswith("cannot be unpacked (")


def tarred(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_tar_is_unpacked_like_a_zip(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "data.tar", {"data/dev/law_dev.csv": CSV, "data/README": b"no table"})
    target = tmp_path / "mmlu"
    unpack(archive, target)
    assert [path.relative_to(target) for path in target.rglob("*") if path.is_file()] == [
        Path("data/dev/law_dev.csv")
    ]
    assert (target / "data/dev/law_dev.csv").read_bytes() == CSV


def test_a_tar_that_leads_out(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "data.tar", {"../law_dev.csv": CSV})
    with pytest.raises(ValueError, match="outside its folder"):
        unpack(archive, tmp_path / "mmlu/inner")
    assert not list(tmp_path.rglob("*.csv"))


def test_names_of_archives() -> None:
    assert all(map(is_archive, ("a.zip", "A.ZIP", "a.tar", "a.tar.gz", "a/b.tgz")))
    assert not any(map(is_archive, ("a.csv", "a.jsonl.gz", "zip", "a.txt")))
