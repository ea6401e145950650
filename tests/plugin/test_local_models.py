"""Whole runs of local models: what is refused, and what is said once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.tiny_benchmark import TOML, questions
from tests.support.tiny_models import LFS_POINTER, save_tiny
from tests.support.workers import WORKERS

LOGPROB = """
[prompts.logprob]
question = "{{ question }}"
answer = " {{ answer }}"
choice = " {{ label }}"
"""
ONCE = "llmeval: weights has no chat template, so the turns of its prompts were joined as text"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a chat template whose logits overflow in float16."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("saved")
    save_tiny(folder, template=None)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] *= 1e9
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def weights(saved: Path, pytester: pytest.Pytester, tiny: Path) -> Path:
    return Path(shutil.copytree(saved, pytester.path / "weights"))


@pytest.mark.slow
@pytest.mark.parametrize("xdist", WORKERS)
def test_a_model_without_a_chat_template_says_so_once(
    pytester: pytest.Pytester, weights: Path, xdist: str
) -> None:
    run = ("--llm-model=hf:./weights", "--llm-benchmark=tiny", "--llm-max-tokens=3", xdist)
    for _ in range(2):  # then from the store
        done = pytester.runpytest_subprocess(*run)
        assert [line.startswith(ONCE) for line in done.outlines].count(True) == 1
    assert len(questions(pytester)) == 8


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_checkpoint_is_refused_before_the_first_question(
    pytester: pytest.Pytester, weights: Path, xdist: str
) -> None:
    (weights / "model.safetensors").write_bytes(LFS_POINTER)
    done = pytester.runpytest_subprocess("--llm-model=hf:./weights", "--llm-benchmark=tiny", xdist)
    assert done.ret == 4
    lines = [line for line in (*done.outlines, *done.errlines) if "git lfs pull" in line]
    assert len(lines) == 1 and lines[0].startswith("ERROR: model weights: ")
    assert not (pytester.path / "reports").exists()


@pytest.mark.slow
def test_an_overflow_is_an_error_of_its_question(pytester: pytest.Pytester, weights: Path) -> None:
    (pytester.path / "tiny/benchmark.toml").write_text(f"{TOML}{LOGPROB}", "utf-8")
    done = pytester.runpytest_subprocess(
        *("--llm-model=hf:./weights", "--llm-benchmark=tiny", "--llm-mode=logprob", "--llm-dtype=float16")
    )
    assert done.ret == 1
    done.stdout.fnmatch_lines(["8 × the model's logits are not finite in float16; try --llm-dtype=bfloat16*"])
    assert {row["outcome"] for row in questions(pytester)} == {"error"}
