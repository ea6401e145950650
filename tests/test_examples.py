"""Each example runs with the command in its README, and leaves results."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.support.paths import ROOT

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/README.md"))
_COMMAND = re.compile(r"^    pytest (.+)$", re.M)


def _run(example: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a copy of the example in which its command was run."""
    shutil.copytree(example.parent, pytester.path / "examples")
    folder = pytester.path / "examples" / example.name
    monkeypatch.chdir(folder)
    (command,) = _COMMAND.findall((example / "README.md").read_text(encoding="utf-8"))
    result = pytester.runpytest_subprocess(*shlex.split(command))
    assert result.ret == 0, result.stdout.str()
    return folder


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example(example: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _run(example, pytester, monkeypatch)
    results = json.loads((folder / "reports/latest/results.json").read_text(encoding="utf-8"))
    assert results["run"]["complete"]
    assert all(result["counts"]["correct"] > 0 for result in results["results"][-1:])
    if example.name == "report_outlet":
        assert (folder / "scores.txt").read_text(encoding="utf-8") == "echo mini_en 0.250\n"


def test_all_examples_are_found() -> None:
    assert len(EXAMPLES) == 5
