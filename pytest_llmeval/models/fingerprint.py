"""Identifies local weights by the contents of their files and the settings of the run."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pytest_llmeval.config.declare import answer_parameters
from pytest_llmeval.config.models import HFOptions, ModelConfig
from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.base import model_key
from pytest_llmeval.models.hf.load import Source

#: increase when this package changes how it answers the same requests
_ANSWERS = 2
_SUFFIXES = frozenset(
    [
        *(".json", ".jinja", ".txt", ".model", ".tiktoken", ".py"),
        *(".safetensors", ".bin", ".gguf"),
    ]
)
_BLOCKS, _BLOCK_BYTES = 64, 1 << 16
_DEVICE_FILES = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def fingerprint(
    config: ModelConfig, source: Source, digest: Callable[[Path], str], kind: str | None = None
) -> str:
    """A hash that changes with weights, config, tokenizer, template, dtype, device or transformers.

    ``digest`` returns a file's SHA-256; ``kind`` is the device type on another machine. Raises
    ``ModelUnusable`` for files that cannot be read.
    """
    return model_key(
        {
            **answer_parameters(config, HFOptions),
            "answers": _ANSWERS,
            "weights": weights(source, digest),
            "device": kind or _kind(config.device),
            "context": config.context,
            "transformers": metadata.version("transformers"),
        }
    )


def weights(source: Source, digest: Callable[[Path], str]) -> list[Any]:
    """The identity of a model's files: their names and digests, or hub id and commit.

    Raises ``ModelUnusable`` for files that cannot be read.
    """
    if source.revision:
        return [source.path, source.revision]
    folder = Path(source.path)
    try:
        return [[path.relative_to(folder).as_posix(), digest(path)] for path in _files(source)]
    except OSError as error:
        raise ModelUnusable(f"{error.filename}: cannot be read: {error.strerror}") from None


def _files(source: Source) -> list[Path]:
    folder = Path(source.path)
    if source.gguf_file is not None:
        return [folder / source.gguf_file]
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    return files + sorted(folder.glob("*_templates/*.jinja"))


def is_identifiable(source: Source) -> bool:
    """Whether the weights can be identified; a hub id needs a known commit."""
    return source.revision is not None or Path(source.path).is_dir()


def sha256(path: Path) -> str:
    """SHA-256 of a whole file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sample_sha256(path: Path) -> str:
    """SHA-256 of a file's size and 64 evenly spaced blocks of 64 KiB, or of the whole file if it is small.

    Training changes whole tensors: in a 5 GB file there is a block every 80 MB. Raises OSError.
    """
    size = path.stat().st_size
    if size <= 2 * _BLOCKS * _BLOCK_BYTES:
        return sha256(path)
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for number in range(_BLOCKS):
            file.seek((size - _BLOCK_BYTES) * number // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()


def difference(left: Sequence[Any], right: Sequence[Any]) -> str:
    """How two results of ``weights`` differ: the names of files, or "the commit"."""
    if any(isinstance(part, str) for part in (*left, *right)):
        return "the commit"
    ours, theirs = dict(left), dict(right)
    return ", ".join(sorted(name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)))


def _kind(device: str) -> str:
    """The device type without its number; for ``auto`` it is guessed without importing torch."""
    if device != "auto":
        return device.partition(":")[0]
    if sys.platform == "darwin":
        return "mps"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return "cpu" if hidden or not any(map(os.path.exists, _DEVICE_FILES)) else "gpu"
