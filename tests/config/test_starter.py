"""The llmeval.toml to start from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pytest_llmeval.config.file import parse_file, read_file
from pytest_llmeval.config.options import OPTIONS
from pytest_llmeval.config.starter import starter, write_starter
from pytest_llmeval.core.errors import UserError


def test_it_sets_nothing(tmp_path: Path) -> None:
    write_starter(tmp_path)
    file = read_file([tmp_path])
    assert not file.values and not file.models and not file.runs and not file.gates and not file.judge


def test_without_the_comment_signs_all_of_it_is_valid() -> None:
    text = re.sub(r'^# (?=[\w"][\w":-]* = |\[)', "", starter(), flags=re.M)
    file = parse_file(tomllib.loads(text), "llmeval.toml")
    expected = {option.key for option in OPTIONS if option.in_file and not option.model and not option.many}
    assert expected - {"judge"} <= set(file.values)
    assert set(file.models) == {"my-api", "my-weights", "my-server"}
    assert file.runs and file.gates and file.judge


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "llmeval.toml").write_text("limit = 1")
    with pytest.raises(UserError, match="exists already"):
        write_starter(tmp_path)
    assert (tmp_path / "llmeval.toml").read_text() == "limit = 1"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_starter(tmp_path / "missing")
