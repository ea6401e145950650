"""Where things are in the repository."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_llmeval"
BENCHMARKS = ROOT / "benchmarks"
DOCS = ROOT / "docs"
#: labelled inputs and golden prompts
DATA = ROOT / "tests/data"
#: an inference server to start as a process
INFERENCE_SERVER = ROOT / "tests/support/inference_server.py"
#: real data beside the project, which it must not contain; the tests that use it are skipped without it
REAL_DATA = Path(os.environ.get("LLMEVAL_TEST_DATA", ROOT.parent / "shared/data"))
