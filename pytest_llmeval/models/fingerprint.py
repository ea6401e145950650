"""What local weights are known by again: their files' contents, and how they are computed with."""

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

#: raise it when this package begins to answer the same requests in another way
_ANSWERS = 1
_MATTER = frozenset(
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
    """Changes when weights, config, tokenizer or template change, or dtype, device or transformers.

    ``digest`` gives a file's SHA-256; ``kind`` is that of the device, where it is another machine's.
    Raises ``ModelUnusable`` for files that cannot be read.
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
    """What tells a model's files from any others: their digests, or the commit. Raises ``ModelUnusable``."""
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
    files = sorted(path for path in folder.iterdir() if path.suffix in _MATTER and path.is_file())
    return files + sorted(folder.glob("*_templates/*.jinja"))


def known(source: Source) -> bool:
    """Whether it can be told what the weights are: those of the hub, of no known commit, cannot."""
    return source.revision is not None or Path(source.path).is_dir()


def sha256(path: Path) -> str:
    """Of all that is in a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sampled(path: Path) -> str:
    """SHA-256 of a file's size and 64 blocks of 64 KiB from its first to its last byte; all of a small file.

    Training changes a tensor as a whole: of weights in 5 GB a block is there every 80 MB. Raises OSError.
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


def difference(one: Sequence[Any], other: Sequence[Any]) -> str:
    """What two results of ``weights`` do not have in common, in words."""
    if any(isinstance(part, str) for part in (*one, *other)):
        return "the commit"
    files, others = dict(one), dict(other)
    return ", ".join(sorted(name for name in files.keys() | others if files.get(name) != others.get(name)))


def _kind(device: str) -> str:
    """The kind of a device, without its number; what ``auto`` will find is told without torch."""
    if device != "auto":
        return device.partition(":")[0]
    if sys.platform == "darwin":
        return "mps"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return "cpu" if hidden or not any(map(os.path.exists, _DEVICE_FILES)) else "gpu"
