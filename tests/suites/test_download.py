"""Downloading data as the installed hub client does it, from a hub of our own."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.core.errors import DataMissing, UserError
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.data_cache import cache_folder, read_manifest
from pytest_llmeval.suites.download import fetch
from pytest_llmeval.suites.spec import FILE_NAME, Benchmark, parse
from pytest_llmeval.suites.splits import load_questions, load_shots, locate
from tests.support.archives import CSV, TABLES, zipped
from tests.support.hub import (
    COMMIT,
    OTHER_COMMIT,
    Hub,
    Repo,
    fetched,
    finished,
    serving,
    start_fetch,
)

pytest.importorskip("huggingface_hub")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TOML = """
shots = 1
splits = ["test", "dev"]

[data]
choice_list = "choices"

[data.hub]
repo = "owner/quiz"
splits = { test = "test", dev = "validation" }
"""
BY_HAND = (
    "; download its files from https://huggingface.co/datasets/owner/quiz, and give the folder with "
    "--llm-data-dir (or name a mirror of the hub in HF_ENDPOINT)"
)


def parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), made)
    return made.getvalue()


def rows(start: int, stop: int, words: str = "question") -> list[dict[str, Any]]:
    return [
        {"question": f"{words} {n}", "choices": ["x", "y"], "answer": "AB"[n % 2]} for n in range(start, stop)
    ]


FILES = {
    "README.md": b"---\n---\n",
    "data/test-00000-of-00002.parquet": parquet(rows(0, 3)),
    "data/test-00001-of-00002.parquet": parquet(rows(3, 5)),
    "data/validation-00000-of-00001.parquet": parquet(rows(5, 7)),
}


@pytest.fixture
def repo() -> Repo:
    return Repo(dict(FILES))


@pytest.fixture
def hub(repo: Repo) -> Iterator[Hub]:
    pinned = load(packaged()["ceval"]).data.hub
    assert pinned is not None and pinned.revision is not None
    archive = Repo({"ceval-exam.zip": zipped(TABLES)}, branches={pinned.revision: COMMIT})
    with serving({"owner/quiz": repo, "ceval/ceval-exam": archive}) as hub:
        yield hub


def benchmark(folder: Path, toml: str = TOML, **keys: str) -> Path:
    """A benchmark's folder; ``keys`` are added to [data.hub]."""
    (folder / "quiz").mkdir(exist_ok=True)
    more = "".join(f"{key} = {value}\n" for key, value in keys.items())
    (folder / "quiz" / FILE_NAME).write_text(toml + more, "utf-8")
    return folder / "quiz"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def failed(folder: Path, cache: Path, url: str, **environ: str) -> str:
    """What is said of a download that fails and leaves nothing in the cache."""
    said, heard = fetched(folder, cache, url, **environ)
    assert said.startswith("DataMissing: quiz: no local data, and owner/quiz cannot be downloaded: "), said
    assert not list((cache / "hub").glob("[!.]*")) and not list((cache / "hub").glob(".*"))
    assert "hf_secret" not in said + heard
    return said.removeprefix("DataMissing: quiz: no local data, and owner/quiz cannot be downloaded: ")


def test_splits_become_files(hub: Hub, tmp_path: Path) -> None:
    folder, cache = benchmark(tmp_path), tmp_path / "cache"
    said, heard = fetched(folder, cache, hub.url)
    quiz = load(folder)
    target = cache_folder(quiz, cache)
    assert said == str(target) and target.parent == cache / "hub" and target.name.startswith("owner--quiz-")
    assert files(target) == [".source.json", "default/dev.parquet", "default/test.parquet"]
    total = sum(len(content) for name, content in FILES.items() if name.startswith("data/"))
    assert heard.startswith(f"llmeval: downloading owner/quiz for quiz ({total / 1000:.1f} kB)\n")
    assert "\x1b" not in heard
    layout = locate(quiz, "test", None, cache)
    questions = load_questions(quiz, layout, "test").questions
    assert [q.fields["question"] for q in questions] == [f"question {n}" for n in range(5)]
    assert [q.answer for q in questions] == ["A", "B", "A", "B", "A"]
    assert load_shots(quiz, layout, ["quiz"], 1)["quiz"][0].fields["question"] == "question 5"
    assert files(cache / "downloads") == [f"{target.name}.lock"]


def test_once_downloaded_the_hub_is_not_asked_again(hub: Hub, tmp_path: Path) -> None:
    folder = benchmark(tmp_path)
    said, _ = fetched(folder, tmp_path / "cache", hub.url)
    asked = len(hub.asked)
    assert fetched(folder, tmp_path / "cache", hub.url) == (said, "")
    assert fetched(folder, tmp_path / "cache", "http://127.0.0.1:9", HF_HUB_OFFLINE="1") == (said, "")
    assert len(hub.asked) == asked


def test_a_configuration_for_each_subject(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    repo.files |= {f"{key}/test-00000-of-00001.parquet": parquet(rows(0, 2, key)) for key in ("law", "art")}
    toml = """
    [data]
    choice_list = "choices"
    [data.hub]
    repo = "owner/quiz"
    config = "{subject}"
    splits = { test = "test" }
    [subjects]
    law = { name = "Law" }
    art = { name = "Art" }
    """
    folder = benchmark(tmp_path, toml)
    said, _ = fetched(folder, tmp_path / "cache", hub.url)
    assert files(Path(said)) == [".source.json", "art/test.parquet", "law/test.parquet"]
    quiz = load(folder)
    assert quiz.data.paths == ("{subject}/{split}.parquet",)
    table = load_questions(quiz, locate(quiz, "test", None, tmp_path / "cache"), "test")
    assert [(q.id, q.fields["question"]) for q in table.questions] == [
        ("quiz/law/0", "law 0"),
        ("quiz/law/1", "law 1"),
        ("quiz/art/0", "art 0"),
        ("quiz/art/1", "art 1"),
    ]


def test_the_readme_names_the_files_of_a_configuration(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    repo.files["odd name.jsonl"] = b'{"question": "q", "choices": ["x", "y"], "answer": "B"}\n'
    repo.configs.append({"config_name": "odd", "data_files": [{"split": "eval", "path": "odd*.jsonl"}]})
    toml = '[data]\nchoice_list = "choices"\nformat = "jsonl"\n[data.hub]\nrepo = "owner/quiz"\n'
    folder = benchmark(tmp_path, toml, config='"odd"', splits='{ test = "eval" }')
    said, _ = fetched(folder, tmp_path / "cache", hub.url)
    assert files(Path(said)) == [".source.json", "odd/test.jsonl"]


def test_a_data_set_that_only_the_hub_converted(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    repo.at[COMMIT] = {"quiz.py": b"print()", "quiz.zip": b"..."}
    repo.branches["refs/convert/parquet"] = OTHER_COMMIT
    repo.at[OTHER_COMMIT] = {
        f"default/{split}/0000.parquet": parquet(rows(0, 2)) for split in ("test", "validation")
    }
    said, _ = fetched(benchmark(tmp_path), tmp_path / "cache", hub.url)
    manifest = read_manifest(Path(said))
    assert manifest is not None and manifest.source == f"owner/quiz@{OTHER_COMMIT}"
    # but never in place of the revision that a benchmark names
    folder = benchmark(tmp_path, revision=f'"{COMMIT}"')
    assert fetched(folder, tmp_path / "other", hub.url)[0].endswith(
        "no files of split 'test'; it has no tables (parquet, jsonl, json, csv, tsv) "
        f'(at revision "{COMMIT}")'
    )


def test_what_is_not_there(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert failed(benchmark(tmp_path, config='"main"'), cache, hub.url).startswith(
        "no files of split 'test' in configuration 'main'; its tables are data/test-00000-of-00002.parquet, "
    )
    assert failed(benchmark(tmp_path, revision='"v2"'), cache, hub.url) == "it has no revision 'v2'"
    toml = TOML.replace('splits = { test = "test", dev = "validation" }', 'file = ["test.csv"]')
    assert failed(benchmark(tmp_path, toml), cache, hub.url) == (
        f"it has no file 'test.csv'; its files are {', '.join(sorted(FILES))}"
    )
    toml = TOML.replace("[data]", '[data]\npaths = "{split}.parquet"')
    assert failed(benchmark(tmp_path, toml), cache, hub.url) == (
        "its files will be named default/test.parquet, which is not among [data] paths; add it"
    )


def test_a_revision_is_kept(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    """A pinned commit stays what it was, and each revision has a folder of its own."""
    repo.at[OTHER_COMMIT] = {path: parquet(rows(10, 12)) for path in FILES if path.startswith("data/")}
    repo.branches["main"] = OTHER_COMMIT
    cache = tmp_path / "cache"
    firsts = {}
    for revision in (None, COMMIT, COMMIT[:10], "main"):
        folder = benchmark(tmp_path, **({} if revision is None else {"revision": f'"{revision}"'}))
        repo.branches[COMMIT[:10]] = COMMIT
        target = Path(fetched(folder, cache, hub.url)[0])
        manifest = read_manifest(target)
        assert manifest is not None
        quiz = load(folder)
        first = load_questions(quiz, locate(quiz, "test", None, cache), "test").questions[0]
        firsts[revision] = manifest.commit, manifest.pinned, first.fields["question"]
    assert firsts == {
        None: (OTHER_COMMIT, False, "question 10"),
        COMMIT: (COMMIT, True, "question 0"),
        COMMIT[:10]: (COMMIT, True, "question 0"),
        "main": (OTHER_COMMIT, False, "question 10"),
    }
    assert len(list((cache / "hub").iterdir())) == 4


def test_digests(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    path = "data/validation-00000-of-00001.parquet"
    right, wrong = hashlib.sha256(FILES[path]).hexdigest(), "0" * 64
    cache = tmp_path / "cache"
    assert failed(benchmark(tmp_path, sha256=f'{{ "{path}" = "{wrong}" }}'), cache, hub.url) == (
        f"{path} at c0ffee000000 has SHA-256 {right}, but [data.hub] sha256 says {wrong}; "
        "the download was removed"
    )
    assert not list(cache.glob(f"downloads/*/{path}"))
    assert failed(benchmark(tmp_path, sha256=f'{{ "x.csv" = "{right}" }}'), cache, hub.url).startswith(
        "sha256 names x.csv, which is not downloaded; the files are data/test-00000-of-00002.parquet, "
    )
    folder = benchmark(tmp_path, sha256=f'{{ "{path}" = "{right.upper()}" }}')
    assert fetched(folder, cache, hub.url)[0] == str(cache_folder(load(folder), cache))


def test_a_damaged_download(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    """A file that arrived otherwise than the hub lists it is refused, and comes whole the next time."""
    folder, cache = benchmark(tmp_path), tmp_path / "cache"
    path = "data/validation-00000-of-00001.parquet"
    hub.damaged.add(path)
    said = failed(folder, cache, hub.url)
    assert said.startswith(f"{path} at c0ffee000000 has SHA-256 ") and "but the hub says " in said
    hub.damaged.clear()
    assert fetched(folder, cache, hub.url)[0] == str(cache_folder(load(folder), cache))


@pytest.mark.parametrize("gated", ["true", "false"])
def test_a_gated_data_set(hub: Hub, repo: Repo, tmp_path: Path, gated: str) -> None:
    repo.gated_for = "hf_secretgood"
    folder, cache = benchmark(tmp_path, gated=gated), tmp_path / "cache"
    terms = "it is gated: accept its terms at https://huggingface.co/datasets/owner/quiz"
    assert failed(folder, cache, hub.url) == f"{terms}, and set HF_TOKEN to a token of that account"
    assert failed(folder, cache, hub.url, HF_TOKEN="hf_secretbad") == (
        f"{terms} with the account of your token (HF_TOKEN)"
    )
    said, heard = fetched(folder, cache, hub.url, HF_TOKEN="hf_secretgood")
    assert said == str(cache_folder(load(folder), cache)) and "hf_secret" not in heard
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]
    assert "hf_secretgood" in hub.tokens and not stored


def test_a_data_set_that_does_not_exist(hub: Hub, tmp_path: Path) -> None:
    hub.repos.clear()
    folder, cache = benchmark(tmp_path), tmp_path / "cache"
    assert failed(folder, cache, hub.url) == (
        f"HTTP 401: no such data set, or one for which HF_TOKEN must have a token{BY_HAND}"
    )
    assert failed(folder, cache, hub.url, HF_TOKEN="hf_secretsecret") == (
        f"HTTP 401: the token in HF_TOKEN is not valid, or has no access{BY_HAND}"
    )


def test_offline(hub: Hub, tmp_path: Path) -> None:
    said = failed(benchmark(tmp_path), tmp_path / "cache", hub.url, HF_HUB_OFFLINE="1")
    assert said == f"HF_HUB_OFFLINE is set{BY_HAND}"
    assert hub.asked == []


def test_no_network(tmp_path: Path) -> None:
    with serving({}) as closed:
        url = closed.url
    said = failed(benchmark(tmp_path), tmp_path / "cache", url)
    assert "refused" in said and said.endswith(BY_HAND)


BIG = "data/test-00000-of-00002.parquet"


@pytest.fixture
def big(repo: Repo) -> None:
    """Make one of the files large enough to arrive in pieces."""
    noise = "".join(map(chr, range(33, 120))) * 400
    repo.files[BIG] = parquet(
        [{"question": noise[n:], "choices": ["x", "y"], "answer": "A"} for n in range(40)]
    )


@pytest.mark.usefixtures("big")
def test_a_download_resumes_after_a_lost_connection(hub: Hub, tmp_path: Path) -> None:
    folder, cache = benchmark(tmp_path), tmp_path / "cache"
    hub.only, hub.cuts = BIG, itertools.chain([10_000], itertools.repeat(None))
    assert fetched(folder, cache, hub.url)[0] == str(cache_folder(load(folder), cache))
    assert hub.ranges == ["bytes=10000-"]


@pytest.mark.usefixtures("big")
def test_files_that_arrived_are_not_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    folder, cache = benchmark(tmp_path), tmp_path / "cache"
    hub.only, hub.cuts = BIG, itertools.repeat(0)
    assert failed(folder, cache, hub.url).endswith(BY_HAND)
    hub.cuts = itertools.repeat(None)
    hub.asked.clear()
    assert fetched(folder, cache, hub.url)[0] == str(cache_folder(load(folder), cache))
    assert hub.downloads == [f"{COMMIT}/{BIG}"]


def test_two_processes_download_once(hub: Hub, tmp_path: Path) -> None:
    folder, cache = benchmark(tmp_path), tmp_path / "cache"
    processes = [start_fetch(folder, cache, hub.url) for _ in range(2)]
    said = {finished(process)[0] for process in processes}
    assert said == {str(cache_folder(load(folder), cache))}
    assert len(hub.downloads) == 3
    assert read_manifest(cache_folder(load(folder), cache)) is not None


def test_a_cache_that_lost_a_file_is_filled_again(hub: Hub, tmp_path: Path) -> None:
    folder, cache = benchmark(tmp_path), tmp_path / "cache"
    target = Path(fetched(folder, cache, hub.url)[0])
    (target / "default/test.parquet").unlink()
    assert read_manifest(target) is None
    fetched(folder, cache, hub.url)
    assert read_manifest(target) is not None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"repo": 1}', "\0", '{"files": {"../x": 1}}'])
def test_a_broken_manifest(tmp_path: Path, content: str) -> None:
    (tmp_path / ".source.json").write_text(content, "utf-8")
    assert read_manifest(tmp_path) is None


def test_a_cache_that_cannot_be_made(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    said = fetched(benchmark(tmp_path), tmp_path / "cache", hub.url, HF_HOME=str(tmp_path))[0]
    assert said.startswith(f"DataMissing: quiz: cannot write to {tmp_path}/cache: ")


# named files


def test_an_archive(hub: Hub, tmp_path: Path) -> None:
    ceval = packaged()["ceval"]
    said, heard = fetched(ceval, tmp_path, hub.url)
    assert "llmeval: downloading ceval/ceval-exam for ceval (" in heard
    table = load_questions(load(ceval), locate(load(ceval), "val", None, tmp_path), "val")
    assert [(question.id, question.answer) for question in table.questions] == [("ceval/law/0", "B")]
    assert files(Path(said)) == [".source.json", *sorted(TABLES)]


def test_a_damaged_archive(hub: Hub, tmp_path: Path) -> None:
    hub.repos["ceval/ceval-exam"].files["ceval-exam.zip"] = zipped(TABLES)[:-40]
    said, _ = fetched(packaged()["ceval"], tmp_path, hub.url)
    assert "ceval-exam.zip cannot be unpacked (File is not a zip file); the download was removed; " in said
    assert "unpack it, and give the folder with --llm-data-dir" in said
    hub.repos["ceval/ceval-exam"].files["ceval-exam.zip"] = zipped(TABLES)
    assert not fetched(packaged()["ceval"], tmp_path, hub.url)[0].startswith("DataMissing")


def test_tables_keep_their_place(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    repo.files["some/val.csv"] = CSV
    toml = '[data]\npaths = "some/{split}.csv"\n[data.hub]\nrepo = "owner/quiz"\nfile = "some/val.csv"\n'
    said, _ = fetched(benchmark(tmp_path, toml), tmp_path / "cache", hub.url)
    assert said == str(tmp_path / "cache/quiz")  # without a revision, the benchmark's name is the folder's
    assert (tmp_path / "cache/quiz/some/val.csv").read_bytes() == CSV


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


# the keys


def parsed(hub: str) -> Benchmark:
    return parse(tomllib.loads(f'name = "own"\n[data.hub]\nrepo = "a/b"\n{hub}'), Path("own", FILE_NAME))


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("file = []", "file: the list is empty; name a file, or leave out the key"),
        ('file = "a.zip"\nconfig = "x"', "file and config exclude each other"),
        ('file = "a.zip"\nsplits = { test = "test" }', "file and splits exclude each other"),
        ("splits = {}", "splits: {} is not a table of splits and their names on the hub"),
        ('splits = { test = "../x" }', "is not a table of splits and their names on the hub"),
        ('config = "{subject"', "config: '{subject' is not a configuration's name"),
        ('config = "../x"', "config: '../x' is not a configuration's name"),
        ('sha256 = { "a" = "12" }', "is not a table of files of the repository and their SHA-256"),
        ("bytes = 0", "bytes: 0 is not a whole number of at least 1"),
    ],
)
def test_keys_that_are_wrong(key: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        parsed(key)
    assert "benchmark.toml [data.hub]" in str(caught.value) and problem in str(caught.value)


def test_default_paths() -> None:
    assert parsed("").data.paths == ("default/{split}.parquet",)
    assert parsed('config = "main"').data.paths == ("main/{split}.parquet",)
    assert parsed("").data.format == "parquet"
    assert json.dumps(dict(parsed("").data.hub.splits)) == "{}"  # type: ignore[union-attr]
