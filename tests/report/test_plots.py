"""Charts as files: each benchmark has its own, and each is a complete drawing."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_llmeval.core.errors import LLMEvalError
from pytest_llmeval.report.plots import write_plots
from tests.support import pages as pages

SUBJECTS = list(pages.SUBJECTS)


def test_charts_of_each_benchmark(tmp_path: Path) -> None:
    found = pages.records(40, ("ours", "theirs"), SUBJECTS)
    found += pages.records(16, ("ours",), SUBJECTS, of="../my bench")
    made = pages.made_up(tmp_path / "run", found)
    paths = write_plots(tmp_path / "out", made.folder, made.results)
    kinds = ("subjects", "groups", "latency", "tokens")
    names = {f"{name}-{kind}.svg" for name in ("cmmlu", "my-bench") for kind in kinds}
    assert {path.name for path in paths} == {path.name for path in (tmp_path / "out").iterdir()}
    assert {path.name for path in paths} == names | {"overview.svg"}
    for path in paths:
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.attrib["aria-label"]
        # viewers without style sheets must show the colours too
        assert "var(" not in path.read_text("utf-8") and "<style" not in path.read_text("utf-8")
    text = (tmp_path / "out/cmmlu-subjects.svg").read_text("utf-8")
    assert all(key in text and chinese in text for key, (_, chinese) in pages.SUBJECTS.items())
    assert "ours" in text and "theirs" in text and "all questions" in text


def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    made = pages.made_up(tmp_path / "run", pages.records(8, ("m",), SUBJECTS))
    (tmp_path / "file").touch()
    with pytest.raises(LLMEvalError, match=r"cannot write results in .*file/out"):
        write_plots(tmp_path / "file/out", made.folder, made.results)
