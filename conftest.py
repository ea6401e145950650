"""For the project's own tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """Real benchmark questions, where this machine has them (never part of the project)."""
    folder = Path(os.environ.get("LLMEVAL_TEST_DATA", Path(__file__).parent.parent / "shared/data"))
    if not folder.is_dir():
        pytest.skip("no real benchmark data here: set LLMEVAL_TEST_DATA")
    return folder
