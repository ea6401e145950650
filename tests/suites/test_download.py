"""Fetching an archive as the installed hub client does it, from a hub of our own; and what may be in one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import threading
import tomllib
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import DataMissing
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.download import fetch, unpack
from pytest_llmeval.suites.questions import load_questions, locate
from pytest_llmeval.suites.spec import FILE_NAME, parse

CSV = b"id,question,A,B,C,D,answer\n0,q,a,b,c,d,B\n"
TABLES = {"val/law_val.csv": CSV, "dev/law_dev.csv": CSV, "test/law_test.csv": CSV.replace(b"B\n", b"\n")}
BY_HAND = (
    "; download ceval-exam.zip from https://huggingface.co/datasets/ceval/ceval-exam, unpack it, "
    "and give the folder with --llm-data-dir (or name a mirror of the hub in HF_ENDPOINT)"
)


def zipped(members: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", compression) as archive:
        warnings.simplefilter("ignore")  # two members of one name
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


class Hub:
    """What the hub answers to HEAD and GET of one file, and what it was asked."""

    path = "/datasets/ceval/ceval-exam/resolve/main/ceval-exam.zip"

    def __init__(self) -> None:
        self.status = 200
        self.content = zipped(TABLES)
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                status = hub.status if self.path == hub.path else 404
                body = hub.content if status == 200 else b""
                if self.path == hub.path:  # the client also asks for things of its own
                    hub.asked.append(self.command)
                self.send_response(status)
                if status == 404:
                    self.send_header("X-Error-Code", "RepoNotFound")
                    self.send_header("X-Error-Message", "Repository not found")
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("ETag", f'"{hash(body)}"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_GET = do_HEAD

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
    thread.join()


SCRIPT = """
import sys, time
time.sleep = lambda seconds: None  # between the client's retries
from pathlib import Path
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.download import fetch
from pytest_llmeval import DataMissing
try:
    print(fetch(load(packaged()["ceval"]), Path(sys.argv[1])))
except DataMissing as error:
    print(f"DataMissing: {error}")
"""


def fetched(cache: Path, endpoint: str, script: str = SCRIPT, **environ: str) -> tuple[str, str]:
    """What ``fetch`` returns or raises in a process of its own, and its standard error.

    The client reads its environment when it is imported, so it has to be another process.
    """
    pytest.importorskip("huggingface_hub")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache / "hf"), "NO_PROXY": "*", **environ}
    done = subprocess.run(
        [sys.executable, "-c", script, str(cache)],
        env={**kept, **own},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return lines[0], done.stderr


def test_a_good_archive(hub: Hub, tmp_path: Path) -> None:
    said, heard = fetched(tmp_path, hub.url)
    assert said == str(tmp_path / "ceval")
    assert "llmeval: downloading ceval/ceval-exam (ceval-exam.zip) for ceval\n" in heard
    assert hub.asked == ["HEAD", "GET"]
    ceval = load(packaged()["ceval"])
    located = locate(ceval, "val", None, tmp_path)
    assert located.root == tmp_path / "ceval"
    table = load_questions(ceval, located, "val")
    assert [(question.id, question.answer) for question in table.questions] == [("ceval/law/0", "B")]
    # what was downloaded is not downloaded again, and serves without a network
    said, _ = fetched(tmp_path, hub.url)
    assert said == str(tmp_path / "ceval")
    assert hub.asked == ["HEAD", "GET", "HEAD"]
    said, _ = fetched(tmp_path, hub.url, HF_HUB_OFFLINE="1")
    assert said == str(tmp_path / "ceval")
    assert len(hub.asked) == 3


def test_a_damaged_archive(hub: Hub, tmp_path: Path) -> None:
    hub.content = hub.content[:-40]
    said, _ = fetched(tmp_path, hub.url)
    archive = tmp_path / "downloads/ceval/ceval-exam.zip"
    assert said == (
        f"DataMissing: ceval: {archive} cannot be unpacked (File is not a zip file); delete it and try again"
    )
    assert archive.is_file() and not (tmp_path / "ceval").exists()
    archive.unlink()
    hub.content = zipped(TABLES)
    assert fetched(tmp_path, hub.url)[0] == str(tmp_path / "ceval")


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "RepositoryNotFoundError"), (401, "Unauthorized"), (403, "Forbidden")]
)
def test_the_hub_refuses(hub: Hub, tmp_path: Path, status: int, kind: str) -> None:
    hub.status = status
    said, heard = fetched(tmp_path, hub.url, HF_TOKEN="hf_secretsecret")
    assert said.startswith("DataMissing: ceval: no local data, and the download of ceval/ceval-exam failed (")
    assert kind in said and str(status) in said and said.endswith(BY_HAND)
    assert "hf_secret" not in said + heard and "Traceback" not in heard
    assert not (tmp_path / "ceval").exists()


def test_no_network(tmp_path: Path) -> None:
    closed = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = closed.server_port
    closed.server_close()
    said, heard = fetched(tmp_path, f"http://127.0.0.1:{port}")
    assert said.startswith("DataMissing: ceval: no local data, and the download of ceval/ceval-exam failed (")
    assert "refused" in said and said.endswith(BY_HAND) and "Traceback" not in heard


def test_offline(hub: Hub, tmp_path: Path) -> None:
    said, _ = fetched(tmp_path, hub.url, HF_HUB_OFFLINE="1")
    assert "offline mode is enabled" in said and said.endswith(BY_HAND)
    assert hub.asked == []


def test_nothing_to_download(tmp_path: Path) -> None:
    own = parse(tomllib.loads("name = 'own'\nsource = 'https://own'"), tmp_path / FILE_NAME)
    with pytest.raises(DataMissing, match="own has nothing to download; see https://own"):
        fetch(own, tmp_path)


def test_without_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataMissing) as caught:
        fetch(load(packaged()["ceval"]), tmp_path)
    assert str(caught.value) == (
        "ceval: no local data, and huggingface_hub is not installed to download it; "
        "pip install huggingface_hub, or give the folder with --llm-data-dir"
    )


# archives


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def refused(folder: Path, content: bytes) -> str:
    """What is said of an archive that must leave nothing behind."""
    archive, target = folder / "in/a.zip", folder / "out/cache/own"
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(content)
    before = files(folder)
    with pytest.raises(DataMissing) as caught:
        unpack(archive, target, "own")
    assert files(folder) == before
    assert [path.name for path in target.parent.iterdir()] in ([], ["own"])  # no half-made folder
    said = str(caught.value)
    assert said.startswith(f"own: {archive} ") and said.isprintable()
    return said.removeprefix(f"own: {archive} ")


def unpacked(folder: Path, content: bytes) -> dict[str, bytes]:
    (folder / "a.zip").write_bytes(content)
    assert unpack(folder / "a.zip", folder / "cache/own", "own") == folder / "cache/own"
    return files(folder / "cache/own")


def test_only_tables_are_taken(tmp_path: Path) -> None:
    more = {"README.md": b"x", "run.py": b"x", "../../evil.py": b"x", "a/b.JSONL": b"{}"}
    assert unpacked(tmp_path, zipped({**TABLES, **more})) == {**TABLES, "a/b.JSONL": b"{}"}
    assert not (tmp_path.parent / "evil.py").exists()


def test_the_new_replaces_the_old(tmp_path: Path) -> None:
    unpacked(tmp_path, zipped({"old.csv": b"x", "both.csv": b"1"}))
    new = {"new.csv": b"x", "both.csv": b"22"}
    assert unpacked(tmp_path, zipped(new)) == new


def test_the_same_again_is_left_where_it_is(tmp_path: Path) -> None:
    unpacked(tmp_path, zipped(TABLES))
    before = (tmp_path / "cache/own").stat().st_ino
    assert unpacked(tmp_path, zipped(TABLES)) == TABLES
    assert (tmp_path / "cache/own").stat().st_ino == before  # another process may be reading it
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["own"]


def test_another_process_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_rename, theirs = Path.rename, dict(TABLES)

    def rename(place: Path, target: Path) -> Path:
        for name, content in theirs.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(content)
        return own_rename(place, target)

    monkeypatch.setattr(Path, "rename", rename)
    assert unpacked(tmp_path, zipped(TABLES)) == TABLES
    theirs["more.csv"] = b"x"
    with pytest.raises(DataMissing, match=r"cannot be unpacked .*not empty"):
        unpacked(tmp_path, zipped({**TABLES, "new.csv": b"x"}))


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "a/../../evil.csv", "/tmp/evil.csv", "..\\evil.csv", "C:\\evil.csv", "a/..\\evil.csv"],
)
def test_members_that_lead_out(tmp_path: Path, name: str) -> None:
    said = refused(tmp_path, zipped({**TABLES, name: b"x"}))
    assert said == "has a member outside its folder; delete that file"
    assert not list(tmp_path.rglob("*evil*"))


def test_a_link_is_only_text(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = 0o120777 << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert unpacked(tmp_path, made.getvalue()) == {"link.csv": b"/etc/passwd"}
    assert not (tmp_path / "cache/own/link.csv").is_symlink()


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
        assert said.startswith(f"cannot be unpacked ({why}") and said.endswith("; delete it and try again")


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
    monkeypatch.setattr("pytest_llmeval.suites.download._MOST_BYTES", 1000)
    bomb = zipped({"a.csv": b"0" * 600, "b.csv": b"0" * 600})
    assert refused(tmp_path, bomb) == "unpacks to over 2 GB, which is too large"
    assert len(unpacked(tmp_path, zipped({"a.csv": b"0" * 1000}))) == 1


def test_no_tables(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"own: no tables in .*a\.zip; delete that file and try again"):
        unpacked(tmp_path, zipped({"README.md": b"x"}))


def test_a_member_that_is_file_and_folder(tmp_path: Path) -> None:
    assert refused(tmp_path, zipped({"a.csv": b"x", "a.csv/b.csv": b"x"})).startswith("cannot be unpacked (")


def test_what_was_there_survives_a_bad_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(TABLES))
    unpack(tmp_path / "a.zip", tmp_path / "out/cache/own", "own")
    refused(tmp_path, zipped({"../x.csv": b""}))
    assert files(tmp_path / "out/cache/own") == TABLES


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    (tmp_path / "a.zip").write_bytes(zipped(TABLES))
    with pytest.raises(DataMissing) as caught:
        unpack(tmp_path / "a.zip", tmp_path / "cache/own", "own")
    assert str(caught.value) == f"own: cannot unpack into {tmp_path}/cache: File exists"


def tarred(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_tar_is_unpacked_like_a_zip(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "data.tar", {"data/dev/law_dev.csv": CSV, "data/README": b"no table"})
    target = unpack(archive, tmp_path / "mmlu", "mmlu")
    assert [path.relative_to(target) for path in target.rglob("*") if path.is_file()] == [
        Path("data/dev/law_dev.csv")
    ]
    assert (target / "data/dev/law_dev.csv").read_bytes() == CSV


def test_a_tar_that_leads_out(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "data.tar", {"../law_dev.csv": CSV})
    with pytest.raises(DataMissing, match="outside its folder"):
        unpack(archive, tmp_path / "mmlu/inner", "mmlu")
    assert not list(tmp_path.rglob("*.csv"))


def test_tables_that_are_no_archive(hub: Hub, tmp_path: Path) -> None:
    hub.path = "/datasets/ceval/ceval-exam/resolve/main/main/val.csv"
    hub.content = CSV
    script = SCRIPT.replace(
        'load(packaged()["ceval"])',
        'replace(c := load(packaged()["ceval"]), data='
        'replace(c.data, hub=Hub(c.data.hub.repo, ("main/val.csv",))))',
    ).replace(
        "from pytest_llmeval.suites.catalog",
        "from pytest_llmeval.suites.spec import Hub\nfrom pytest_llmeval.suites.catalog",
    )
    said, _ = fetched(tmp_path, hub.url, script="from dataclasses import replace\n" + script)
    assert said == str(tmp_path / "ceval")
    assert (tmp_path / "ceval/main/val.csv").read_bytes() == CSV
