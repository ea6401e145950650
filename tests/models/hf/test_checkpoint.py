"""The files of a checkpoint are checked before torch is imported, each fault in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.checkpoint import check_gguf, check_whole
from pytest_llmeval.models.serving.backend import ServedModel
from tests.support.paths import ROOT
from tests.support.tiny_models import LFS_POINTER, save_tiny

SHARDS = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
INDEX = "model.safetensors.index.json"

Change = Callable[[Path], Any]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    save_tiny(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model"))


def split(folder: Path) -> dict[str, str]:
    """Split the weights into two shards with an index; returns its weight_map."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    parts = names[: len(names) // 2], names[len(names) // 2 :]
    for file, part in zip(SHARDS, parts, strict=True):
        save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    placed = {name: file for file, part in zip(SHARDS, parts, strict=True) for name in part}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return placed


def after_split(change: Change) -> Change:
    def apply(folder: Path) -> None:
        split(folder)
        change(folder)

    return apply


def write(name: str, content: str | bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )


def remove(*names: str) -> Change:
    def apply(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return apply


def rename(name: str, to: str) -> Change:
    return lambda folder: (folder / name).rename(folder / to)


def both(*changes: Change) -> Change:
    def apply(folder: Path) -> None:
        for change in changes:
            change(folder)

    return apply


def place_elsewhere(folder: Path) -> None:
    placed = split(folder)
    placed["model.norm.weight"] = SHARDS[0] if placed["model.norm.weight"] == SHARDS[1] else SHARDS[1]
    (folder / INDEX).write_text(json.dumps({"weight_map": placed}))


def nest(name: str) -> Change:
    """Move everything into a folder inside, as a training run or the hub's cache has it."""

    def apply(folder: Path) -> None:
        files = list(folder.iterdir())
        (folder / name).mkdir(parents=True)
        for file in files:
            file.rename(folder / name / file.name)

    return apply


CUT_OFF = "is cut off: 30,000 of 664,216 bytes; download it again"
FAULTS: dict[str, tuple[Change, str]] = {
    "lfs": (
        write("model.safetensors", LFS_POINTER),
        r"Git LFS pointers .*\(model.safetensors\); run `git lfs pull`",
    ),
    "lfs tokenizer": (write("tokenizer.json", LFS_POINTER), r"\(tokenizer.json\); run `git lfs pull`"),
    "lfs vocabulary": (write("tokenizer.model", LFS_POINTER), r"\(tokenizer.model\); run `git lfs pull`"),
    "lfs config": (write("config.json", LFS_POINTER), r"\(config.json\); run `git lfs pull`"),
    "lfs template": (write("chat_template.jinja", LFS_POINTER), "run `git lfs pull`"),
    "lfs index": (after_split(write(INDEX, LFS_POINTER)), "run `git lfs pull`"),
    "lfs shards": (
        after_split(both(*(write(shard, LFS_POINTER) for shard in SHARDS))),
        rf"\({SHARDS[0]}, {SHARDS[1]}\); run `git lfs pull`",
    ),
    "lfs adapter": (write("adapter_config.json", LFS_POINTER), "run `git lfs pull`"),
    "annex": (
        write("model.safetensors", "/annex/objects/SHA256E-s4953--4d7a.safetensors"),
        "git-annex pointers .*run `git annex get`",
    ),
    "link to nothing": (
        both(remove("model.safetensors"), lambda f: (f / "model.safetensors").symlink_to("../../blobs/4d7a")),
        r"a link to a file that is not there \(../../blobs/4d7a\)",
    ),
    "a page as config": (
        write("config.json", "<!DOCTYPE html>"),
        r"config.json is not valid JSON \(Expecting",
    ),
    "empty config": (
        write("config.json", ""),
        r"config.json is not valid JSON \(is empty\); download it again",
    ),
    "a list as config": (write("config.json", "[]"), r"config.json is not valid JSON \(not an object\)"),
    "half a tokenizer": (write("tokenizer.json", '{"model": {'), "tokenizer.json is not valid JSON"),
    "half a large tokenizer": (
        write("tokenizer.json", '{"model": {' + " " * (1 << 20)),
        r"tokenizer.json is not valid JSON \(its end is missing\)",
    ),
    "adapter": (
        both(
            remove("config.json"),
            rename("model.safetensors", "adapter_model.safetensors"),
            write("adapter_config.json", '{"base_model_name_or_path": "meta-llama/Llama-2-7b"}'),
        ),
        "is an adapter of meta-llama/Llama-2-7b, not a whole model; merge both .*merge_and_unload",
    ),
    "adapter beside a model": (
        write("adapter_config.json", "{}"),
        "beside a whole model; if it is merged, remove adapter_config.json",
    ),
    "missing shard": (
        after_split(remove(SHARDS[1])),
        rf"lacks 1 of 2 files of weights that {INDEX} names \({SHARDS[1]}\); is the download complete",
    ),
    "no index": (after_split(remove(INDEX)), "shards without their index"),
    "index without map": (after_split(write(INDEX, "{}")), "has no weight_map"),
    "index of another checkpoint": (place_elsewhere, r"lacks weights .* 1 in all \(model.norm.weight\)"),
    "cut off": (lambda folder: os.truncate(folder / "model.safetensors", 30_000), CUT_OFF),
    "cut off header": (
        lambda folder: os.truncate(folder / "model.safetensors", 100),
        r"model.safetensors \(100 bytes\) is not a complete safetensors file; download it again",
    ),
    "empty weights": (write("model.safetensors", ""), r"\(0 bytes\) is not a complete safetensors file"),
    "zeros": (write("model.safetensors", b"\0" * 64), "not a complete safetensors file"),
    "cut off pickle": (
        both(remove("model.safetensors"), write("pytorch_model.bin", b"PK\x03\x04" + b"x" * 99)),
        r"pytorch_model.bin \(103 bytes\) is not a complete file of torch.save",
    ),
    "only an optimizer": (rename("model.safetensors", "optimizer.bin"), "has no weights"),
    "gguf": (
        rename("model.safetensors", "q4.gguf"),
        "weights in GGUF; name the file itself: .*=hf:.*q4.gguf",
    ),
    "author's format": (
        both(rename("model.safetensors", "consolidated.00.pth"), remove("config.json")),
        r"author's format \(consolidated.00.pth\)",
    ),
    "parts of a training run": (
        both(remove("model.safetensors"), lambda folder: (folder / "global_step500").mkdir()),
        r"training run's checkpoint in parts \(global_step500\)",
    ),
    "unfinished": (rename("model.safetensors", "model.safetensors.part"), "unfinished download"),
    "other format": (rename("model.safetensors", "tf_model.h5"), r"another format \(tf_model.h5\)"),
    "other name": (rename("model.safetensors", "weights.safetensors"), r"under another name \(weights.safe"),
    "run of a trainer": (nest("checkpoint-500"), "no config.json; did you mean .*model/checkpoint-500?"),
    "cache of the hub": (nest("snapshots/4d7a"), "no config.json; did you mean .*model/snapshots/4d7a?"),
    "pipeline": (both(remove("config.json"), write("model_index.json", "{}")), "a diffusion pipeline"),
    "no tokenizer": (
        remove("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        "has no tokenizer .*copy it from the model that this one was trained from",
    ),
    "no vocabulary": (remove("tokenizer.json"), "has no tokenizer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line(folder: Path, name: str) -> None:
    change, says = FAULTS[name]
    change(folder)
    with pytest.raises(ModelUnusable, match=says) as caught:
        load.check(ModelConfig("m", "hf", str(folder)))
    assert "\n" not in str(caught.value) and str(caught.value).startswith("model m: ")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: None,
        split,
        write("pytorch_model.bin", LFS_POINTER),  # transformers reads model.safetensors
        write("trainer_state.json", "{half"),
        write("README.md", LFS_POINTER),
        both(
            remove("tokenizer.json"), write("tokenizer_config.json", '{"tokenizer_class": "ByT5Tokenizer"}')
        ),
        both(
            remove("tokenizer.json"),
            write("tokenizer_config.json", '{"auto_map": {"AutoTokenizer": ["a.B"]}}'),
        ),
    ],
)
def test_what_does_no_harm_is_accepted(folder: Path, change: Change) -> None:
    change(folder)
    load.check(ModelConfig("m", "hf", str(folder)))


def test_the_weights_of_torch_save_are_accepted(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    load.check(ModelConfig("m", "hf", str(folder)))


def test_a_shard_behind_a_link_is_checked(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "blob")
    (folder / "model.safetensors").symlink_to(folder.parent / "blob")
    load.check(ModelConfig("m", "hf", str(folder)))
    os.truncate(folder.parent / "blob", 30_000)
    with pytest.raises(ModelUnusable, match=CUT_OFF):
        load.check(ModelConfig("m", "hf", str(folder)))


def test_a_gguf_file(tmp_path: Path) -> None:
    file = tmp_path / "q4.gguf"
    file.write_bytes(LFS_POINTER)
    with pytest.raises(ModelUnusable, match="run `git lfs pull`"):
        check_gguf(file, "model m")
    file.write_bytes(b"<html>")
    with pytest.raises(ModelUnusable, match="not a GGUF file; download it again"):
        check_gguf(file, "model m")
    file.write_bytes(b"GGUF\x03\0\0\0")
    check_gguf(file, "model m")


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(ModelUnusable, match=r"config\.json cannot be read: Is a directory"):
        load.check(ModelConfig("m", "hf", str(folder)))


def test_a_server_s_model_must_be_whole_only(folder: Path) -> None:
    remove("tokenizer.json", "tokenizer_config.json")(folder)
    check_whole(folder, "model m")
    rename("model.safetensors", "consolidated.safetensors")(folder)
    check_whole(folder, "model m")
    after_split_folder = folder / "other"
    after_split_folder.mkdir()
    write("model.safetensors", LFS_POINTER)(after_split_folder)
    config = ModelConfig("m", "serve", str(after_split_folder), command=f"{sys.executable} {{path}} {{port}}")
    with pytest.raises(ModelUnusable, match="run `git lfs pull`"):
        ServedModel(config, lambda: folder).check()


def test_torch_is_not_imported(folder: Path) -> None:
    code = (
        "import sys; from pytest_llmeval.models.hf import load; "
        "from pytest_llmeval.config.models import ModelConfig; "
        f"load.check(ModelConfig('m', 'hf', {str(folder)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
