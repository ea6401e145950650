"""A run's folder, and what goes wrong on the disk."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import LLMEvalError, UserError
from pytest_llmeval.report.run_files import write_run
from pytest_llmeval.results.question_log import QuestionLog, merge
from pytest_llmeval.results.run_folder import new_run_folder, point_latest, safe_name, write_text
from pytest_llmeval.results.submission import write_submission, write_submissions
from tests.support.made_results import RUN, make_record


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("nightly", "nightly"),
        ("v1.2_final-3", "v1.2_final-3"),
        ("my run", "my-run"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "run"),
        ("", "run"),
        ("/", "run"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a\n\x1b[2Jb", "a-2Jb"),
        ("夜间 run", "run"),
        ("夜间", "run"),
        ("x" * 300, "x" * 80),
        ("C:\\temp", "C-temp"),
    ],
)
def test_the_folder_of_a_named_run(tmp_path: Path, name: str, folder: str) -> None:
    made = new_run_folder(tmp_path / "reports", name)
    assert made == tmp_path / "reports" / folder
    assert made.is_dir()


@given(st.text(max_size=120))
def test_a_safe_name_is_one_harmless_part_of_a_path(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", name)
    assert not name.endswith((".", "-"))
    assert safe_name(name) == name


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    made = [new_run_folder(tmp_path, "nightly").name for _ in range(3)]
    assert made == ["nightly", "nightly-2", "nightly-3"]
    (tmp_path / "file").touch()
    assert new_run_folder(tmp_path, "file").name == "file-2"


def test_a_run_without_a_name_is_named_by_time_and_model(tmp_path: Path) -> None:
    now = datetime(2026, 11, 23, 22, 45, 0)
    name = new_run_folder(tmp_path, model="hf:/models/internlm", now=now).name
    assert name == "20261123-224500-hf-models-internlm"
    assert new_run_folder(tmp_path, model="模型", now=now).name == "20261123-224500-model"
    assert len(new_run_folder(tmp_path, model="m" * 300, now=now).name) <= 80


@pytest.mark.parametrize("name", ["latest", "Latest", ".latest.", "-LATEST"])
def test_no_run_is_named_like_the_pointer(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="always points at the last run; choose another name") as caught:
        new_run_folder(tmp_path, name)
    assert f"--llm-run-name={name}:" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_latest_points_at_the_last_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = new_run_folder(tmp_path, name)
        (folder / "results.json").write_text(name)
        point_latest(tmp_path, folder)
        assert (tmp_path / "latest" / "results.json").read_text() == name
    # relative, so that the whole folder can be moved
    assert os.readlink(tmp_path / "latest") == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one", "two"]


def test_latest_is_a_text_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for name in ("one", "two"):
        point_latest(tmp_path, new_run_folder(tmp_path, name))
        assert (tmp_path / "latest").read_text() == f"{name}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one", "two"]


def test_a_pointer_that_dangles_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("gone")
    point_latest(tmp_path, new_run_folder(tmp_path, "one"))
    assert os.readlink(tmp_path / "latest") == "one"


def test_a_folder_of_that_name_is_not_replaced_by_the_pointer(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(LLMEvalError, match=r"^cannot write results in ") as caught:
        point_latest(tmp_path, new_run_folder(tmp_path, "one"))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one"]


def test_a_folder_that_cannot_be_made_is_a_usage_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file\nof two lines").touch()
    with pytest.raises(UserError, match=r"^cannot write results in .*: Not a directory; choose") as caught:
        new_run_folder(tmp_path / "file\nof two lines" / "reports", "run")
    assert "choose another folder with --llm-report-dir" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_folder_that_is_gone_is_an_error_of_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    log = QuestionLog(tmp_path / "q.jsonl")
    log.close()
    for write in (
        lambda: write_run(gone, RUN, []),
        lambda: write_text(gone / "x", ""),
        lambda: QuestionLog(gone / "q.jsonl"),
        lambda: merge([tmp_path / "q.jsonl"], gone / "q.jsonl"),
        lambda: write_submission(gone, "m", "b", {}),
        lambda: write_submissions(gone),
    ):
        with pytest.raises(LLMEvalError, match=r"^cannot write results in .*gone: No such file") as caught:
            write()
        assert "--llm-report-dir" in str(caught.value)
        assert str(caught.value).isprintable()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_of_one_line() -> None:
    log = QuestionLog(Path("/dev/full"))
    with pytest.raises(LLMEvalError, match=r"^cannot write results in /dev: No space left on device; "):
        log.write(make_record())


def test_a_file_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "results.json", "old")

    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(LLMEvalError, match="No space left"):
        write_text(tmp_path / "results.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "old"
