"""Identifying weights by their contents, sampled or whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_llmeval.models import fingerprint
from pytest_llmeval.models.hf.load import Source

BLOCKS, BLOCK = 8, 16


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that a test's file has many."""
    monkeypatch.setattr(fingerprint, "_BLOCKS", BLOCKS)
    monkeypatch.setattr(fingerprint, "_BLOCK_BYTES", BLOCK)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(1, 5000), st.data())
def test_a_change_longer_than_the_gaps_changes_the_digest(
    tmp_path: Path, size: int, data: st.DataObject
) -> None:
    path = tmp_path / "weights"
    content = bytearray(os.urandom(size))
    path.write_bytes(content)
    before = fingerprint.sample_sha256(path)
    assert before == fingerprint.sample_sha256(path)
    whole = size <= 2 * BLOCKS * BLOCK
    # longer than the gap between two blocks, so that at least one changed byte is in a block
    stretch = 1 if whole else -(-(size - BLOCK) // (BLOCKS - 1)) - BLOCK + 2
    start = data.draw(st.integers(0, size - stretch))
    for at in range(start, start + stretch):
        content[at] ^= 0xFF
    path.write_bytes(content)
    assert fingerprint.sample_sha256(path) != before


def test_first_and_last_bytes_and_the_size_change_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    content = os.urandom(5000)
    digests = set()
    for changed in (
        content,
        b"x" * 9 + content[9:],
        content[:-9] + b"x" * 9,
        content + b"x" * 9,
        content[:-9],
    ):
        path.write_bytes(changed)
        digests.add(fingerprint.sample_sha256(path))
    assert len(digests) == 5


def test_little_of_a_large_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.truncate(1 << 38)  # hashing all of it would take minutes
    assert fingerprint.sample_sha256(path) != fingerprint.sample_sha256(Path(__file__))


def test_the_difference_names_the_files(tmp_path: Path) -> None:
    for name, text in (
        ("config.json", "{}"),
        ("a.safetensors", "one"),
        ("b.safetensors", "one"),
        ("x.md", ""),
    ):
        (tmp_path / name).write_text(text)
    source = Source(str(tmp_path))
    before = fingerprint.weights(source, fingerprint.sample_sha256)
    assert before == fingerprint.weights(source, fingerprint.sha256)  # small files are hashed completely
    (tmp_path / "a.safetensors").write_text("two")
    (tmp_path / "b.safetensors").unlink()
    (tmp_path / "c.safetensors").write_text("one")
    (tmp_path / "x.md").write_text("does not matter")
    after = fingerprint.weights(source, fingerprint.sample_sha256)
    assert fingerprint.difference(before, after) == "a.safetensors, b.safetensors, c.safetensors"
    hub = [fingerprint.weights(Source("org/m", None, commit), fingerprint.sample_sha256) for commit in "ab"]
    assert fingerprint.difference(*hub) == "the commit"


def test_weights_from_the_hub_are_identified_only_by_a_commit(tmp_path: Path) -> None:
    assert fingerprint.is_identifiable(Source("org/m", None, "abc")) and fingerprint.is_identifiable(
        Source(str(tmp_path))
    )
    assert not fingerprint.is_identifiable(Source("org/m"))
